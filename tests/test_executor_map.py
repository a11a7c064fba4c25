"""`Executor.map`: what it pulls and when, its deadline, and what becomes of it after a shutdown."""

from __future__ import annotations

import concurrent.futures
import itertools
import time

import pytest
import tasks
from support import LIMIT, journal

import manyhands


@pytest.fixture
def executor():
    with manyhands.Executor(2) as executor:
        yield executor


def counted(pulled):
    for x in itertools.count():
        pulled.append(x)
        yield x


def test_everything_is_pulled_by_the_call(executor):
    source = iter(range(1000))
    results = executor.map(tasks.square, source)
    assert list(source) == []
    assert list(results) == [x * x for x in range(1000)]


@pytest.mark.parametrize("buffersize", [1, 2, 7])
def test_a_buffer_is_filled_by_the_call(executor, buffersize):
    pulled = []
    results = executor.map(tasks.square, counted(pulled), buffersize=buffersize)
    assert len(pulled) == buffersize
    assert next(results) == 0
    assert len(pulled) <= buffersize + 1


def test_a_buffer_over_several_iterables(executor):
    results = executor.map(tasks.add, itertools.count(), itertools.count(1), buffersize=3)
    assert list(itertools.islice(results, 5)) == [1, 3, 5, 7, 9]


@pytest.mark.parametrize("buffersize", [1, 3, None])
@pytest.mark.parametrize("chunksize", [1, 4, 100])
def test_buffers_count_chunks(executor, buffersize, chunksize):
    results = executor.map(tasks.square, range(50), chunksize=chunksize, buffersize=buffersize)
    assert list(results) == [x * x for x in range(50)]


def test_a_chunk_stays_in_one_worker(executor):
    places = list(executor.map(tasks.pid, range(40), chunksize=10))
    assert all(len(set(places[at : at + 10])) == 1 for at in range(0, 40, 10))


def test_without_iterables(executor):
    assert list(executor.map(tasks.square)) == []
    assert list(executor.map(tasks.square, [], buffersize=3)) == []


def test_what_an_iterable_raises(executor):
    def source():
        yield from range(3)
        raise tasks.OwnError(1, "of the iterable")

    results = executor.map(tasks.square, source())
    assert [next(results) for _ in range(3)] == [0, 1, 4]
    with pytest.raises(tasks.OwnError):
        next(results)
    assert list(results) == []


def test_the_iteration_goes_on_after_a_failure(executor):
    results = executor.map(tasks.boom_on, range(4), itertools.repeat(1))
    assert next(results) == 0
    with pytest.raises(ValueError, match="item 1"):
        next(results)
    assert list(results) == [2, 3]


def test_a_worker_that_dies_costs_its_item(executor):
    death = itertools.repeat(tasks.exit_hard)
    results = executor.map(tasks.die_on, range(4), itertools.repeat(1), death, itertools.repeat(3))
    assert next(results) == 0
    with pytest.raises(manyhands.WorkerDied) as caught:
        next(results)
    assert caught.value.index == 1
    assert list(results) == [2, 3]


def test_time_runs_from_the_call(executor, tmp_path):
    timeout = 1
    assert executor.submit(tasks.square, 3).result(LIMIT) == 9  # the start is not measured
    results = executor.map(
        tasks.wait_if, [tmp_path / "never"] * 3, range(3), [False, True, True], timeout=timeout
    )
    begin = time.monotonic()
    time.sleep(timeout)
    assert next(results) == 0
    with pytest.raises(concurrent.futures.TimeoutError):
        next(results)
    assert time.monotonic() - begin < LIMIT
    assert list(results) == []
    tasks.touch(tmp_path / "never")


def test_a_deadline_ends_what_has_not_started(tmp_path):
    with manyhands.Executor(1) as executor:
        started = [tmp_path / f"started-{x}" for x in range(5)]
        release = itertools.repeat(tmp_path / "release")
        results = executor.map(tasks.hold, started, release, chunksize=1, timeout=0.0)
        with pytest.raises(concurrent.futures.TimeoutError):
            next(results)
        tasks.touch(tmp_path / "release")
    assert not any(path.exists() for path in started[1:])


def test_a_timeout_of_the_task_is_no_deadline(executor):
    def late(x):
        return tasks.raise_it(TimeoutError("its own")) if x == 1 else x

    results = executor.map(late, range(3), timeout=LIMIT)
    assert next(results) == 0
    with pytest.raises(TimeoutError, match="its own"):
        next(results)
    assert next(results) == 2


def test_an_iterator_can_be_closed(tmp_path):
    with manyhands.Executor(1) as executor:
        held = executor.submit(tasks.hold, tmp_path / "started", tmp_path / "release")
        tasks.await_file(tmp_path / "started")
        for timeout in (None, LIMIT):
            log = itertools.repeat(tmp_path / "journal")
            executor.map(tasks.note, log, range(20), timeout=timeout).close()
        tasks.touch(tmp_path / "release")
    assert held.result(0) == "held"
    assert journal(tmp_path / "journal") == []


def test_an_iterator_that_is_dropped_unused_runs_all_the_same(tmp_path):
    with manyhands.Executor(2) as executor:
        executor.map(tasks.note, itertools.repeat(tmp_path / "journal"), range(100))
    assert sorted(map(int, journal(tmp_path / "journal"))) == list(range(100))


def test_results_are_there_after_the_shutdown():
    with manyhands.Executor(2) as executor:
        results = executor.map(tasks.square, range(100))
    assert list(results) == [x * x for x in range(100)]


def test_a_shutdown_pulls_nothing_more_and_says_so():
    pulled = []
    with manyhands.Executor(2) as executor:
        results = executor.map(tasks.square, counted(pulled), buffersize=4)
        assert next(results) == 0
    taken = []
    with pytest.raises(concurrent.futures.CancelledError, match="pulled"):
        taken.extend(results)
    assert len(pulled) <= 5


def test_a_shutdown_without_a_result_taken():
    pulled = []
    with manyhands.Executor(2) as executor:
        executor.map(tasks.square, counted(pulled), buffersize=4)
    assert len(pulled) == 4


def test_cancelled_items_raise(tmp_path):
    executor = manyhands.Executor(1)
    started = [tmp_path / f"started-{x}" for x in range(4)]
    release = itertools.repeat(tmp_path / "release")
    results = executor.map(tasks.hold, started, release, chunksize=1)
    tasks.await_file(started[0])
    executor.shutdown(wait=False, cancel_futures=True)
    tasks.touch(tmp_path / "release")
    assert next(results) == "held"
    for _ in range(3):
        with pytest.raises(concurrent.futures.CancelledError):
            next(results)
    assert list(results) == []
    executor.shutdown()


def test_a_dropped_executor_finishes_its_maps():
    executor = manyhands.Executor(2)
    eager = executor.map(tasks.square, range(100))
    lazy = executor.map(tasks.square, range(100), buffersize=3)
    del executor
    assert list(eager) == list(lazy) == [x * x for x in range(100)]
