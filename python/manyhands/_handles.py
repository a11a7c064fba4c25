"""How objects that live in shared memory travel: by name, never by value.

An object of ours (a lock, a queue, a shared value) is a *handle*: the id of a world, which is the
shared memory of a family of processes, and the name of a block in it. Three things can carry one:

1. A child that is being started, by us or by `multiprocessing`: what the child reads first attaches
   the world, whose descriptor goes with it; the parent keeps the object until the child has ended
   or its `Process` is closed.
2. An item of a queue or a pipe of ours: the item pins what it names, whoever takes it adopts it.
3. A pool's arguments, results and code: the pool keeps what they name.

In 2 and 3 somebody *collects* while the item is pickled (`Collector`, or natively). Where none of
the three is the case, pickling an object of ours raises `RuntimeError`, as in `multiprocessing`:
the bytes could outlive the object, or come to a stranger.

Refuses: to copy what an object holds, and to know what kinds of objects there are.
"""

from __future__ import annotations

import atexit
import os
import sys

from . import _native
from ._native import Collector

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn, Protocol, TypeVar

    T = TypeVar("T")

    class Handled(Protocol):
        """An object of ours."""

        def _handle(self) -> tuple[int, int]: ...


__all__ = [
    "Collector",
    "Passport",
    "Spawning",
    "assert_travelling",
    "leave",
    "passport",
    "reduce",
    "spawning",
    "watch_exit",
]

_LAST = -1_000_000  # the priority of the finalizer that runs after all others


def reduce(obj: Handled, adopt: Callable[..., T], *extra: Any) -> tuple[Any, ...]:
    """What `__reduce__` of an object of ours returns.

    On the other side `adopt(world, handle, *extra)` gives the object; pickle must find it by name.

    Raises:
        RuntimeError: if nothing carries the object.
    """
    world, handle = obj._handle()  # noqa: SLF001 - the protocol of our own objects
    popen = spawning()
    carrier = None if popen is None else passport(popen)
    if carrier is not None and all(world != known for known, _ in carrier.worlds):
        raise RuntimeError(
            f"this {type(obj).__name__} cannot travel any more: the program has closed the "
            "descriptor of the shared memory that it lies in (os.closerange, or a daemon that "
            "closes all files). Make it after that"
        )
    if _native.collect(world, handle):
        return adopt, (world, handle, *extra)
    if carrier is None:
        refuse(type(obj).__name__)
    carrier.keep(obj)
    return _arrive, (carrier, adopt, world, handle, extra)


def assert_travelling(obj: object) -> None:
    """Raise RuntimeError unless something carries what is being pickled now."""
    if not _native.collecting() and spawning() is None:
        refuse(type(obj).__name__)


def refuse(kind: str) -> NoReturn:
    """Raise RuntimeError: nothing carries an object of that kind now."""
    raise RuntimeError(
        f"{kind} objects should only be shared between processes through "
        "inheritance: hand it to a child as an argument of a Process, or to workers as an argument "
        "or among the initargs of a manyhands pool, or put it into a queue or pipe of manyhands. "
        "It cannot be pickled on its own, nor by multiprocessing's pools, queues and managers"
    )


def spawning() -> Any:
    """What starts a child now, if one is being started in this thread."""
    context = sys.modules.get("multiprocessing.context")
    return None if context is None else context.get_spawning_popen()


class Spawning:
    """A `with` block that starts the child of `popen`, maybe amid the start of another.

    A handler of signals may come at any moment, and start a child of its own.
    """

    def __init__(self, popen: Any) -> None:
        self._popen = popen
        self._outer = spawning()

    def __enter__(self) -> None:
        from multiprocessing import context

        context.set_spawning_popen(self._popen)

    def __exit__(self, *_: object) -> None:
        from multiprocessing import context

        context.set_spawning_popen(self._outer)


def _arrive(
    carrier: None,  # noqa: ARG001 - unpickling it has attached the world
    adopt: Callable[..., T],
    world: int,
    handle: int,
    extra: tuple[Any, ...],
) -> T:
    return adopt(world, handle, *extra)


class Passport:
    """Brings a child into the family: pickled, it attaches the worlds of the parent.

    It carries the descriptor of a running resource tracker too, unless `multiprocessing` hands that
    over itself, so that the child does not start a tracker that unlinks what others use.
    """

    def __init__(self, popen: Any) -> None:
        _native.home_world()
        self.worlds = [(world, _duplicate(popen, fd)) for world, fd in _native.known_worlds()]
        fd = None if popen.method in ("spawn", "forkserver") else _tracker_fd()
        self.tracker = None if fd is None else _duplicate(popen, fd)
        self._kept: list[object] = []

    def keep(self, obj: object) -> None:
        """Keep an object until the child has certainly read of it."""
        self._kept.append(obj)

    def __reduce__(self) -> tuple[Any, ...]:
        return _enter, (self.worlds, self.tracker)


def passport(popen: Any) -> Passport:
    """The one passport of a child that `popen` is starting; it lives as long as `popen`."""
    made: Passport | None = getattr(popen, "_manyhands_passport", None)
    if made is None:
        made = popen._manyhands_passport = Passport(popen)  # noqa: SLF001 - ours, on a foreign object
    return made


def _duplicate(popen: Any, fd: int) -> Any:
    return popen.DupFd(popen.duplicate_for_child(fd))


def _enter(worlds: list[tuple[int, Any]], tracker: Any) -> None:
    """In the child: attach what the parent gave, its home last, so that it is the home here."""
    known = {world for world, _ in _native.known_worlds()}
    for world, fd in reversed(worlds):
        if world not in known:
            _native.attach_world(fd.detach())
    if tracker is not None:
        _take_tracker(tracker)


def _tracker_fd() -> int | None:
    """The descriptor of this process's resource tracker, if one runs."""
    module = sys.modules.get("multiprocessing.resource_tracker")
    return None if module is None else module._resource_tracker._fd  # noqa: SLF001 - no other way


def _take_tracker(fd: Any) -> None:
    """Use the resource tracker of the parent from now on, if this process has none."""
    from multiprocessing import resource_tracker

    own: Any = resource_tracker._resource_tracker  # noqa: SLF001
    if own._fd is None:  # noqa: SLF001 - as the standard library's own children do it
        own._fd = fd.detach()  # noqa: SLF001


# The end of a process


def leave() -> None:
    """Mark the end of this process as a normal one: what it holds stays held, as in CPython.

    For whoever ends it by `os._exit` after it has done its work.
    """
    _native.leave()


def watch_exit() -> None:
    """Mark a normal end however it comes; called when this process gets its first world."""
    atexit.register(_native.leave)
    os.register_at_fork(after_in_child=_watch_child)
    _watch_child()


def _watch_child() -> None:
    """A child of `multiprocessing` leaves by `os._exit`, after its finalizers have run.

    It empties the list of them when it begins, and then calls what was registered to run after a
    fork.
    """
    util = sys.modules.get("multiprocessing.util")
    if util is not None:
        util.register_after_fork(_anchor, _finalize_last)
        _finalize_last(_anchor)


class _Anchor:
    """What `multiprocessing.util` keeps its reference to."""


_anchor = _Anchor()


def _finalize_last(_: object) -> None:
    from multiprocessing import util

    util.Finalize(None, _native.leave, exitpriority=_LAST)
