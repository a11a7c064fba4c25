"""Signals whose handlers raise while a caller handles what workers have logged: nothing is lost.

The handlers of `logging` here raise the signal themselves, and the thread that handles records as
well is held up meanwhile: so the moment is always the same.
"""

from __future__ import annotations

import contextlib
import logging
import signal
import sys
import threading
import warnings

import interrupt_tasks
import log_tasks
import pytest
from interrupt_tasks import NUMBER, interrupt_once
from support import wait_until

import manyhands
from manyhands import _logs

MANY = 250  # more than are taken at once


class LateError(Exception):
    """The timeout of a program's own."""


def late(*_):
    raise LateError


HANDLERS = {
    "Ctrl-C": (signal.default_int_handler, KeyboardInterrupt),
    "exit": (lambda *_: sys.exit(3), SystemExit),
    "late": (late, LateError),
}


@pytest.fixture(params=HANDLERS)
def expected(request):
    handler, kind = HANDLERS[request.param]
    before = signal.signal(NUMBER, handler)
    interrupt_tasks.armed[:] = [True]
    yield kind
    interrupt_tasks.armed.clear()
    signal.signal(NUMBER, before)


class Interrupted(logging.Handler):
    """Keeps the indexes of records, and is interrupted once, at that one."""

    def __init__(self, at):
        super().__init__()
        self.at = at
        self.seen = []

    def emit(self, record):
        self.seen.append(record.index)
        if record.index == self.at:
            interrupt_once()


@contextlib.contextmanager
def handled_by(handler):
    logger = logging.getLogger("app")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield handler.seen
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)
        logger.propagate = True


def by_map(pool, task):
    pool.map(task, range(MANY), 1)


def by_join(pool, task):
    pool.map_async(task, range(MANY), 1)
    pool.close()
    pool.join()


def by_with(pool, task):
    with pool:
        pool.map_async(task, range(MANY), 1)


@pytest.mark.parametrize("call", [by_map, by_join, by_with])
@pytest.mark.parametrize("at", [0, 150, MANY - 1])
def test_what_a_handler_of_a_signal_raises_comes_out(expected, capsys, call, at):
    with manyhands.Pool(1) as pool, handled_by(Interrupted(at)) as seen:
        with _logs._gate, pytest.raises(expected):
            call(pool, log_tasks.say)
        # The rest is handled by the thread, without another call.
        wait_until(lambda: len(seen) == MANY, lambda: f"there are only {len(seen)}")
        assert seen == list(range(MANY))
    assert "could not be handled" not in capsys.readouterr().err


def test_a_record_that_is_being_rebuilt_is_not_lost(expected, capsys):
    with manyhands.Pool(1) as pool, handled_by(Interrupted(None)) as seen:
        with _logs._gate, pytest.raises(expected):
            pool.map(log_tasks.say_interrupting, range(5), 1)
        wait_until(lambda: len(seen) == 5, lambda: f"there are only {len(seen)}")
        assert seen == list(range(5))
    assert "could not be handled" not in capsys.readouterr().err


def test_warnings_as_well(expected, monkeypatch):
    shown = []

    def show(message, *_):
        shown.append(str(message))
        interrupt_once()

    monkeypatch.setattr(warnings, "showwarning", show)
    warnings.simplefilter("always")  # pytest puts back what was
    with manyhands.Pool(1) as pool:
        with _logs._gate, pytest.raises(expected):
            pool.map(log_tasks.warn, range(5), 1)
        wait_until(lambda: len(shown) == 5, lambda: f"there are only {shown}")
    assert shown == [f"look at {x}" for x in range(5)]


class Lock:
    """A handler's lock that is interrupted when it has just been taken."""

    def __init__(self):
        self.lock = threading.RLock()
        self.release = self.lock.release
        self._is_owned = self.lock._is_owned

    def acquire(self):
        self.lock.acquire()
        interrupt_once()

    __enter__ = acquire

    def __exit__(self, *_):
        self.lock.release()


def test_a_lock_that_had_just_been_taken_is_given_back(expected):
    handler = Interrupted(None)
    with manyhands.Pool(1) as pool, handled_by(handler) as seen:
        handler.lock = Lock()
        with _logs._gate, pytest.raises(expected):
            pool.map(log_tasks.say, range(5), 1)
        # The first one was being handled.
        wait_until(lambda: len(seen) == 4, lambda: f"there are only {len(seen)}")
        assert seen == [1, 2, 3, 4]


class Exits(logging.Handler):
    """Raises by itself what a handler of a signal might."""

    def __init__(self, kind):
        super().__init__()
        self.kind = kind
        self.seen = []

    def emit(self, record):
        self.seen.append(threading.get_ident())
        if len(self.seen) == 1:
            raise self.kind


@pytest.mark.parametrize("kind", [SystemExit, MemoryError, LateError])
def test_what_a_handler_of_logging_raises_itself_is_printed(capsys, kind):
    with manyhands.Pool(1) as pool, handled_by(Exits(kind)) as seen:
        with _logs._gate:
            pool.map(log_tasks.say, range(5), 1)
        assert len(seen) == 5
    printed = capsys.readouterr().err
    assert "a log record of a worker could not be handled" in printed
    assert kind.__name__ in printed


def test_a_handler_that_raises_an_interrupt_does_not_end_the_thread(capsys):
    with manyhands.Pool(1) as pool, handled_by(Exits(KeyboardInterrupt)) as seen:
        # Not `map`, which would handle them here.
        pool.map_async(log_tasks.say, range(5), 1).get()
        wait_until(lambda: len(seen) == 5, lambda: f"there are only {len(seen)}")
        assert threading.get_ident() not in seen
    assert "KeyboardInterrupt" in capsys.readouterr().err
