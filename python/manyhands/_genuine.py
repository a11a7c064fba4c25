"""The interpreter's own threads and locks, also where a library has put others in their place.

`gevent` and `eventlet` replace what `_thread` holds by what their greenlets need. A thread of this
package that were a greenlet would hold up all others as soon as it waits, as it does without the
interpreter's lock; and a greenlet's lock cannot be waited for by another thread.

Refuses: to touch what a library has replaced.
"""

from __future__ import annotations

import _thread
from types import BuiltinFunctionType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _thread import RLock, allocate_lock, get_ident
    from collections.abc import Callable
    from typing import Any

__all__ = ["RLock", "Thread", "allocate_lock", "are_replaced", "check_wakes", "get_ident"]


def are_replaced() -> bool:
    """Whether threads that the program starts are no threads of the system."""
    return not isinstance(_thread.start_new_thread, BuiltinFunctionType)


def check_wakes(what: str) -> None:
    """Raise where `what` would wait for ever: no thread wakes who waits for eventlet's locks."""
    if are_replaced() and _thread.start_new_thread.__module__.startswith("eventlet."):
        raise RuntimeError(
            f"eventlet has replaced the locks of `threading`, and {what} would never wake up: use "
            "a Pool, whose results wait by themselves, or `eventlet.monkey_patch(thread=False)`"
        )


def _own() -> Any:
    if not are_replaced():
        return _thread
    from importlib.machinery import BuiltinImporter
    from importlib.util import module_from_spec

    spec = BuiltinImporter.find_spec("_thread")
    if spec is None:
        raise ImportError("this interpreter has no built-in module '_thread'")
    module = module_from_spec(spec)
    BuiltinImporter.exec_module(module)
    return module


_module = _own()
_start: Callable[..., int] = _module.start_new_thread

if not TYPE_CHECKING:
    RLock = _module.RLock
    allocate_lock = _module.allocate_lock
    get_ident = _module.get_ident


class Thread:
    """A thread of the system that is a daemon, with the two methods that this package needs."""

    def __init__(self, run: Callable[..., object], arguments: tuple[Any, ...]) -> None:
        self._run = run
        self._arguments = arguments
        self._ended = allocate_lock()

    def start(self) -> None:
        """Start it; RuntimeError if there can be no more threads."""
        self._ended.acquire()
        try:
            _start(self._serve, ())
        except BaseException:
            self._ended.release()
            raise

    def join(self, timeout: float) -> None:
        """Wait for its end, at most so many seconds."""
        if self._ended.acquire(timeout=timeout):
            self._ended.release()

    def _serve(self) -> None:
        try:
            self._run(*self._arguments)
        finally:
            self._ended.release()
