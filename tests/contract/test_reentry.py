"""The source of a call uses the pool that runs it, and other threads end what one is busy with.

So do callbacks, and the code that rebuilds a value, with the result that they belong to.

Nothing of that may wait for itself: it works, or it is an error.
"""

from __future__ import annotations

import queue
import signal
import threading

import pytest
import tasks
from support import LIMIT, parallel, processes

from manyhands import CancelledError

CALLS = ["map", "imap", "imap_unordered"]


def begin(work):
    """Run it in a thread; the thread, and the list that its outcome comes to."""
    outcome = []

    def run():
        try:
            outcome.append(work())
        except Exception as error:
            outcome.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, outcome


def bounded(work):
    """What it comes to; fails if that takes too long."""
    thread, outcome = begin(work)
    thread.join(LIMIT)
    assert outcome, "it hangs"
    return outcome[0]


@pytest.mark.parametrize("outer", CALLS)
@pytest.mark.parametrize("inner", CALLS)
def test_a_source_makes_calls_of_its_own_pool(pool, outer, inner):
    def source():
        for _ in range(20):
            yield sum(getattr(pool, inner)(tasks.square, range(3)))

    assert bounded(lambda: list(getattr(pool, outer)(tasks.square, source()))) == [25] * 20


def test_a_source_waits_for_another_call_of_another_thread(pool):
    values = queue.Queue()
    values.put(1)

    def source():
        while (value := values.get()) is not None:
            yield value

    consumer, sums = begin(lambda: sum(pool.imap(tasks.square, source(), buffersize=1)))
    for value in pool.imap(tasks.square, range(4)):
        values.put(value)
    values.put(None)
    consumer.join(LIMIT)
    assert sums == [1 + 0 + 1 + 16 + 81]


@processes
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("before", [1, 50])
@pytest.mark.parametrize("end", ["join", "with", "terminate"])
def test_a_source_cannot_wait_for_the_end_of_its_pool(make_pool, call, before, end):
    pool = make_pool(2)

    def source():
        yield from range(before)
        if end == "with":
            with pool:
                pass
        elif end == "join":
            pool.close()
            pool.join()
        else:
            pool.terminate()
            pool.join()
        yield 1

    outcome = bounded(lambda: list(getattr(pool, call)(tasks.square, source())))
    # The error in `with` terminates the pool, as any does.
    kinds = {"terminate": CancelledError, "join": RuntimeError}
    assert isinstance(outcome, kinds.get(end, (CancelledError, RuntimeError)))
    if end == "join":
        assert "its own" in str(outcome)


@processes
@pytest.mark.parametrize("error", [False, True])
def test_terminate_waits_for_no_source(make_pool, error):
    pool, blocked, release, closed = make_pool(2), *(threading.Event() for _ in range(3))

    def source():
        try:
            yield from range(3)
            blocked.set()
            release.wait(LIMIT)
            yield 1
        finally:
            closed.set()

    consumer, outcome = begin(lambda: list(pool.imap(tasks.square, source(), buffersize=2)))
    assert blocked.wait(LIMIT)
    ender, ended = begin(lambda: end_by_error(pool) if error else (pool.terminate(), pool.join()))
    ender.join(LIMIT / 2)
    assert ended
    assert consumer.is_alive()
    release.set()
    consumer.join(LIMIT)
    assert isinstance(outcome[0], CancelledError)
    assert closed.is_set()


def end_by_error(pool):
    with pytest.raises(ZeroDivisionError), pool:
        raise ZeroDivisionError


@processes
@pytest.mark.parametrize("end", ["cancel", "close"])
def test_an_iterator_is_ended_while_a_thread_waits_for_it(make_pool, tmp_path, end):
    pool, started, release = make_pool(1), tmp_path / "started", tmp_path / "release"
    closed = threading.Event()

    def source():
        try:
            for _ in range(1000):
                yield started, release
        finally:
            closed.set()

    results = pool.istarmap(tasks.hold, source())
    consumer, outcome = begin(lambda: next(results))
    tasks.await_file(started)
    assert bounded(getattr(results, end)) is None
    if end == "close":
        assert not outcome
        release.touch()
    consumer.join(LIMIT)
    assert isinstance(outcome[0], CancelledError) == (end == "cancel")
    assert list(results) == []
    assert closed.is_set()
    assert pool.map(tasks.square, [3]) == [9]


class Asks:
    """A value that calls `asked` while it is rebuilt in the program."""

    asked = None

    def __reduce__(self):
        return rebuild, ()


def rebuild():
    if Asks.asked is not None:
        Asks.asked()
    return 5


def make_one(_=None):
    return Asks()


@pytest.fixture
def asked(monkeypatch):
    """Whom the value asks, and what it was told."""
    told = []

    def ask():
        result = told[0]
        told.append([getattr(result, name)() for name in ("ready", "done", "running", "cancel")])
        for name in ("get", "wait", "exception", "successful"):
            try:
                told.append(getattr(result, name)())
            except RuntimeError as error:
                told.append(str(error))

    monkeypatch.setattr(Asks, "asked", ask)
    return told


def check_told(told):
    assert told[1] == [False] * 4
    assert len(told) == 6
    assert all("just being taken" in text for text in told[2:])


@processes
@pytest.mark.parametrize("many", [False, True])
def test_a_value_asks_for_the_result_that_it_is(pool, asked, many):
    made = pool.map_async(make_one, [1]) if many else pool.apply_async(make_one)
    asked.append(made)
    assert bounded(made.get) == ([5] if many else 5)
    check_told(asked)
    assert made.ready()
    assert made.successful()


@processes
def test_a_handler_asks_for_the_result_that_is_just_rebuilt(pool, asked, monkeypatch):
    handler = Asks.asked
    before = signal.signal(signal.SIGALRM, lambda *_: handler())
    monkeypatch.setattr(Asks, "asked", lambda: signal.raise_signal(signal.SIGALRM))
    try:
        asked.append(pool.apply_async(make_one))
        assert asked[0].get(LIMIT) == 5
    finally:
        signal.signal(signal.SIGALRM, before)
    check_told(asked)


@parallel
def test_a_callback_asks_for_its_own_result(pool):
    known, results, told = threading.Event(), [], queue.Queue()

    def ask(_):
        known.wait(LIMIT)
        results[0].wait()
        told.put((results[0].get(), results[0].exception()))

    results.append(pool.apply_async(tasks.square, (3,), callback=ask))
    known.set()
    assert told.get(timeout=LIMIT) == (9, None)
    assert results[0].get(LIMIT) == 9


@parallel
def test_a_callback_waits_for_a_result_whose_callback_is_its_threads(pool, tmp_path):
    """One thread runs both callbacks: the second comes when the first has returned."""
    started, release = tmp_path / "started", tmp_path / "release"
    order, told = [], queue.Queue()

    def ask(_):
        release.touch()
        told.put(second.get(LIMIT))
        order.append("first")

    second = pool.apply_async(tasks.hold, (started, release), callback=order.append)
    tasks.await_file(started)
    pool.apply_async(tasks.square, (2,), callback=ask)
    assert told.get(timeout=LIMIT) == "held"
    assert second.get(LIMIT) == "held"
    assert order == ["first", "held"]


@parallel
def test_a_callback_may_wait_for_what_its_caller_holds(pool):
    """Also if the result is there before the call has returned."""
    lock, told = threading.Lock(), queue.Queue()

    def callback(_):
        free = lock.acquire(timeout=LIMIT)
        if free:
            lock.release()
        told.put((free, threading.current_thread() is threading.main_thread()))

    for _ in range(100):
        with lock:
            results = [pool.map_async(tasks.square, [], callback=callback)]
            results.append(pool.apply_async(tasks.square, (3,), callback=callback))
        assert [result.get(LIMIT) for result in results] == [[], 9]
    assert [told.get(timeout=LIMIT) for _ in range(200)] == [(True, False)] * 200
