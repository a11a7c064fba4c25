"""Locks, semaphores, conditions, events and barriers between processes, as `multiprocessing` has
them, and `Atomic` numbers.

| class | if a process dies |
| --- | --- |
| `Lock`, `RLock` | who takes it next is told: `on_death="warn"`, `"raise"` or `"ignore"` |
| the semaphores | permits taken in a `with` come back; what `acquire` took does not |
| `Condition` | its lock as above; a notification it can no longer use goes to another waiter |
| `Event`, `Atomic` | nothing: they have no owner |
| `Barrier` | it breaks, if the process died while it waited there |

The work is done natively: the first four and `Atomic` are native classes as a whole, since a Python
subclass would make every call slower. This module adds how they are shown, and how they travel.

Refuses: named objects. Each lives in anonymous memory and travels by inheritance, as an argument,
or through a queue, a pipe or a pool of manyhands.
"""

from __future__ import annotations

import time
from threading import BrokenBarrierError, current_thread

from . import _native
from ._native import Atomic, BoundedSemaphore, Lock, RLock, Semaphore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Any, Self, TypeVar

    T = TypeVar("T")

__all__ = [
    "Atomic",
    "Barrier",
    "BoundedSemaphore",
    "BrokenBarrierError",
    "Condition",
    "Event",
    "Lock",
    "RLock",
    "Semaphore",
]

SEM_VALUE_MAX = 2**30 - 1


class Condition(_native.Condition):
    """Lets processes wait until another one notifies them.

    Args:
        lock: a `Lock` or `RLock` of manyhands; a new `RLock` by default.
        ctx: accepted as in `multiprocessing`, and not needed.
    """

    acquire: Callable[..., bool]
    release: Callable[[], None]

    def __new__(
        cls, lock: Lock | RLock | None = None, *, ctx: Any = None, _block: Any = None
    ) -> Self:
        """Make a condition over `lock`, or take over the block with that name."""
        del ctx
        lock = RLock() if lock is None else lock
        made = super().__new__(cls, lock, _block)
        made._lock = lock
        made.acquire, made.release = lock.acquire, lock.release
        return made

    _lock: Lock | RLock

    def __enter__(self) -> bool:
        return self._lock.__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._lock.__exit__(kind, value, traceback)

    def locked(self) -> bool:
        """Whether somebody holds the lock."""
        return self._lock.locked()

    def wait_for(self, predicate: Callable[[], T], timeout: float | None = None) -> T:
        """Wait until `predicate()` is true, and return its value; the last one, if time is up."""
        end = None if timeout is None else time.monotonic() + timeout
        while not (result := predicate()):
            left = None if end is None else end - time.monotonic()
            if left is not None and left <= 0:
                break
            self.wait(left)
        return result

    def __reduce__(self) -> tuple[Any, ...]:
        return _travel(self, lock=self._lock)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}({self._lock!r}, {self._waiters()})>"

    # For programs, CPython's tests among them, that look into the standard library's class.

    @property
    def _sleeping_count(self) -> _Count:
        return _Count(self._waiters)

    @property
    def _woken_count(self) -> _Count:
        return _Count(int)

    _wait_semaphore = _woken_count


class _Count:
    """A number with the method of a semaphore."""

    def __init__(self, count: Callable[[], int]) -> None:
        self.get_value = count


class Event(_native.Event):
    """A flag that any number of processes wait for."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _travel(self)

    def __repr__(self) -> str:
        status = "set" if self.is_set() else "unset"
        return f"<{type(self).__qualname__} at {id(self):#x} {status}>"


class Barrier(_native.Barrier):
    """A meeting of processes: each waits until all have come.

    Args:
        parties: how many have to come.
        action: what the last one calls before all go on.
        timeout: the default limit of `wait`, in seconds.
        ctx: accepted as in `multiprocessing`, and not needed.
    """

    def __new__(
        cls,
        parties: int,
        action: Callable[[], object] | None = None,
        timeout: float | None = None,
        *,
        ctx: Any = None,
        _block: Any = None,
    ) -> Self:
        """Make a barrier, or take over the block with that name."""
        del ctx
        return super().__new__(cls, parties, action, timeout, _block)

    def __reduce__(self) -> tuple[Any, ...]:
        return _travel(self, parties=self.parties, action=self._action, timeout=self._timeout)

    def __repr__(self) -> str:
        cls = type(self)
        name = f"{cls.__module__}.{cls.__qualname__} at {id(self):#x}"
        if self.broken:
            return f"<{name}: broken>"
        return f"<{name}: waiters={self.n_waiting}/{self.parties}>"


class _SemLock:
    """What the standard library's queues look at in a lock or semaphore: its `_semlock`."""

    def __init__(self, lock: Any) -> None:
        self._lock = lock
        self.acquire, self.release = lock.acquire, lock.release

    @property
    def maxvalue(self) -> int:
        """How often it can be taken."""
        bound: int = getattr(self._lock, "_bound", 1)
        return bound

    def _get_value(self) -> int:
        if isinstance(self._lock, Semaphore):
            return self._lock.get_value()
        return 0 if self._lock.locked() else 1

    def _is_zero(self) -> bool:
        return self._get_value() == 0

    def _is_mine(self) -> bool:
        mine: bool = self._lock._is_mine()  # noqa: SLF001 - a class of ours
        return mine

    def _count(self) -> int:
        count: int = getattr(self._lock, "_count", self._is_mine)()
        return int(count)


# For `multiprocessing.queues`, which `concurrent.futures` builds over locks of the context it is
# given. Not natively: it is asked for by nobody else.
for _kind in (Lock, RLock, Semaphore):
    _kind._semlock = property(_SemLock)  # type: ignore[union-attr] # noqa: SLF001 - ours


def _travel(obj: Any, **options: Any) -> tuple[Any, ...]:
    from . import _handles

    return _handles.reduce(obj, _adopt, type(obj), options)


def _adopt(world: int, handle: int, cls: Callable[..., T], options: dict[str, Any]) -> T:
    return cls(**options, _block=(world, handle))


def _reduce(obj: Any) -> tuple[Any, ...]:
    """What the native classes pickle as."""
    if isinstance(obj, (Lock, RLock)):
        return _travel(obj, on_death=obj.on_death)
    if isinstance(obj, Atomic):
        return _travel(obj, value=type(obj.value)())
    return _travel(obj)


def _describe(lock: Lock | RLock) -> str:
    """The text of a lock, as in the standard library."""
    owner = _owner(lock._holder())  # noqa: SLF001 - a class of ours
    if isinstance(lock, Lock):
        return f"<{type(lock).__name__}(owner={owner})>"
    count = lock._count() or ("0" if owner == "None" else "nonzero")  # noqa: SLF001 - likewise
    return f"<{type(lock).__name__}({owner}, {count})>"


def _owner(holder: str) -> str:
    if holder == "me":
        from multiprocessing.process import current_process

        thread = current_thread().name
        name = current_process().name
        return name if thread == "MainThread" else f"{name}|{thread}"
    names = {"nobody": "None", "other thread": "SomeOtherThread"}
    return names.get(holder, "SomeOtherProcess")
