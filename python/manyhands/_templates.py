"""Which template forks a process: one for the program, which has imported what its processes use.

A module that was imported may have looked at the environment, and been found by `sys.path`. So a
process whose environment or path is another than that of the template's start is forked from one
that has imported nothing of the program: a process with `env=` from a second, plain one. So is the
first process after this process's own have changed; when they stay as they are the first template
is replaced. Processes
keep the template that forked them until they end.

Refuses: to be used in a forked copy of the program; that starts its own.
"""

from __future__ import annotations

import os
from multiprocessing import util

from . import _early, _search_path
from ._genuine import RLock
from ._native import ProcessTemplate
from ._template import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    # The environment and the `sys.path` that imports may have seen.
    State = tuple[dict[str, str], list[str]]

# Changes all the time and is read by nobody but whoever sets it.
_VOLATILE = "PYTEST_CURRENT_TEST"


class Template:
    """A template and what its imports may have seen."""

    def __init__(self) -> None:
        path = _search_path.fixed()
        program, arguments = command(path, "processes")
        self.state = (_settled(os.environ), path)
        self.imported: set[str] = set()
        self.native = ProcessTemplate(program, arguments, list(os.environ.items()))

    def suits(self, state: State) -> bool:
        """Whether a process with this environment and path may be forked from it."""
        return not self.imported or self.state == state

    def preload(self, modules: Iterable[str]) -> None:
        """Import modules, so that the processes that are forked from now on are born with them."""
        for module in modules:
            if module not in self.imported:
                self.imported.add(module)
                self.native.preload(module)


_lock = RLock()
_main: Template | None = None
_plain: Template | None = None
_strange: State | None = None  # what the first template did not suit


def template_for(
    process: Any, environment: Mapping[str, str], mentioned: Iterable[str]
) -> Template:
    """The template for a process whose pickle mentions these modules."""
    global _main, _plain, _strange  # noqa: PLW0603 - one of each per program
    with _lock:
        _main = _main or _made()
        state = (_settled(environment), _search_path.fixed())
        if not _main.suits(state):
            if process._env or state != _strange:
                _strange = _strange if process._env else state
                _plain = _plain or _made()
                return _plain
            _main = _made()
        if not process._env:
            target = getattr(process, "_target", None)
            callables = (type(process), getattr(target, "__func__", target))
            _main.preload(_early.modules(callables, mentioned))
        return _main


def discard(template: Template) -> None:
    """It has failed: the next process gets another one."""
    global _main, _plain  # noqa: PLW0603 - one of each per program
    with _lock:
        _main = None if _main is template else _main
        _plain = None if _plain is template else _plain


def _made() -> Template:
    # After the standard library has joined what has to be joined at the exit.
    util.Finalize(None, _forget, exitpriority=-1000)
    return Template()


def _settled(environment: Mapping[str, str]) -> dict[str, str]:
    settled = dict(environment)
    settled.pop(_VOLATILE, None)
    return settled


def _forget() -> None:
    global _lock, _main, _plain, _strange  # noqa: PLW0603 - one of each per program
    _lock = RLock()
    _main = _plain = _strange = None


os.register_at_fork(after_in_child=_forget)
