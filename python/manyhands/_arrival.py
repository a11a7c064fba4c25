"""The first and the last thing that a process of ours does, whatever started it.

First its life is tied to its parent's, before anything of the program is imported. Last, its exit
handlers run and it ends without unwinding into the frames of whoever forked it.

Refuses: to run the process (`process` does), to know what is pickled (`popen_*` do).
"""

from __future__ import annotations

import atexit
import os
import sys

from . import _native

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

lifeline: int | None = None
"""This process's end of its lifeline, where it came beside what the standard library sends."""


def bind(pipe: int, creator: int | None) -> None:
    """End soon after the parent: when the other end of `pipe` closes, and when the creator ends.

    The creator is a thread, so `creator`, the parent's number, is given only where that thread is
    the parent's main thread, which ends with it.
    """
    try:
        _native.end_on_hangup(pipe)
        if creator is not None:
            _native.end_with_creator(creator)
    except OSError:
        # A kernel that lacks what they need: better than no process at all.
        pass


def arrive(pipe: Any, *, bound: bool, creator: int | None) -> None:
    """Called while the preparation data of `spawn` and `forkserver` is unpickled, first of all."""
    global lifeline  # noqa: PLW0603 - one parent per process
    lifeline = descriptor = pipe.detach()
    if bound:
        bind(descriptor, creator)


def take_lifeline(otherwise: int | None) -> int | None:
    """The parent's sentinel for the process that begins: what `arrive` got, once, or this."""
    global lifeline
    taken, lifeline = lifeline, None
    return otherwise if taken is None else taken


def creator() -> int | None:
    """What `bind` is told of the thread that creates a process now."""
    return os.getpid() if _native.is_main_thread() else None


def run_and_exit(bootstrap: Callable[[], int]) -> NoReturn:
    """Run a forked process to its end, on every version as CPython 3.13 does it."""
    try:
        # Not above: it imports a dozen modules, and a pool that forks its workers needs none.
        from multiprocessing import util

        _util: Any = util  # its internals have no types
        code = 1
        try:
            atexit._clear()
            atexit.register(_util._exit_function)
            code = bootstrap()
        finally:
            try:
                atexit._run_exitfuncs()
                _util._flush_std_streams()
            finally:
                os._exit(code)
    finally:
        # Whatever went wrong: who unwound into the forker's frames would be a second program.
        os._exit(1)


def exit_status(code: int) -> int:
    """What the kernel keeps of an exit code: one byte, by whatever method the process started."""
    return int(code) & 0xFF


def print_exception() -> int:
    """Tell on standard error what went wrong before the process could run; its exit code."""
    import traceback

    traceback.print_exc()
    if sys.stderr is not None:
        sys.stderr.flush()
    return 1
