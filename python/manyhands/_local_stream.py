"""The lazy mappings of the local pools: what stands behind `imap` and its sisters.

A `Stream` pulls from its source, gives chunks to the pool and hands results to the consumer; a
`ResultIterator` is the user's handle on it. Three parties meet here:

- the *consumer* (the thread in `next`, or the one in the pool's `join`) holds `_turn`. Only it
  pulls from the source, so a generator is never advanced by two threads, nor by a worker.
- the *workers* report outcomes under `_changed` and never touch the source.
- *cutters* (`close`, `terminate`, a broken pool) set flags under `_changed` and close the source
  only if they get `_turn` at once; else the consumer closes it when it lets `_turn` go.

At most `window` items are pulled and not yet handed over (and about `max_bytes` of them). The
window is refilled before each result is taken; unless the caller has set it, a source that is slow
is not waited for while a result is ready. A chunk that its source breaks off by an exception does
not run, as in multiprocessing.

A failure is raised for its item, and the iteration can go on after it.

Refuses: to end quietly when it was cut short. Who iterates then gets CancelledError.
"""

from __future__ import annotations

import sys
import threading
import time
from itertools import islice

from ._generic import Generic
from ._local_calls import Chunk, Raised
from ._local_result import cancelled_error
from ._options import waiting_time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from types import TracebackType
    from typing import Any, Self, TypeVar

    from ._local_calls import Task
    from ._local_options import StreamPlan
    from ._local_report import Reporter

    R_co = TypeVar("R_co", covariant=True)

# A pull that took longer than this (seconds) marks the source as slow.
SLOW_PULL = 0.001


class Turn:
    """A lock that refuses, rather than blocks, the thread that holds it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._owner: int | None = None

    def take(self, timeout: float | None) -> None:
        """Take it within `timeout` seconds."""
        if self._owner == threading.get_ident():
            raise ValueError("the iterator is already executing: its own source or task called it")
        if not self._lock.acquire(timeout=-1 if timeout is None else max(timeout, 0)):
            raise timeout_error(timeout)
        self._owner = threading.get_ident()

    def try_take(self) -> bool:
        """Take it if nobody, not even this thread, holds it."""
        taken = self._lock.acquire(blocking=False)
        if taken:
            self._owner = threading.get_ident()
        return taken

    def give_back(self) -> None:
        """Let it go."""
        self._owner = None
        self._lock.release()

    def __enter__(self) -> None:
        self.take(None)

    def __exit__(self, *exception: object) -> None:
        self.give_back()


class Stream:
    """One lazy mapping: its source, the items in flight, and the results that wait."""

    def __init__(
        self,
        func: Callable[[Any], Any],
        source: Iterator[Any],
        plan: StreamPlan,
        dispatch: Callable[[Task], None],
        reporter: Reporter | None,
    ) -> None:
        self._func = func
        self._plan = plan
        self._dispatch = dispatch
        self._reporter = reporter
        self._turn = Turn()
        # Of the consumer.
        self._source: Iterator[Any] | None = source
        self._source_error: BaseException | None = None
        self._length: int | None = None
        self._slow = self._advanced = False
        self._reported = 0
        self._fed = self._taken = 0
        self._sizes: dict[int, int] = {}
        self._bytes = 0
        # Shared with workers and cutters.
        self._changed = threading.Condition()
        self._outcomes: dict[int, Any] = {}
        self._ended = 0  # items whose outcome is known
        self._cut_error: BaseException | None = None
        self.over = False

    def start(self, length: int | None) -> None:
        """Pull the first window, if the plan says so, from a source of `length` items."""
        self._length = length
        if self._plan.prefill:
            with self._turn:
                self._fill()

    # the consumer

    def next(self, timeout: float | None) -> Any:
        """The next result; StopIteration at the end. A timeout does not interrupt the source."""
        limit = waiting_time(timeout)
        deadline = None if limit is None else time.monotonic() + limit
        self._turn.take(limit)
        try:
            return self._next(timeout, deadline)
        finally:
            self._turn.give_back()
            self._close_if_over()

    def _next(self, timeout: float | None, deadline: float | None) -> Any:
        self._advanced = True
        self._fill()
        remaining = None if deadline is None else max(deadline - time.monotonic(), 0)
        with self._changed:
            if not self._changed.wait_for(self._answerable, remaining):
                raise timeout_error(timeout)
            ended, ready = self._ended, self._ready()
            outcome = self._pop() if ready and self._cut_error is None else None
        self._report(ended)
        if self._cut_error is not None:
            self._end_with(self._cut_error)
        if not ready:
            self._end_with(self._source_error or StopIteration())
        if not isinstance(outcome, Raised):
            return outcome
        if self._plan.keep_errors:
            return outcome.error
        raise outcome.error

    def run_rest(self) -> None:
        """Feed whatever the source still has: what `join` of a closed pool owes a live iterator."""
        with self._turn:
            self._fill(to_end=True)
        self._close_if_over()

    def stop_feeding(self) -> bool:
        """Pull nothing more, but keep what was fed: what the end of a `with` block does.

        Returns whether it was cut short before anybody asked for a result.
        """
        with self._turn:
            cut_short = self._source is not None and self._fed != self._length
            if cut_short:
                self._source_error = cancelled_error(
                    "the iterator was cut short: its `with` block ended before its source did; "
                    "iterate inside the block, or call close() and join()"
                )
            self._close_source()
            return cut_short and not self._advanced

    def end_report(self) -> None:
        """All that was fed has ended, whether or not anybody takes the results."""
        with self._turn:
            self._report(self._ended)
            self._close_reporter()

    # the workers

    def begin(self) -> bool:
        """Whether one more item may run. Read without a lock: a stale answer runs one too many."""
        return not self.over and self._cut_error is None

    def put(self, index: int, outcome: Any) -> None:
        """Item `index` has ended."""
        with self._changed:
            self._outcomes[index] = outcome
            self._ended += 1
            self._changed.notify_all()

    # the cutters

    def fail(self, error: BaseException) -> None:
        """The pool cannot run anything: the consumer gets `error`."""
        with self._changed:
            self._cut_error = self._cut_error or error
            self._changed.notify_all()

    def abandon(self, reason: str) -> None:
        """The pool was terminated: the consumer gets CancelledError."""
        if not self.over:
            self.fail(cancelled_error(reason))

    def terminate(self) -> None:
        """The pool was terminated: as `abandon`, and nobody will pull any more."""
        self.abandon("the pool was terminated")
        if self._turn.try_take():
            try:
                self._close_reporter()
                self._close_source()
            finally:
                self._turn.give_back()

    def close(self) -> None:
        """The consumer has stopped: cancel what has not started, close the source."""
        with self._changed:
            self.over = True
            self._outcomes.clear()
            self._changed.notify_all()
        self._close_if_over()

    # inside

    def _fill(self, *, to_end: bool = False) -> None:
        while self._source is not None and self.begin():
            if not to_end and (self._is_full() or self._can_wait()):
                return
            items = self._pull(self._plan.chunksize)
            if items:
                self._send(items)

    def _can_wait(self) -> bool:
        return self._slow and self._plan.by_need and self._ready()

    def _is_full(self) -> bool:
        in_flight, window = self._fed - self._taken, self._plan.window
        if not in_flight:
            return False
        too_many = window is not None and in_flight + self._plan.chunksize > window
        max_bytes = self._plan.max_bytes
        return too_many or (max_bytes is not None and self._bytes >= max_bytes)

    def _pull(self, size: int) -> list[Any]:
        assert self._source is not None  # noqa: S101 - `_fill` has looked
        start = time.monotonic()
        try:
            items = list(islice(self._source, size))
        except Exception as error:  # noqa: BLE001 - whatever the user's iterable raises
            self._source_error, self._source = error, None
            return []
        except BaseException:
            self._end()
            raise
        self._slow = time.monotonic() - start > SLOW_PULL * size
        if len(items) < size:
            self._source = None
        return items

    def _send(self, items: list[Any]) -> None:
        start, self._fed = self._fed, self._fed + len(items)
        if self._plan.max_bytes is not None:
            for index, item in enumerate(items, start):
                self._sizes[index] = sys.getsizeof(item)
                self._bytes += self._sizes[index]
        try:
            self._dispatch(Chunk(self, self._func, start, items))
        except BaseException:
            self._end()
            raise

    def _ready(self) -> bool:
        return (self._taken in self._outcomes) if self._plan.ordered else bool(self._outcomes)

    def _answerable(self) -> bool:
        return self._ready() or self._fed == self._taken or self._cut_error is not None or self.over

    def _pop(self) -> Any:
        index = self._taken if self._plan.ordered else next(iter(self._outcomes))
        self._taken += 1
        self._bytes -= self._sizes.pop(index, 0)
        return self._outcomes.pop(index)

    def _end_with(self, error: BaseException) -> None:
        if self.over:
            raise StopIteration
        self._end()
        raise error

    def _end(self) -> None:
        self.over = True
        self._close_reporter()
        self._close_source()

    def _close_if_over(self) -> None:
        # Whoever holds the turn comes here after it: a missed closing is made up for.
        if self.over and self._turn.try_take():
            try:
                self._end()
            finally:
                self._turn.give_back()

    def _report(self, ended: int) -> None:
        if self._reporter is not None and ended > self._reported:
            self._reported = ended
            self._reporter.update(ended)

    def _close_reporter(self) -> None:
        reporter, self._reporter = self._reporter, None
        if reporter is not None:
            reporter.close()

    def _close_source(self) -> None:
        source, self._source = self._source, None
        # Only generators: an iterator such as an open file is the caller's to close.
        if source is not None and hasattr(source, "throw"):
            source.close()  # type: ignore[attr-defined]


class ResultIterator(Generic["R_co"]):
    """The results of an `imap`. Dropped or closed, it cancels what has not started.

    One that was never advanced is left to the pool when it is dropped: what was fed runs, and
    `close()` and `join()` run the rest of its source ("fire and forget").
    """

    def __init__(self, stream: Stream, pool: object) -> None:
        self._stream = stream
        self._pool = pool  # a pool lives as long as somebody waits for its results
        self._advanced = False

    def __iter__(self) -> Self:
        return self

    def __aiter__(self) -> AsyncIterator[R_co]:
        from ._async_results import AsyncResults

        return AsyncResults(self)

    def __next__(self) -> R_co:
        return self.next()

    def next(self, timeout: float | None = None) -> R_co:
        """The next result.

        Args:
            timeout: seconds to wait; None waits for ever. The iterator can be used on after it.

        Raises:
            StopIteration: there are no more.
            manyhands.TimeoutError: none came in time.
            concurrent.futures.CancelledError: the pool was terminated, or cut the iterator short.
        """
        self._advanced = True
        value: R_co = self._stream.next(timeout)
        return value

    def close(self) -> None:
        """Stop: cancel what has not started and close the source. Iterating on ends at once."""
        self._stream.close()

    def cancel(self) -> None:
        """The same as `close`: what runs in a thread cannot be ended."""
        self._stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_advanced", False):
            self._stream.close()


def timeout_error(timeout: float | None) -> BaseException:
    """Our TimeoutError for a result that did not come."""
    from .errors import TimeoutError  # noqa: A004 - the name that the interface promises

    return TimeoutError(f"no result within {timeout} s; the work goes on")
