"""The template process, from the command that starts it to the workers that it forks.

It is a Python without `site` (that costs most of an interpreter's start) where nothing of the
parent's depends on it, with the parent's `sys.path`. It imports what it is told and forks when it
is told; the loop is in the engine, here are only the two things that Python must do.

Refuses: to run the program's `__main__`.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

_PLAIN_FINDERS = ("BuiltinImporter", "FrozenImporter", "PathFinder", "ManyhandsFinder")

_LATER = "manyhands_site"
"""The option that tells a template without `site` that what it forks has to run it."""

_BOOT = "import sys; sys.path[:] = sys.argv[1:]; from manyhands._template import {0}; {0}()"


def command(
    path: list[str], of: Literal["workers", "processes"] = "workers"
) -> tuple[str, list[str]]:
    """The program and the arguments of a template like this interpreter, with this `sys.path`."""
    if getattr(sys, "frozen", False):
        # `sys.executable` is the program, which would start itself again and again.
        raise RuntimeError(
            "this program is frozen (as by PyInstaller): there is no interpreter here that "
            'could be a template: use `Pool(context="fork")`, or call `freeze_support()` first of '
            'all and then `set_start_method("spawn")`'
        )
    from ._executable import interpreter
    from ._search_path import fitting

    flags = ["-" + letter for letter, on in _switches() if on]
    for name, value in sys._xoptions.items():  # noqa: SLF001 - documented, but for its name
        flags += ["-X", name if value is True else f"{name}={value}"]
    here = __file__.rpartition("/manyhands/")[0]
    more = [] if here in path else [here]
    return interpreter(), [*flags, "-c", _BOOT.format(of), *fitting(path, more), *more]


def _switches() -> list[tuple[str, bool]]:
    flags = sys.flags
    return [
        ("S", _site_is_plain()),
        ("B", bool(flags.dont_write_bytecode)),
        ("O" * flags.optimize, flags.optimize > 0),
        ("b" * flags.bytes_warning, flags.bytes_warning > 0),
        ("I", bool(flags.isolated)),
        ("E", bool(flags.ignore_environment) and not flags.isolated),
        ("s", bool(flags.no_user_site) and not flags.isolated),
        ("P", bool(getattr(flags, "safe_path", False)) and not flags.isolated),
    ]


def _site_is_plain() -> bool:
    """Whether `site` did nothing here that workers would miss: no import hook, no sitecustomize."""
    hooks = all(getattr(finder, "__name__", "") in _PLAIN_FINDERS for finder in sys.meta_path)
    return hooks and not {"sitecustomize", "usercustomize"} & sys.modules.keys()


def _leave_site_for_later() -> None:
    """Begin anew without `site` if that has started a thread: with one, nothing can be forked.

    A `sitecustomize` of a tracer or a profiler does so. What is forked runs `site` for itself.
    """
    import os

    if not sys.flags.no_site and len(os.listdir("/proc/self/task")) > 1:
        program, *arguments = sys.orig_argv
        os.execv(sys.executable, [program, "-S", "-X", f"{_LATER}=1", *arguments])  # noqa: S606


def workers() -> None:
    """Be a pool's template until the parent ends; in the workers that it forks: be one of them."""
    import os

    _leave_site_for_later()

    # What every worker needs, so that it is born with it.
    from . import (  # noqa: F401
        _handles,
        _identity,
        _namespace,
        _native,
        _neighbours,
        _outlet,
        _pickling,
        _seeds,
        _snapshot,
        _worker,
    )

    start = _native.run_template(_import, _fork)
    if start is None:
        os._exit(0)
    end, snapshot = start
    _finish_site()
    _neighbours.receive(end.take_given())
    _worker.serve(end, snapshot, "fresh")


def processes() -> None:
    """Be the template of a program's processes; in those that it forks: be one of them."""
    import os

    _leave_site_for_later()
    from . import _child, _native, process  # noqa: F401 - what every process needs

    start = _native.run_process_template(_import, _fork)
    if start is None:
        os._exit(0)
    fds, message = start
    _finish_site()
    _child.run(fds, message)


def _fork() -> int:
    """Fork, with nothing left in a buffer that a worker would print again.

    What has been imported is taken out of the garbage collector's sight first: a worker would copy
    its pages by looking at them.
    """
    import gc
    import os

    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    gc.freeze()
    return os.fork()


def _import(module: str) -> None:
    __import__(module)


def _finish_site() -> None:
    """What `site` gives to every program, where it was left out."""
    if not sys.flags.no_site:
        return
    if _LATER in sys._xoptions:  # noqa: SLF001 - as above
        import site

        site.main()
        return
    import _sitebuiltins
    import builtins
    import os

    eof = "Ctrl-D (i.e. EOF)"
    builtins.quit = _sitebuiltins.Quitter("quit", eof)
    builtins.exit = _sitebuiltins.Quitter("exit", eof)
    builtins.help = _sitebuiltins._Helper()  # noqa: SLF001 - as site does
    config = os.path.join(os.path.dirname(os.path.dirname(sys.executable)), "pyvenv.cfg")
    if os.path.exists(config):
        sys.prefix = sys.exec_prefix = os.path.dirname(config)
