"""Futures on the engine: real `concurrent.futures.Future` objects, and the account of them.

The life of a future: `Future()` enters the account and asks the call for a callback; when the call
has ended, the callback thread (`_callbacks`) settles the future, which runs its done-callbacks, and
the future leaves the account. That thread alone settles futures and notifies those who wait for
them; so a done-callback that asks for another future waits for its call, and settles it by itself.
`cancel` asks the engine, which alone knows what a worker has begun; once it has agreed, the
future is cancelled at once, and the callback thread has to say so to `wait` and `as_completed`.

A future refers to the account and the account to the engine, so work goes on without its executor.

It refuses to decode, to wait for workers by itself, and to follow a call on its way: a future's
own state is pending until it is done, and `running` asks the engine.
"""

from __future__ import annotations

import atexit
import concurrent.futures
import sys
import threading
import traceback
import weakref
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from ._native import AsyncResult, Task
    from ._setup import Crew

R = TypeVar("R")


class Future(concurrent.futures.Future[R]):
    """A standard Future; `cancel` succeeds until a worker has begun the call."""

    def __init__(self, call: AsyncResult[Any], account: Account) -> None:
        super().__init__()
        self._call: AsyncResult[Any] | None = call
        self._account = account
        account.enter(self)
        try:
            call.add_done_callback(self._settle)
        except BaseException:
            call.cancel()
            account.leave(self)
            raise

    def cancel(self) -> bool:
        """Cancel the call if no worker has begun it; whether it is cancelled."""
        call = self._call
        if call is not None and not call.cancel(running=False):
            return self.cancelled()
        return super().cancel()

    def running(self) -> bool:
        """Whether a worker runs the call now."""
        call = self._call
        return super().running() or (call is not None and call.running())

    def result(self, timeout: float | None = None) -> R:
        """What the call returned, or raise what it raised; waits at most `timeout` seconds."""
        return super().result(self._waiting_time(timeout))

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """What the call raised, or None; waits at most `timeout` seconds."""
        return super().exception(self._waiting_time(timeout))

    def _waiting_time(self, timeout: float | None) -> float | None:
        """How long to wait until somebody else has settled this; a done-callback does it here."""
        call = self._call
        if call is None or self.done():
            return timeout
        if self._account.crew.engine.is_foreign():
            raise RuntimeError(
                "this future belongs to the parent process: it cannot arrive in a forked child"
            )
        if not self._account.is_settling():
            return timeout
        call.wait(timeout)
        if call.ready():
            self._settle(call)
        return 0.0

    def _settle(self, call: AsyncResult[Any]) -> None:
        if self._call is None:
            return  # a done-callback of another future has done it
        with self._account.settling(self):
            try:
                self._take_outcome(call)
            except BaseException as error:  # noqa: BLE001 - a done-callback may raise anything
                if not self.done():
                    self.set_exception(error)
                else:
                    error.add_note("(raised in a done-callback of a manyhands future, and ignored)")
                    traceback.print_exception(error)
            self._call = None

    def _take_outcome(self, call: AsyncResult[Any]) -> None:
        returned, value = call._peek()
        if not returned and _is_cancellation(value):
            super().cancel()
        if not self.set_running_or_notify_cancel():
            return
        if returned:
            self.set_result(value)
        else:
            self.set_exception(value)


def _is_cancellation(error: BaseException) -> bool:
    """Whether the engine itself cancelled the call; what a task raised has a remote traceback."""
    return type(error) is concurrent.futures.CancelledError and error.__cause__ is None


class Account:
    """The futures of one executor that are not done, and whether more may be made."""

    def __init__(self, crew: Crew) -> None:
        self.crew = crew
        self._changed = threading.Condition()
        self._pending: set[Future[Any]] = set()
        self._settling: set[int] = set()
        self._refusal: str | None = None
        _accounts.add(self)
        _watch_exit()

    def check_open(self) -> None:
        """Raise if the executor was shut down."""
        if self._refusal is not None:
            raise RuntimeError(self._refusal)

    def submit(self, task: Task, value: Any) -> Future[Any]:
        """Run one item."""
        try:
            call = self.crew.engine.submit(task, value)
        except ValueError:
            self.check_open()  # another thread has shut it down meanwhile
            raise
        return Future(call, self)

    def enter(self, future: Future[Any]) -> None:
        """Count a future as not done."""
        with self._changed:
            self._pending.add(future)

    def leave(self, future: Future[Any]) -> None:
        """Count a future as done."""
        with self._changed:
            self._pending.discard(future)
            if not self._pending:
                self._changed.notify_all()

    def settling(self, future: Future[Any]) -> Settling:
        """The time in which this thread completes a future and runs its callbacks."""
        return Settling(self, future, self._settling)

    def is_settling(self) -> bool:
        """Whether this thread runs the callbacks of a future: nobody else settles one meanwhile."""
        return threading.get_ident() in self._settling

    def close(self, refusal: str, *, cancel: bool = False) -> None:
        """Refuse new work with that text, and pull nothing more from the sources of lazy calls.

        Args:
            refusal: the text of the RuntimeError that later calls raise.
            cancel: cancel what no worker has begun.
        """
        self._refusal = self._refusal or refusal
        engine = self.crew.engine
        if engine.is_foreign():
            return
        try:
            if cancel:
                engine.cancel_all()
            self.crew.seal()
        finally:
            engine.close()

    def retire(self) -> None:
        """The executor was dropped: what was submitted runs to its end."""
        if self.crew.engine.is_foreign():
            return
        self.crew.engine.close()
        _retired.add(self)
        for account in list(_retired):
            if account.crew.engine.wait_drained(0.0):
                _retired.discard(account)

    def wait(self) -> None:
        """Wait until all workers have gone and all futures are done, with their callbacks.

        Raises:
            RuntimeError: in a done-callback, which would wait for itself.
        """
        if self.crew.engine.is_foreign():
            return
        if self.is_settling():
            raise RuntimeError(
                "a future's callback cannot wait for its own executor: use shutdown(wait=False)"
            )
        self.crew.wait_gone()
        with self._changed:
            self._changed.wait_for(lambda: not self._pending)


class Settling:
    """Marks a thread as completing a future; at its end the future has left its account."""

    __slots__ = ("_account", "_future", "_outermost", "_threads")

    def __init__(self, account: Account, future: Future[Any], threads: set[int]) -> None:
        self._account = account
        self._future = future
        self._threads = threads

    def __enter__(self) -> None:
        self._outermost = threading.get_ident() not in self._threads
        self._threads.add(threading.get_ident())

    def __exit__(self, *_: object) -> None:
        if self._outermost:
            self._threads.discard(threading.get_ident())
        self._account.leave(self._future)


_accounts: weakref.WeakSet[Account] = weakref.WeakSet()
# Accounts without an executor whose lazy calls still run.
_retired: set[Account] = set()
_watched = False


def _watch_exit() -> None:
    """Have `_at_exit` called before the crews, which exist by now, end their workers."""
    global _watched  # noqa: PLW0603 - once per process
    if not _watched:
        _watched = True
        atexit.register(_at_exit)


def _at_exit() -> None:
    if _was_interrupted():
        return
    accounts = list(_accounts)
    for account in accounts:
        account.close("cannot schedule new futures after interpreter shutdown")
    for account in accounts:
        account.wait()


def _was_interrupted() -> bool:
    """Whether a Ctrl-C that nobody handled ends the program."""
    last = getattr(sys, "last_type", None)
    return (
        isinstance(last, type) and issubclass(last, KeyboardInterrupt) and not hasattr(sys, "ps1")
    )
