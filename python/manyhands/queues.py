"""`Queue`, `JoinableQueue` and `SimpleQueue` in shared memory, as in `multiprocessing.queues`.

There is no feeder thread: when `put` returns, the item is in the queue, and stays there whatever
becomes of the process that put it. So a process can be joined before its queue was emptied,
`qsize`, `empty` and `full` are exact, and `put` of something that cannot be pickled raises at the
call. An item that a process has begun to take when it is killed is still there for the others; one
that was taken is gone.

Added to `multiprocessing`: `put_many` and `get_many`; `shutdown`, as `queue.Queue` has it since
Python 3.13, which ends `for item in queue` everywhere; `max_bytes`.

What lives in `__main__` arrives as the reader's own where it has that name, otherwise it comes
along with the item (`_by_item`). Other objects of manyhands may be items too, queues among them.

Refuses: to decide how an item gets from one process to the other; that is native.
"""

from __future__ import annotations

import operator
import queue as _queue
from queue import Empty, Full

from . import _handles
from ._native import QueueBase, QueueHold, SimpleQueueBase, adopt_queue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeVar

    T = TypeVar("T")

__all__ = ["Empty", "Full", "JoinableQueue", "Queue", "ShutDown", "SimpleQueue"]

if TYPE_CHECKING or not hasattr(_queue, "ShutDown"):

    class ShutDown(Exception):
        """The queue is shut down: nobody puts any more, and nothing is left to take.

        `queue.ShutDown` where Python has it (3.13).
        """

else:
    ShutDown = _queue.ShutDown


class Queue(QueueBase["T"]):
    """A first in, first out queue for any number of processes.

    Args:
        maxsize: how many items it holds at most; any number if it is not above 0.
        max_bytes: how many bytes all of its items may have together. Where an item would pass that,
            `put` waits if there is a `maxsize`, and raises MemoryError if there is none.

    Raises:
        ValueError: if `max_bytes` is not above 0.
        MemoryError: without shared memory for it.

    >>> queue = Queue(2)
    >>> queue.put("a")
    >>> queue.put("b")
    >>> queue.full(), queue.qsize(), queue.get()
    (True, 2, 'a')
    """

    def __init__(
        self,
        maxsize: int = 0,
        *,
        ctx: object = None,  # noqa: ARG002 - multiprocessing's argument
        max_bytes: int | None = None,
    ) -> None:
        if max_bytes is not None and max_bytes <= 0:
            raise ValueError(f"max_bytes must be above 0, not {max_bytes}")
        self._create(_limit(maxsize), max_bytes)

    def join_thread(self) -> None:
        """Return at once: there is no thread, and all that was put is in the queue.

        Raises:
            ValueError: if the queue has not been closed.
        """
        if not self._closed:
            raise ValueError(f"Queue {self!r} is not closed")

    def cancel_join_thread(self) -> None:
        """Do nothing: there is no thread that could hold up the end of this process."""

    def __getstate__(self) -> Any:
        return (_Travelling(self._hold()),)

    def __setstate__(self, state: Any) -> None:
        (hold,) = state
        self._take(hold)


_NO_LIMIT = 2**64 - 1


def _limit(maxsize: int) -> int | None:
    try:
        number = operator.index(maxsize)
    except TypeError:
        raise TypeError(f"maxsize must be an integer, not {maxsize!r}") from None
    return min(number, _NO_LIMIT) if number > 0 else None


class JoinableQueue(Queue["T"]):
    """A queue that knows when everything that was put has been dealt with.

    >>> queue = JoinableQueue()
    >>> queue.put(1)
    >>> queue.get()
    1
    >>> queue.task_done()
    >>> queue.join()
    """

    def task_done(self) -> None:
        """Say that one item that was taken is dealt with.

        Raises:
            ValueError: if that was said more often than there were items.
        """
        self._task_done()

    def join(self) -> None:
        """Wait until everything that was put has been dealt with, or thrown away by `shutdown`."""
        self._join()


class SimpleQueue(SimpleQueueBase["T"]):
    """A queue with `put`, `get`, `empty` and `close` alone."""

    def __init__(self, *, ctx: object = None) -> None:  # noqa: ARG002 - multiprocessing's argument
        self._create()

    def __getstate__(self) -> Any:
        return (_Travelling(self._hold()),)

    def __setstate__(self, state: Any) -> None:
        (hold,) = state
        self._take(hold)


class _Travelling:
    """A queue's hold on its way: pickled, it becomes the hold of another process."""

    def __init__(self, hold: QueueHold) -> None:
        self.hold = hold

    def _handle(self) -> tuple[int, int]:
        return self.hold._handle()  # noqa: SLF001 - the protocol of our own objects

    def __reduce__(self) -> tuple[Any, ...]:
        return _handles.reduce(self, adopt_queue)
