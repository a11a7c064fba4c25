"""`cancel`: of what waits, of thousands that wait, of what runs, of iterations."""

from __future__ import annotations

import concurrent.futures
import threading
import time
from collections import Counter

import hang_tasks
import pytest
import tasks
from support import LIMIT, gone, holds_once, journal, processes, wait_until

import manyhands


def all_ended(log):
    """Whether every task of `hang_tasks.clean_up` that began has cleaned up, or lost its worker.

    On a loaded machine the grace can be over before the task has got on.
    """
    lines = [line.split() for line in journal(log)]
    cleaned = [pid for word, pid in lines if word == "cleaned"]
    left = Counter(pid for word, pid in lines if word == "began") - Counter(cleaned)
    return all(gone(pid) for pid in left)


@processes
@pytest.mark.parametrize("how", hang_tasks.HANGS)
def test_what_runs_is_ended(make_pool, how):
    pool = make_pool(1)
    result = pool.apply_async(hang_tasks.HANGS[how], (1,))
    wait_until(result.running, "a task that runs is not `running`")
    assert result.cancel()
    assert result.cancel()
    assert result.cancelled()
    assert result.done()
    with pytest.raises(concurrent.futures.CancelledError):
        result.get(0)
    assert pool.apply(hang_tasks.answer, (1,)) == 4


@processes
def test_what_runs_can_clean_up(make_pool, tmp_path):
    pool = make_pool(1)

    def clean_up(turn):
        log = tmp_path / str(turn)
        result = pool.apply_async(hang_tasks.clean_up, (log,))
        wait_until(lambda: journal(log), "the task did not begin")
        before = pool.apply_async(hang_tasks.pid)
        assert result.cancel()
        pid = before.get(LIMIT)
        assert "cleaned" in " ".join(journal(log))
        assert str(pid) in " ".join(journal(log)), "a worker that gave up was ended all the same"

    holds_once(clean_up)


@processes
def test_what_runs_can_be_left_alone(make_pool, tmp_path):
    pool = make_pool(1)
    started, release = tmp_path / "started", tmp_path / "release"
    result = pool.apply_async(hang_tasks.hold, (started, release))
    tasks.await_file(started)
    assert not result.cancel(running=False)
    release.touch()
    assert result.get(LIMIT) == "held"


@processes
def test_others_are_not_affected(make_pool, tmp_path):
    """Items of other calls, before and behind it on the same lane, run once."""
    pool, log = make_pool(2), tmp_path / "journal"
    hung = [pool.apply_async(hang_tasks.library, (1,)) for _ in range(2)]
    wait_until(lambda: all(result.running() for result in hung), "the tasks did not begin")
    behind = [pool.apply_async(tasks.note, (log, x)) for x in range(100)]
    assert all(result.cancel() for result in hung)
    assert [result.get(LIMIT) for result in behind] == list(range(100))
    assert sorted(journal(log), key=int) == [str(x) for x in range(100)]


@processes
def test_a_map_that_runs(make_pool, tmp_path):
    pool, log = make_pool(2), tmp_path / "journal"
    result = pool.map_async(hang_tasks.clean_up, [log] * 50)
    wait_until(lambda: len(journal(log)) >= 2, "the tasks did not begin")
    assert result.cancel()
    with pytest.raises(concurrent.futures.CancelledError):
        result.get(0)
    assert pool.map(hang_tasks.answer, range(10)) == [3 * x + 1 for x in range(10)]
    wait_until(lambda: all_ended(log), "what ran was not interrupted")
    assert len(journal(log)) <= 8


@processes
def test_callbacks_of_what_ran(make_pool):
    pool, called = make_pool(1), threading.Event()
    errors = []
    result = pool.apply_async(hang_tasks.sleep, (1,), error_callback=errors.append)
    result.add_done_callback(lambda _: called.set())
    wait_until(result.running, "a task that runs is not `running`")
    assert result.cancel()
    assert called.wait(LIMIT)
    assert [type(error) for error in errors] == [concurrent.futures.CancelledError]


def test_a_future_that_runs_is_left_alone(tmp_path):
    started, release = tmp_path / "started", tmp_path / "release"
    with manyhands.Executor(1) as executor:
        future = executor.submit(hang_tasks.hold, started, release)
        tasks.await_file(started)
        assert not future.cancel()
        release.touch()
        assert future.result(LIMIT) == "held"


@processes
def test_an_iteration_that_is_dropped_lets_run_what_runs(make_pool, tmp_path):
    pool = make_pool(1)
    started, release = tmp_path / "started", tmp_path / "release"
    log = tmp_path / "journal"
    results = pool.istarmap(hang_tasks.hold, [(log, log, 1), (started, release, 2)])
    log.touch()
    assert next(results) == 1
    tasks.await_file(started)
    results.close()
    behind = pool.apply_async(hang_tasks.answer, (1,))
    with pytest.raises(manyhands.TimeoutError):
        behind.get(0.2)
    release.touch()
    assert behind.get(LIMIT) == 4


@processes
def test_an_iteration_that_is_cancelled_ends_what_runs(make_pool, tmp_path):
    pool = make_pool(2)
    log = tmp_path / "journal"
    results = pool.imap(hang_tasks.clean_up, [log] * 10)
    wait_until(lambda: journal(log), "the tasks did not begin")
    results.cancel()
    assert list(results) == []
    assert pool.apply(hang_tasks.answer, (1,)) == 4
    wait_until(lambda: all_ended(log), "what ran was not interrupted")


@processes
def test_cancelling_at_every_moment(make_pool, tmp_path):
    """Items that begin, run and end while they are cancelled: each other one runs once."""
    pool, log = make_pool(2), tmp_path / "journal"
    for turn in range(40):
        doomed = pool.map_async(hang_tasks.answer, range(200))
        kept = [pool.apply_async(tasks.note, (log, f"{turn}.{x}")) for x in range(5)]
        time.sleep(turn / 20_000)
        doomed.cancel()
        assert [result.get(LIMIT) for result in kept] == [f"{turn}.{x}" for x in range(5)]
    expected = sorted(f"{turn}.{x}" for turn in range(40) for x in range(5))
    assert sorted(journal(log)) == expected


@processes
def test_a_cancelled_worker_is_gone_when_the_pool_is(make_pool):
    pool = make_pool(2)
    pids = {pool.apply(hang_tasks.pid) for _ in range(20)}
    results = [pool.apply_async(hang_tasks.library, (1,)) for _ in range(2)]
    wait_until(lambda: all(result.running() for result in results), "the tasks did not begin")
    for result in results:
        assert result.cancel()
    pool.close()
    pool.join()
    assert all(gone(pid) for pid in pids)
