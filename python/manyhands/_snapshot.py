"""What a worker takes over from its parent: a snapshot, taken when a pool is made and first used.

Working directory, environment, `sys.path`, `sys.argv`, umask, warning filters and the name of the
main file travel as one blob, which the template hands to each worker that it forks.

Refuses: to carry modules, open files or any object of the program; that is what arguments are for.
"""

from __future__ import annotations

import os
import sys
from _pickle import dumps, loads

from . import _filters, _neighbours, _search_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

# How libraries are told how many threads they may start.
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMBA_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "RAYON_NUM_THREADS",
    "POLARS_MAX_THREADS",
)


def checked(env: Mapping[str, str] | None) -> dict[str, str]:
    """The user's `env` as a dict; raises for what no environment can hold."""
    try:
        result: dict[Any, Any] = dict(env or {})
    except (TypeError, ValueError):
        raise TypeError(f"env must be a dict of strings, not {env!r}") from None
    for name, value in result.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise TypeError(f"env must map names to strings, not {name!r} to {value!r}")
        if not name or "=" in name or "\0" in name or "\0" in value:
            raise ValueError(f"env cannot hold {name!r}: {value!r}")
    return result


def worker_environment(env: Mapping[str, str] | None, threads: int) -> dict[str, str]:
    """The environment of a pool's workers: the parent's, one thread count, and `env` on top.

    A thread variable that the user has set, here or in `env`, wins.
    """
    environment = _environ()
    for name in THREAD_VARIABLES:
        environment.setdefault(name, str(threads))
    environment.update(env or {})
    return environment


def _environ() -> dict[str, str]:
    while True:
        try:
            return dict(os.environ)
        except (KeyError, RuntimeError):
            # Another thread has changed it meanwhile: one that launches workers does.
            continue


def take(
    environment: Mapping[str, str], preload: Sequence[str], more: Mapping[str, Any] | None = None
) -> bytes:
    """The parent as it is now, as a blob for `load`; with what else a worker is told."""
    main = sys.modules.get("__main__")
    return dumps(
        {
            "cwd": _cwd(),
            "env": dict(environment),
            "path": _search_path.taken(),
            "argv": list(getattr(sys, "argv", [])),
            "umask": _umask(),
            "filters": _filters.take(),
            "file": getattr(main, "__file__", None),
            "authkey": _neighbours.authkey(),
            "tracker": _neighbours.tracker(),
            "preload": list(preload),
            **(more or {}),
        },
        5,
    )


def load(blob: bytes) -> dict[str, Any]:
    """What a snapshot says."""
    state: dict[str, Any] = loads(blob)
    return state


def restore(state: Mapping[str, Any]) -> None:
    """Make this process resemble the one that took the snapshot."""
    # Who is there already need not enter: with the rights of another user it may be closed to us.
    if state["cwd"] not in (None, _cwd()):
        try:
            os.chdir(state["cwd"])
        except OSError as error:
            # It was removed or closed to us: relative paths fail in the task, with their own error.
            print(f"manyhands: cannot enter {state['cwd']}: {error}", file=sys.stderr)  # noqa: T201
    if dict(os.environ) != state["env"]:
        os.environ.clear()
        os.environ.update(state["env"])
    sys.path[:] = state["path"]
    sys.argv[:] = state["argv"]
    if state["umask"] is not None:
        os.umask(state["umask"])
    if state["filters"] is not None:
        _filters.restore(state["filters"])
    if state["file"] is not None:
        sys.modules["__main__"].__dict__.setdefault("__file__", state["file"])
    if state["authkey"] is not None:
        _neighbours.restore_authkey(state["authkey"])
    if state["tracker"] is not None:
        _neighbours.use_tracker(state["tracker"])
    for module in state["preload"]:
        _import(module)


def _import(module: str) -> None:
    """Import what the template should have imported; what cannot be fails where it is used."""
    try:
        __import__(module)
    except Exception:  # noqa: BLE001 - whatever a module's body may raise
        import traceback

        print(f"manyhands: preload of {module} failed:", file=sys.stderr)  # noqa: T201
        traceback.print_exc()


def _cwd() -> str | None:
    try:
        return os.getcwd()
    except OSError:
        return None


def _umask() -> int | None:
    """The umask, read without changing it: another thread may create a file meanwhile."""
    try:
        with open("/proc/self/status", "rb") as status:
            for line in status:
                if line.startswith(b"Umask:"):
                    return int(line.split()[1], 8)
    except OSError:
        pass
    return None
