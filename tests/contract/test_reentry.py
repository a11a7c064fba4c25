"""The source of a call uses the pool that runs it, and other threads end what one is busy with.

Nothing of that may wait for itself: it works, or it is an error.
"""

from __future__ import annotations

import queue
import threading

import pytest
import tasks
from support import LIMIT, processes

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
