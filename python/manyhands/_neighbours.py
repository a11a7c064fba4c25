"""What the standard library's own objects need in a worker of ours.

Manager proxies, connections and sockets need the key with which processes of one program recognise
each other: it comes with the snapshot that starts a worker, or ahead of the first argument that may
need it. Named memory needs the parent's resource tracker, found through `/proc`: one of the
worker's own would unlink the memory at the worker's end; where none is found it does not track.
Locks, queues and connections among `initargs` need what `multiprocessing` gives to a child that is
being started: a `Parcel` stands for the child.

Refuses: to import `multiprocessing` where nothing of it is used.
"""

from __future__ import annotations

import os
import sys
from _thread import _local
from types import FunctionType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

    Address = tuple[int, int]

WORD = b"multiprocessing"
"""Bytes of a pickle that may need the key."""


# The key


def authkey() -> bytes | None:
    """The key with which processes of one program recognise each other, if it may be needed."""
    process = sys.modules.get("multiprocessing.process")
    return None if process is None else bytes(process.current_process().authkey)


def restore_authkey(key: bytes) -> None:
    """Be recognised by the processes of the program that has this key."""
    import multiprocessing.process

    multiprocessing.process.current_process().authkey = key


# The tracker


def tracker() -> Address | None:
    """Where the resource tracker of this program can be found: a process and its descriptor.

    One is started if the program can have named memory, and none runs.
    """
    module = sys.modules.get("multiprocessing.resource_tracker")
    if module is None:
        return None
    if "multiprocessing.shared_memory" in sys.modules:
        module.ensure_running()
    fd = module._resource_tracker._fd  # noqa: SLF001 - there is no other way
    return None if fd is None else (os.getpid(), fd)


def use_tracker(address: Address | None) -> bool:
    """Use the tracker that is to be found there, if this process has none; whether it has one."""
    from multiprocessing import resource_tracker

    own: Any = resource_tracker._resource_tracker  # noqa: SLF001
    if own._fd is None and address is not None:  # noqa: SLF001 - as above
        own._fd = _reopen(*address)  # noqa: SLF001
    return own._fd is not None  # noqa: SLF001


def _reopen(pid: int, fd: int) -> int | None:
    """Another process's end of a pipe, as an end of this one."""
    try:
        # Without a reader an opening that may block would wait for one.
        found = os.open(f"/proc/{pid}/fd/{fd}", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    os.set_blocking(found, True)
    return found


# Named memory


def reducers() -> dict[type, Any]:
    """How the standard library's objects are pickled for a worker, as far as that differs."""
    table: dict[type, Any] = {}
    shared = sys.modules.get("multiprocessing.shared_memory")
    if shared is not None:
        table[shared.SharedMemory] = _reduce_named
        table[shared.ShareableList] = _reduce_named
    parcel = _packing.parcel
    if parcel is not None and parcel.inherited:
        table.update(parcel.reducers())
    return table


def _reduce_named(obj: Any) -> tuple[Any, ...]:
    maker, arguments = obj.__reduce__()[:2]
    tracked = getattr(obj, "_track", True)
    return attach_named, (maker, arguments, tracker(), tracked)


def attach_named(
    maker: Any, arguments: tuple[Any, ...], address: Address | None, tracked: bool
) -> Any:
    """Attach named memory without starting a tracker for it."""
    if use_tracker(address) and tracked:
        return maker(*arguments)
    return untracked(maker, *arguments)


class NoTracker:
    """Stands for the module `resource_tracker` where nothing is to be tracked."""

    @staticmethod
    def register(name: str, kind: str) -> None:
        """Do nothing."""

    @staticmethod
    def unregister(name: str, kind: str) -> None:
        """Do nothing."""


def with_globals(function: Any, **names: object) -> Any:
    """A function of the standard library that finds other things under these names."""
    made = FunctionType(
        function.__code__,
        {**function.__globals__, **names},
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    made.__kwdefaults__ = function.__kwdefaults__
    return made


def untracked(kind: Any, *arguments: Any) -> Any:
    """Attach named memory, of a class of the standard library, without any tracker."""
    from multiprocessing import shared_memory

    if kind is shared_memory.SharedMemory:
        memory: Any = kind.__new__(kind)
        with_globals(kind.__init__, resource_tracker=NoTracker)(memory, *arguments)
        memory._track = False  # noqa: SLF001 - from 3.13 on it is asked before the name is unlinked
        return memory

    def attach(*found: Any) -> Any:
        return untracked(shared_memory.SharedMemory, *found)

    made = kind.__new__(kind)
    with_globals(kind.__init__, SharedMemory=attach)(made, *arguments)
    return made


# What is given to workers when they start


class _Packing(_local):
    """What this thread is packing."""

    parcel: Parcel | None = None


_packing = _Packing()


class Parcel:
    """Stands for the child that is being started, while a pool's initializer is pickled.

    Descriptors go to each worker when it starts; under `fork` the worker inherits them, and locks
    that have no name as well.
    """

    method = "manyhands"

    def __init__(self, *, inherited: bool) -> None:
        self.inherited = inherited
        self.fds: list[int] = []
        self._objects: list[object] = []
        self._outer: tuple[Parcel | None, Any] = None, None

    def __enter__(self) -> Self:
        context = sys.modules.get("multiprocessing.context")
        # A handler of signals may have come while something else is packed.
        spawning = None if context is None else context.get_spawning_popen()
        self._outer = _packing.parcel, spawning
        _packing.parcel = self
        stand_in()
        return self

    def __exit__(self, *_: object) -> None:
        (_packing.parcel, spawning), self._outer = self._outer, (None, None)
        context = sys.modules.get("multiprocessing.context")
        if context is not None and context.get_spawning_popen() is self:
            context.set_spawning_popen(spawning)

    def duplicate_for_child(self, fd: int) -> int:
        """Take a descriptor along; its place."""
        self.fds.append(os.dup(fd))
        return len(self.fds) - 1

    @staticmethod
    def DupFd(place: int) -> Given:  # noqa: N802 - multiprocessing's name
        """What the descriptor with that place is in the worker."""
        return Given(place)

    def reducers(self) -> dict[type, Any]:
        """How locks of the standard library go to a worker that inherits them."""
        module = sys.modules.get("multiprocessing.synchronize")
        names = ("Lock", "RLock", "Semaphore", "BoundedSemaphore")
        return {} if module is None else {getattr(module, n): self._inherit for n in names}

    def _inherit(self, obj: object) -> tuple[Any, ...]:
        self._objects.append(obj)
        return _inherited, (len(self._objects) - 1,)

    def keep(self, objects: object, data: bytes) -> None:
        """Keep what was packed, if it can end for the workers when it ends here."""
        if WORD in data:
            self._objects.append(objects)

    def object(self, place: int) -> object:
        """In a forked worker: what lies at that place."""
        return self._objects[place]

    def __del__(self) -> None:
        for fd in self.fds:
            os.close(fd)


def stand_in() -> None:
    """Let `multiprocessing` see the parcel that is being packed as a child that it starts."""
    context = sys.modules.get("multiprocessing.context")
    if _packing.parcel is not None and context is not None:
        context.set_spawning_popen(_packing.parcel)


class Given:
    """A descriptor that a worker was given when it started; each `detach` gives a copy."""

    def __init__(self, place: int) -> None:
        self._place = place

    def detach(self) -> int:
        """A copy of it, the caller's own."""
        return os.dup(_received.fds[self._place])


class _Received:
    """What this worker was given."""

    fds: list[int] = []  # noqa: RUF012 - replaced as a whole, by `receive`
    parcel: Parcel | None = None


_received = _Received()


def receive(fds: list[int], parcel: Parcel | None = None) -> None:
    """In a worker: what was given to it, by whoever started it."""
    _received.fds = fds
    _received.parcel = parcel


def _inherited(place: int) -> object:
    parcel = _received.parcel
    if parcel is None:
        raise RuntimeError("only a worker that was forked has what its parent had")
    return parcel.object(place)
