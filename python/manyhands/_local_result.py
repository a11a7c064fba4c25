"""Results of the pools that work in this process: one call, or one whole map.

Lifecycle: a result is *pending*, becomes *running* when its first item starts, and then *done* or
*cancelled*, exactly once; whoever comes second (a task that ends after `terminate`, a `cancel` that
comes too late) changes nothing. The outcome is settled by the thread that ran the task. The user's
`callback` runs before the result is ready, so that who returns from `wait` finds its effect; the
functions of `add_done_callback` run after. Both go through `notify`, the pool's way to run user
code away from its workers.

Refuses: to know about threads or queues of a pool, and to let a failing callback end anything.
"""

from __future__ import annotations

import threading
from functools import partial

from ._callbacks import is_telling, report
from ._generic import Generic
from ._options import waiting_time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import Callable, Generator
    from typing import Any, TypeVar

    R_co = TypeVar("R_co", covariant=True)
    Notify = Callable[[Callable[[], None]], None]

PENDING = "pending"
RUNNING = "running"
SETTLED = "settled"  # the outcome is known, the callback has not returned yet
DONE = "done"
CANCELLED = "cancelled"


def cancelled_error(reason: str) -> BaseException:
    """The standard CancelledError, saying why."""
    from concurrent.futures import CancelledError

    return CancelledError(reason)


class LocalResult(Generic["R_co"]):
    """The outcome of an asynchronous call, under the names of AsyncResult and of Future; awaitable.

    Args:
        notify: runs a function away from the workers, in the order of the calls.
        callback: called with the value before the result is ready.
        error_callback: called with the exception before the result is ready.
    """

    def __init__(
        self,
        notify: Notify,
        callback: Callable[[Any], object] | None = None,
        error_callback: Callable[[BaseException], object] | None = None,
    ) -> None:
        self._changed = threading.Condition()
        self._state = PENDING
        self._value: Any = None
        self._error: BaseException | None = None
        self._notify = notify
        self._callback = callback
        self._error_callback = error_callback
        self._done_callbacks: list[Callable[[Any], object]] = []

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._state}>"

    # multiprocessing's family

    def get(self, timeout: float | None = None) -> R_co:
        """The value, or the raised exception of the call.

        Args:
            timeout: seconds to wait; None waits for ever. Giving up does not stop the call.

        Raises:
            manyhands.TimeoutError: the result was not ready in time.
            concurrent.futures.CancelledError: it was cancelled, or its pool terminated.
        """
        self._wait_ready(timeout)
        if self._error is not None:
            try:
                raise self._error
            finally:
                del self  # the traceback holds this frame: without it no cycle
        value: R_co = self._value
        return value

    def wait(self, timeout: float | None = None) -> None:
        """Wait until the result is ready, for at most `timeout` seconds."""
        with self._changed:
            self._changed.wait_for(self._is_there, waiting_time(timeout))

    def ready(self) -> bool:
        """Whether the call has ended, in whatever way."""
        return self._state in (DONE, CANCELLED)

    def successful(self) -> bool:
        """Whether the call returned a value.

        Raises:
            ValueError: the result is not ready.
        """
        if not self.ready():
            raise ValueError(f"{self!r} is not ready")
        return self._error is None

    # concurrent.futures' family

    def result(self, timeout: float | None = None) -> R_co:
        """The same as `get`."""
        return self.get(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """The exception of the call, or None for a value; waits and raises as `get` does."""
        self._wait_ready(timeout)
        if self._state == CANCELLED and self._error is not None:
            raise self._error
        return self._error

    def done(self) -> bool:
        """The same as `ready`."""
        return self.ready()

    def running(self) -> bool:
        """Whether the call has started and not ended."""
        return self._state in (RUNNING, SETTLED)

    def cancelled(self) -> bool:
        """Whether the call was cancelled before it ended."""
        return self._state == CANCELLED

    def cancel(self, *, running: bool = True) -> bool:  # noqa: ARG002 - no thread can be ended
        """Cancel what has not started; True if the result is cancelled, False if it is too late."""
        self._cut("cancelled by its caller", (PENDING,))
        return self.cancelled()

    def add_done_callback(self, fn: Callable[[Any], object]) -> None:
        """Call `fn(result)` once the result is ready; at once, in this thread, if it is."""
        with self._changed:
            if not self.ready():
                self._done_callbacks.append(fn)
                return
        report(fn, self)

    def __await__(self) -> Generator[Any, None, R_co]:
        import asyncio

        from ._wake import wake_loop

        loop = asyncio.get_running_loop()
        future: Future[None] = loop.create_future()
        self.add_done_callback(lambda _: wake_loop(loop, future))
        yield from future.__await__()
        return self.get()

    # what the pool calls

    def begin(self) -> bool:
        """The task starts: False if it must not, because the result has been cancelled."""
        with self._changed:
            if self._state == PENDING:
                self._state = RUNNING
            return self._state == RUNNING

    def finish(self, value: Any) -> None:
        """The task returned `value`."""
        self._settle(value, None, self._callback)

    def fail(self, error: BaseException) -> None:
        """The task raised `error`."""
        self._settle(None, error, self._error_callback)

    def abandon(self, reason: str) -> None:
        """The pool was terminated: cancelled, even if the task still runs."""
        self._cut(reason, (PENDING, RUNNING))

    # inside

    def _is_there(self) -> bool:
        """Whether whoever waits may have it: before its own callback has run, a callback may."""
        return self.ready() or (self._state == SETTLED and is_telling())

    def _wait_ready(self, timeout: float | None) -> None:
        with self._changed:
            if self._changed.wait_for(self._is_there, waiting_time(timeout)):
                return
        from .errors import TimeoutError  # noqa: A004 - the name that the interface promises

        raise TimeoutError(f"no result within {timeout} s; the call goes on")

    def _cut(self, reason: str, states: tuple[str, ...]) -> None:
        error = cancelled_error(reason)
        with self._changed:
            if self._state not in states:
                return
            self._error = error
            waiting = self._become_ready(CANCELLED)
        self._notify_done(waiting)

    def _settle(
        self,
        value: Any,
        error: BaseException | None,
        callback: Callable[[Any], object] | None,
    ) -> None:
        with self._changed:
            if self._state not in (PENDING, RUNNING):
                return
            self._value, self._error = value, error
            self._state = SETTLED
            self._changed.notify_all()
            waiting = self._become_ready(DONE) if callback is None else []
        if callback is None:
            self._notify_done(waiting)
        else:
            outcome = value if error is None else error
            self._notify(partial(self._finish_callback, callback, outcome))

    def _finish_callback(self, callback: Callable[[Any], object], outcome: Any) -> None:
        try:
            report(callback, outcome)
        finally:
            with self._changed:
                waiting = self._become_ready(DONE)
            self._notify_done(waiting)

    def _become_ready(self, state: str) -> list[Callable[[Any], object]]:
        self._state = state
        self._changed.notify_all()
        waiting, self._done_callbacks = self._done_callbacks, []
        return waiting

    def _notify_done(self, waiting: list[Callable[[Any], object]]) -> None:
        for fn in waiting:
            self._notify(partial(report, fn, self))
