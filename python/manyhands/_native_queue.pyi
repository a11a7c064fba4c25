# Queues as the native module has them; `manyhands.queues` makes classes for users of these.

from collections.abc import Iterable
from types import GenericAlias
from typing import Any, Generic, Self, TypeVar, final

_T = TypeVar("_T")

@final
class QueueHold:
    """This process's hold on a queue: what travels when the queue does."""

    def _handle(self) -> tuple[int, int]: ...

def adopt_queue(world: int, handle: int) -> QueueHold: ...

class QueueBase(Generic[_T]):
    """What `Queue` and `JoinableQueue` inherit. `_create` or `_take` is called once."""

    def __new__(cls, *_args: Any, **_kwargs: Any) -> Self: ...
    @classmethod
    def __class_getitem__(cls, item: Any, /) -> GenericAlias: ...
    def _create(self, max_items: int | None, max_bytes: int | None) -> None: ...
    def _take(self, hold: QueueHold) -> None: ...
    def _hold(self) -> QueueHold: ...
    @property
    def _closed(self) -> bool: ...
    @property
    def _limits(self) -> tuple[int | None, int | None]: ...
    def put(self, obj: _T, block: bool = True, timeout: float | None = None) -> None:
        """Put a value into the queue. When this returns, it is there, and survives this process.

        Args:
            obj: what is put. It is pickled now: what cannot be pickled raises here.
            block: wait while the queue is full.
            timeout: wait at most so many seconds. None: without limit.

        Raises:
            queue.Full: if there was no room for it, in time or at all.
            ShutDown: if the queue is shut down.
            ValueError: if this process has closed the queue.
            MemoryError: if the item would pass `max_bytes` and the queue has no `maxsize`, or can
                never fit; without shared memory for it.
            manyhands.PicklingError: names what in `obj` cannot be pickled.
        """

    def put_nowait(self, obj: _T) -> None:
        """Put a value if there is room for it: `put(obj, False)`."""

    def put_many(
        self, items: Iterable[_T], block: bool = True, timeout: float | None = None
    ) -> None:
        """Put all values of an iterable, in their order.

        Those of a list, a tuple or a range are put many at a time, which is much faster than one by
        one. What any other iterable yields is in the queue before it is asked for more, so that a
        slow source withholds nothing. Others may put between them. What came before an error is in
        the queue: its attribute `count` says how many these are.

        >>> from manyhands.queues import Queue
        >>> queue = Queue()
        >>> queue.put_many(range(3))
        >>> queue.get_many()
        [0, 1, 2]

        Raises:
            queue.Full: if there was no room for all of them in time.
            Exception: as `put`, and what the iterable raises.
        """

    def get(self, block: bool = True, timeout: float | None = None) -> _T:
        """Take the oldest value out of the queue.

        A process that is killed before it has taken the value leaves it to others.

        Args:
            block: wait while the queue is empty.
            timeout: wait at most so many seconds. None: without limit.

        Raises:
            queue.Empty: if there was no value, in time or at all.
            ShutDown: if the queue is shut down, and empty.
            ValueError: if this process has closed the queue.
            manyhands.UnpicklingError: if the value cannot be rebuilt here. It is gone.
        """

    def get_nowait(self) -> _T:
        """Take a value if there is one: `get(False)`."""

    def get_many(
        self, max_items: int | None = None, block: bool = True, timeout: float | None = None
    ) -> list[_T]:
        """Take the values that there are, at least one: it waits for the first as `get` does.

        Args:
            max_items: take at most so many. None: all that are there.
            block: wait while the queue is empty.
            timeout: wait at most so many seconds. None: without limit.

        Raises:
            Exception: as `get`. If a value cannot be rebuilt, the attribute `items` of the
                exception has the others.
        """

    def qsize(self) -> int:
        """How many items there are: exact, at one moment of this call."""

    def empty(self) -> bool:
        """Whether there is no item: exact, at one moment of this call.

        Raises:
            OSError: if this process has put something and then closed the queue.
        """

    def full(self) -> bool:
        """Whether there are as many items as `maxsize` says, or bytes as `max_bytes` says."""

    def close(self) -> None:
        """Say that this process uses the queue no more: `put` and `get` raise ValueError.

        Other processes are not affected: see `shutdown`.
        """

    def shutdown(self, immediate: bool = False) -> None:
        """Say for all processes that nobody puts any more: `put` raises ShutDown from now on.

        `get` goes on until the queue is empty, then raises ShutDown, and `for item in queue` ends.

        Args:
            immediate: throw away what is in the queue. Such items count as done for `join`.
        """

    def is_shutdown(self) -> bool:
        """Whether the queue is shut down."""

    def _wait_for_item(self) -> None: ...
    def _task_done(self) -> None: ...
    def _join(self) -> None: ...
    def __iter__(self) -> QueueIterator[_T]: ...

@final
class QueueIterator(Generic[_T]):
    """Takes values out of a queue until it is shut down and empty."""

    def __iter__(self) -> Self: ...
    def __next__(self) -> _T: ...

class SimpleQueueBase(Generic[_T]):
    """What `SimpleQueue` inherits. `_create` or `_take` is called once."""

    def __new__(cls, *_args: Any, **_kwargs: Any) -> Self: ...
    @classmethod
    def __class_getitem__(cls, item: Any, /) -> GenericAlias: ...
    def _create(self) -> None: ...
    def _take(self, hold: QueueHold) -> None: ...
    def _hold(self) -> QueueHold: ...
    def put(self, obj: _T) -> None:
        """Put a value into the queue. When this returns, it is there, and survives this process.

        Raises:
            OSError: if this process has closed the queue.
            MemoryError: without shared memory for it.
            manyhands.PicklingError: names what in `obj` cannot be pickled.
        """

    def get(self) -> _T:
        """Take the oldest value out of the queue, and wait while there is none.

        Raises:
            OSError: if this process has closed the queue.
            manyhands.UnpicklingError: if the value cannot be rebuilt here. It is gone.
        """

    def empty(self) -> bool:
        """Whether there is no item: exact, at one moment of this call.

        Raises:
            OSError: if this process has closed the queue.
        """

    def close(self) -> None:
        """Say that this process uses the queue no more."""
