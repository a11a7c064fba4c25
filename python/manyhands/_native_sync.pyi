# The part of the native module that synchronises processes. `manyhands.synchronize` shows these
# classes to users, some of them extended; `_native.pyi` hands the names on, and there is no module
# of this name when the program runs.

from collections.abc import Callable
from types import GenericAlias, TracebackType
from typing import Any, Generic, Literal, Self, TypeVar, overload

_N = TypeVar("_N", int, float)

__all__ = [
    "Atomic",
    "Barrier",
    "BoundedSemaphore",
    "Condition",
    "Event",
    "Lock",
    "RLock",
    "Semaphore",
]

class Lock:
    """A lock between processes, that any of them may release.

    Args:
        ctx: accepted as in `multiprocessing`, and not needed.
        on_death: what whoever takes the lock next is told when its owner has died: "warn" gives it
            and warns with `OwnerDiedWarning`; "raise" raises `OwnerDied` and leaves the lock free,
            for everybody to be told until somebody takes it with
            `acquire(on_death="ignore")`; "ignore" says nothing.
    """

    def __new__(
        cls,
        *,
        ctx: Any = None,
        on_death: Literal["warn", "raise", "ignore"] = "warn",
        _block: tuple[int, int] | None = None,
    ) -> Self: ...
    def acquire(
        self,
        block: bool = True,
        timeout: float | None = None,
        *,
        on_death: Literal["warn", "raise", "ignore"] | None = None,
    ) -> bool:
        """Take the lock; whether it came in time.

        Args:
            block: False takes it only if that needs no wait.
            timeout: how many seconds to wait; None waits for ever.
            on_death: what to be told this time.

        Raises:
            manyhands.OwnerDied: its owner has died, and the lock is made to tell it so.
        """

    def release(self) -> None:
        """Give the lock back, whoever took it.

        Raises:
            ValueError: nobody holds it.
        """

    def locked(self) -> bool:
        """Whether somebody holds the lock; an owner that has died holds nothing."""

    @property
    def on_death(self) -> Literal["warn", "raise", "ignore"]:
        """What the next one to take it is told."""

    def __enter__(self) -> bool: ...
    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        value: BaseException | None = None,
        traceback: TracebackType | None = None,
        /,
    ) -> None: ...
    def _is_mine(self) -> bool: ...
    def _holder(self) -> Literal["nobody", "me", "other thread", "other process"]: ...
    def _handle(self) -> tuple[int, int]: ...

class RLock:
    """A lock between processes that its thread may take again, and no other may release.

    Args: as for `Lock`.
    """

    def __new__(
        cls,
        *,
        ctx: Any = None,
        on_death: Literal["warn", "raise", "ignore"] = "warn",
        _block: tuple[int, int] | None = None,
    ) -> Self: ...
    def acquire(
        self,
        block: bool = True,
        timeout: float | None = None,
        *,
        on_death: Literal["warn", "raise", "ignore"] | None = None,
    ) -> bool:
        """Take the lock, as `Lock.acquire`; at once if this thread holds it."""

    def release(self) -> None:
        """Undo one `acquire` of this thread.

        Raises:
            AssertionError: this thread does not hold it.
        """

    def locked(self) -> bool:
        """Whether some thread holds the lock; an owner that has died holds nothing."""

    @property
    def on_death(self) -> Literal["warn", "raise", "ignore"]:
        """What the next one to take it is told."""

    def __enter__(self) -> bool: ...
    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        value: BaseException | None = None,
        traceback: TracebackType | None = None,
        /,
    ) -> None: ...
    def _is_mine(self) -> bool: ...
    def _count(self) -> int: ...
    def _holder(self) -> Literal["nobody", "me", "other thread", "other process"]: ...
    def _handle(self) -> tuple[int, int]: ...

class Semaphore:
    """Permits that any process takes and gives.

    A permit that a `with` takes comes back if the process dies; one that `acquire` takes does not.

    Args:
        value: how many there are at first, at most 2**30 - 1.
        ctx: accepted as in `multiprocessing`, and not needed.
    """

    def __new__(
        cls, value: int = 1, *, ctx: Any = None, _block: tuple[int, int] | None = None
    ) -> Self: ...
    def acquire(self, block: bool = True, timeout: float | None = None) -> bool:
        """Take a permit; whether it came in time."""

    def release(self) -> None:
        """Give a permit.

        Raises:
            ValueError: there are as many as there can be.
        """

    def get_value(self) -> int:
        """How many permits are free at this moment."""

    def locked(self) -> bool:
        """Whether no permit is free."""

    @property
    def _bound(self) -> int: ...
    def __enter__(self) -> bool: ...
    def __exit__(
        self,
        _type: type[BaseException] | None = None,
        _value: BaseException | None = None,
        _traceback: TracebackType | None = None,
    ) -> None: ...
    def _handle(self) -> tuple[int, int]: ...

class BoundedSemaphore(Semaphore):
    """A semaphore that never has more permits than at first."""

class Condition:
    """Waiting for notifications; see `manyhands.synchronize.Condition`."""

    def __new__(cls, lock: Lock | RLock, _block: tuple[int, int] | None = None) -> Self: ...
    def wait(self, timeout: float | None = None) -> bool:
        """Give the lock back, wait to be notified, take the lock again; whether it came in time.

        Raises:
            AssertionError: this thread does not hold the lock.
            RuntimeError: 1,023 threads wait already.
        """

    def notify(self, n: int = 1) -> None:
        """Wake up to `n` of those that wait, the longest waiting first.

        Raises:
            AssertionError: this thread does not hold the lock.
        """

    def notify_all(self) -> None:
        """Wake everybody who waits.

        Raises:
            AssertionError: this thread does not hold the lock.
        """

    def _waiters(self) -> int: ...
    def _handle(self) -> tuple[int, int]: ...

class Event:
    """A flag that any number of processes wait for; see `manyhands.synchronize.Event`."""

    def __new__(cls, *, ctx: Any = None, _block: tuple[int, int] | None = None) -> Self: ...
    def is_set(self) -> bool:
        """Whether the flag is up."""

    def set(self) -> None:
        """Raise the flag: everybody who waits goes on."""

    def clear(self) -> None:
        """Lower the flag."""

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the flag is up, or was up meanwhile; whether that came in time."""

    def _handle(self) -> tuple[int, int]: ...

class Barrier:
    """A meeting of processes; see `manyhands.synchronize.Barrier`."""

    def __new__(
        cls,
        parties: int,
        action: Callable[[], object] | None = None,
        timeout: float | None = None,
        _block: tuple[int, int] | None = None,
    ) -> Self: ...
    def wait(self, timeout: float | None = None) -> int:
        """Wait until all have come; a number from 0 on, another one for each party.

        Raises:
            threading.BrokenBarrierError: the barrier is broken or was reset, a party died there, or
                the time was up, which breaks it.
        """

    def reset(self) -> None:
        """Make the barrier as new; whoever waits there leaves with an error."""

    def abort(self) -> None:
        """Break the barrier until it is reset."""

    @property
    def parties(self) -> int:
        """How many have to come."""

    @property
    def n_waiting(self) -> int:
        """How many wait at this moment."""

    @property
    def broken(self) -> bool:
        """Whether the barrier is broken."""

    @property
    def _action(self) -> Callable[[], object] | None: ...
    @property
    def _timeout(self) -> float | None: ...
    def _handle(self) -> tuple[int, int]: ...

class Atomic(Generic[_N]):
    """A number in shared memory that all processes change without a lock.

    An `int` has 64 bits; a change that would leave them raises OverflowError and changes nothing.
    Every method is one indivisible step; `value += 1` is two.

    Args:
        value: the first value; it decides whether this is an `int` or a `float`.
        ctx: accepted as in `multiprocessing`, and not needed.
    """

    @overload
    def __new__(
        cls, value: None = None, *, ctx: Any = None, _block: tuple[int, int] | None = None
    ) -> Atomic[int]: ...
    @overload
    def __new__(
        cls, value: _N, *, ctx: Any = None, _block: tuple[int, int] | None = None
    ) -> Self: ...
    @classmethod
    def __class_getitem__(cls, item: Any, /) -> GenericAlias: ...
    def load(self) -> _N:
        """The value at this moment."""

    def store(self, value: _N) -> None:
        """Replace the value."""

    def add(self, other: _N) -> _N:
        """Add to the value and return the new one."""

    def sub(self, other: _N) -> _N:
        """Subtract from the value and return the new one."""

    def fetch_add(self, other: _N) -> _N:
        """Add to the value and return the one before."""

    def fetch_sub(self, other: _N) -> _N:
        """Subtract from the value and return the one before."""

    def exchange(self, value: _N) -> _N:
        """Replace the value and return the one before."""

    def compare_exchange(self, expected: _N, value: _N) -> bool:
        """Replace the value if it is `expected`; whether it was. Floats compare by their bits."""

    value: _N
    def _handle(self) -> tuple[int, int]: ...
