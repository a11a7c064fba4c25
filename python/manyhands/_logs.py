"""Log records, warnings and tracebacks of workers: the parent's side, where they are handled.

All workers of all pools of a process write into one channel of shared memory (`_outlet` is their
side), and one thread of the process hands what is in it to the handlers of `logging` and `warnings`
here. The thread starts with the first pool that wants it, sleeps without the interpreter's lock,
and ends with the interpreter. `flush` does the same in the thread of a caller who has waited for
workers, so that what these said stands before what the caller does next. It also finds what a
worker wrote that was killed before it could wake the thread.

Whoever delivers holds `_gate`: records of one worker are handled in their order. So does a fork,
which would leave the child with the locks of a handler that runs. The hooks that do it are
builtins: a signal that comes during a fork is handled in the first Python function after it, and
what its handler raises is thrown away with the rest of that function.

What the handler of a signal raises (Ctrl-C) while a caller delivers comes out of his call, and
loses nothing: a message is kept in `pending` until the handlers of `logging` have it, and the
thread is rung for what is left there.

Refuses: to format, to filter and to print; that is what the parent's handlers do.
"""

from __future__ import annotations

import os
import sys
from _pickle import dumps, loads
from collections import deque
from functools import partial
from itertools import chain, starmap

from ._genuine import RLock, allocate_lock, get_ident
from ._interrupts import by_handler
from ._native import QueueBase, home_world, release_owned
from ._threads import start_thread
from ._uninterrupted import Uninterrupted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

# What workers may be ahead of the handlers: beyond it they wait. By the first number the doctor
# knows the channel.
MOST_RECORDS = 1_048_573
_MOST_BYTES = 64 << 20
# Seconds that `flush` waits for handlers which another thread runs.
_PATIENCE = 2.0


class _Delivery:
    """The channel of this process, and who empties it."""

    def __init__(self) -> None:
        self.queue: QueueBase[bytes] = QueueBase()
        self.queue._create(MOST_RECORDS, _MOST_BYTES)  # noqa: SLF001 - what `Queue` does too
        self.pending: deque[bytes] = deque()  # taken, and not handled yet; under the gate
        self.holder = 0
        self.broken = False

    def name(self) -> tuple[int, int]:
        """The world and the handle of the channel."""
        return self.queue._hold()._handle()  # noqa: SLF001 - the protocol of our own objects

    def run(self) -> None:
        """Deliver until the channel is shut and empty, or can be read no more."""
        while True:
            self.queue._wait_for_item()  # noqa: SLF001 - our own
            shut = self.queue.is_shutdown()
            try:
                self.deliver(-1)
            except BaseException:  # noqa: BLE001 - of a handler that raises KeyboardInterrupt itself
                _complain(_NOT_HANDLED)
            if self.broken or (shut and self.queue.empty() and not self.pending):
                return

    def deliver(self, seconds: float) -> None:
        """Deliver what is in the channel now, once nobody else does; give up after `seconds`.

        What a handler of a signal raises meanwhile comes out.
        """
        own = get_ident()
        if self.holder == own:
            return  # a handler of ours has come here
        try:
            if not _gate.acquire(timeout=seconds):
                return
            self.holder = own
            left = self.queue.qsize()
            self._handle_pending()
            while left > 0 and (taken := self._take(min(left, 100))):
                left -= taken
                self._handle_pending()
        except BaseException:
            self._ring()
            raise
        finally:
            # Also where an interrupt has met the taking itself. Without a call: after each, one can
            # come.
            if self.holder == own:
                self.holder = 0
            release_owned(_gate)

    def _handle_pending(self) -> None:
        while self.pending:
            _handle(self.pending)

    def _take(self, most: int) -> int:
        from .queues import Empty, ShutDown

        try:
            # One call of C code: between two a signal could lose what the first one has taken.
            self.pending.extend(chain.from_iterable(starmap(self.queue.get_many, ((most, False),))))
        except (Empty, ShutDown, RuntimeError) as error:
            if by_handler(error.__traceback__):
                raise
            if isinstance(error, RuntimeError):
                self.broken = True
                _complain("the log records of workers cannot be read any more")
            return 0
        return len(self.pending)

    def _ring(self) -> None:
        """Let the thread see what is pending, if nothing more comes."""
        from .queues import Full, ShutDown

        try:
            if self.holder == get_ident() and self.pending:
                self.queue.put(_RING, False)
        except (Full, ShutDown, OSError, RuntimeError):
            pass  # it has been rung, or will never be


_gate = RLock()
_lock = allocate_lock()
_delivery: _Delivery | None = None


def open_channel() -> tuple[int, int]:
    """The name of the channel for workers, who find it in their world; made by the first pool.

    Another one is made where the program has closed the descriptor of the world, as daemons do.
    """
    global _delivery  # noqa: PLW0603 - one per process
    world, _ = home_world()
    if _delivery is None or _delivery.name()[0] != world:
        # An interrupt before the last step would leave a thread that nobody tells to end; and a
        # handler of signals that uses a pool comes here, too.
        with Uninterrupted(), _lock:
            if _delivery is None or _delivery.name()[0] != world:
                delivery = _Delivery()
                start_thread(delivery.run, "logs")
                if _delivery is not None:
                    _delivery.queue.shutdown()
                _delivery = delivery
    return _delivery.name()


def flush(seconds: float = _PATIENCE) -> None:
    """Handle what workers have written before this call; give up on slow handlers after a while."""
    delivery = _delivery
    if delivery is not None and not delivery.broken:
        if delivery.holder == 0 and not delivery.pending and delivery.queue.empty():
            return
        held = _held_locks()
        try:
            delivery.deliver(seconds)
        except BaseException:
            # `logging` may have been interrupted when it had just taken one: the thread needs it.
            for lock in _held_locks():
                if lock not in held:
                    release_owned(lock)
            raise


def _held_locks() -> list[Any]:
    """The locks of `logging` and its handlers that this thread holds."""
    logging = sys.modules.get("logging")
    handlers = [known() for known in list(getattr(logging, "_handlerList", ()))]
    locks: list[Any] = [getattr(each, "lock", None) for each in handlers]
    locks.append(getattr(logging, "_lock", None))
    return [lock for lock in locks if hasattr(lock, "_is_owned") and lock._is_owned()]  # noqa: SLF001


def finish() -> None:
    """At the exit of the interpreter, after the last worker: let the thread end."""
    if _delivery is not None:
        _delivery.queue.shutdown()


def _forget() -> None:
    """In a forked child: the parent's channel and its thread are not here."""
    global _lock, _delivery  # noqa: PLW0603 - one per process
    if _delivery is not None and _delivery.holder == get_ident():
        release_owned(_gate)  # a handler has forked, and goes on here
    else:
        _gate._at_fork_reinit()  # type: ignore[attr-defined]  # noqa: SLF001 - as `threading` does
    _lock = allocate_lock()
    _delivery = None


# In the thread of a handler that forks, the gate is its own already.
os.register_at_fork(
    before=partial(_gate.acquire, True, _PATIENCE),
    after_in_parent=partial(release_owned, _gate),
    after_in_child=_forget,
)


# What workers are told


def settings() -> dict[str, Any] | None:
    """Which log records are wanted here: levels, so that workers make no others."""
    logging = sys.modules.get("logging")
    if logging is None or not hasattr(logging, "root"):
        return None
    loggers = {
        name: (logger.level, logger.disabled)
        for name, logger in list(logging.root.manager.loggerDict.items())
        if isinstance(logger, logging.Logger) and (logger.level or logger.disabled)
    }
    return {
        "root": int(logging.root.level),
        "loggers": {name: (int(level), bool(off)) for name, (level, off) in loggers.items()},
        "disable": int(logging.root.manager.disable),
        "names": dict(logging._levelToName),  # noqa: SLF001 - there is no other way
    }


# What workers say


def _handle(pending: deque[bytes]) -> None:
    """Hand the first message to those whom it concerns; what they raise ends with it.

    It is pending until they have it: what a handler of a signal raises before does not lose it.
    """
    count = len(pending)
    try:
        kind, content = loads(pending[0])
        hand_over = _REBUILT[kind](content)
        try:
            hand_over()
        finally:
            pending.popleft()
    except BaseException as error:  # a handler or a filter of the program may raise anything
        if isinstance(error, KeyboardInterrupt) or by_handler(error.__traceback__):
            raise
        if len(pending) == count:
            pending.popleft()
        _complain(_NOT_HANDLED)


def _complain(text: str) -> None:
    import traceback

    if sys.stderr is not None:
        print(f"manyhands: {text}:", file=sys.stderr)  # noqa: T201
        traceback.print_exc()


def _record(content: Mapping[str, Any]) -> Callable[[], object]:
    import logging

    facts = dict(content)
    facts.update({name: _rebuilt(value) for name, value in facts.pop("extra").items()})
    record = logging.makeLogRecord(facts)
    logger = logging.getLogger(record.name)
    return partial(logger.handle, record) if logger.isEnabledFor(record.levelno) else _nothing


def _rebuilt(pickled: bytes) -> Any:
    try:
        return loads(pickled)
    except Exception as error:
        if by_handler(error.__traceback__):
            raise
        return f"<cannot be rebuilt here: {type(error).__name__}: {error}>"


def _warning(content: tuple[str, bytes, str, int, str | None]) -> Callable[[], object]:
    import warnings

    text, pickled, filename, lineno, line = content
    try:
        category = loads(pickled)
        message: Warning = category(text)
    except Exception as error:  # a class that is not here, or wants other arguments
        if by_handler(error.__traceback__):
            raise
        category, message = UserWarning, UserWarning(text)
    return partial(warnings.showwarning, message, category, filename, lineno, None, line)


def _nothing() -> None:
    pass


# Each makes what hands a message over.
_REBUILT: dict[str, Callable[[Any], Callable[[], object]]] = {
    "record": _record,
    "warning": _warning,
    "ring": lambda _: _nothing,
}
_RING = dumps(("ring", None))
_NOT_HANDLED = "a log record of a worker could not be handled"
