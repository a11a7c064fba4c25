"""`retries=` and `retry_on=`: what fails runs again, at its own place; nothing else does."""

from __future__ import annotations

import functools
import os

import hang_tasks
import memory_tasks
import pytest
import tasks
from support import LIMIT, journal, parallel, processes, run_script

import manyhands

CALLS = {
    "map": lambda pool, *a, **k: pool.map(*a, **k),
    "map_async": lambda pool, *a, **k: pool.map_async(*a, **k).get(LIMIT),
    "imap": lambda pool, *a, **k: list(pool.imap(*a, **k)),
    "imap_unordered": lambda pool, *a, **k: list(pool.imap_unordered(*a, **k)),
}


def test_an_exception_is_tried_again(pool, tmp_path):
    log = tmp_path / "journal"
    assert pool.apply(hang_tasks.fail_first, (log, 2), retries=2) == 3
    assert len(journal(log)) == 3


def test_the_last_failure_counts(pool, tmp_path):
    log = tmp_path / "journal"
    with pytest.raises(ConnectionError, match="attempt 3"):
        pool.apply(hang_tasks.fail_first, (log, 9), retries=2)
    assert len(journal(log)) == 3


def test_keywords_and_later_results(pool, tmp_path):
    log = tmp_path / "journal"
    result = pool.apply_async(hang_tasks.fail_first, (log,), {"times": 1}, retries=1)
    assert result.get(LIMIT) == 2


@pytest.mark.parametrize("kinds", [ConnectionError, OSError, (KeyError, ConnectionError)])
def test_what_is_named_is_tried_again(pool, tmp_path, kinds):
    log = tmp_path / "journal"
    assert pool.apply(hang_tasks.fail_first, (log, 1), retries=3, retry_on=kinds) == 2


@pytest.mark.parametrize("kinds", [KeyError, (), manyhands.WorkerDied])
def test_what_is_not_named_is_not(pool, tmp_path, kinds):
    log = tmp_path / "journal"
    with pytest.raises(ConnectionError):
        pool.apply(hang_tasks.fail_first, (log, 1), retries=3, retry_on=kinds)
    assert len(journal(log)) == 1


@pytest.mark.parametrize("chunksize", [None, 4])
@pytest.mark.parametrize("call", CALLS)
def test_results_stay_in_their_places(pool, tmp_path, call, chunksize):
    task = functools.partial(hang_tasks.flaky, tmp_path)
    got = CALLS[call](pool, task, range(60), chunksize, retries=1)
    got = sorted(got) if "unordered" in call else got
    assert got == [hang_tasks.answer(x) for x in range(60)]
    for x in range(60):
        assert len(journal(tmp_path / str(x))) == (2 if x % 7 == 3 else 1)


def test_failures_that_are_left_stand_alone(pool, tmp_path):
    task = functools.partial(hang_tasks.flaky, tmp_path, times=2)
    got = pool.map(task, range(30), retries=1, errors="return")
    for x, value in enumerate(got):
        if x % 7 == 3:
            assert isinstance(value, ConnectionError)
            assert len(journal(tmp_path / str(x))) == 2
        else:
            assert value == hang_tasks.answer(x)


@processes
def test_the_death_of_the_worker(pool, tmp_path):
    log = tmp_path / "journal"
    assert pool.apply(hang_tasks.fail_first, (log, 2, "death"), retries=2) == 3
    assert len(set(journal(log))) == 3, "it ran again in a worker that was dead"


@processes
@pytest.mark.parametrize("kinds", [manyhands.WorkerDied, (manyhands.TaskTimeout, OSError)])
def test_the_death_of_the_worker_by_name(pool, tmp_path, kinds):
    log = tmp_path / "journal"
    call = functools.partial(
        pool.apply, hang_tasks.fail_first, (log, 1, "death"), retries=1, retry_on=kinds
    )
    if kinds is manyhands.WorkerDied:
        assert call() == 2
    else:
        with pytest.raises(manyhands.WorkerDied):
            call()
        assert len(journal(log)) == 1


@processes
@pytest.mark.parametrize(
    "kinds", [MemoryError, manyhands.MemoryLimitExceeded, manyhands.WorkerDied]
)
def test_too_much_memory_by_name(make_pool, tmp_path, kinds):
    log = tmp_path / "journal"
    pool = make_pool(1, max_memory_per_child=(None, 300 << 20))
    assert pool.apply(memory_tasks.grow_first, (log, 1), retries=1, retry_on=kinds) == 2
    log.unlink()
    with pytest.raises(manyhands.MemoryLimitExceeded):
        pool.apply(memory_tasks.grow_first, (log, 2), retries=1, retry_on=kinds)
    assert len(journal(log)) == 2
    log.unlink()
    with pytest.raises(manyhands.MemoryLimitExceeded):
        pool.apply(memory_tasks.grow_first, (log, 1), retries=1, retry_on=ConnectionError)
    assert len(journal(log)) == 1


@processes
@pytest.mark.parametrize("kinds", [MemoryError, manyhands.MemoryLimitExceeded])
def test_another_death_is_not_of_memory(pool, tmp_path, kinds):
    log = tmp_path / "journal"
    with pytest.raises(manyhands.WorkerDied):
        pool.apply(hang_tasks.fail_first, (log, 1, "death"), retries=1, retry_on=kinds)
    assert len(journal(log)) == 1


@processes
@pytest.mark.parametrize("how", ["python", "library"])
def test_the_end_of_its_time(pool, tmp_path, how):
    log = tmp_path / "journal"
    got = pool.apply(hang_tasks.fail_first, (log, 2, how), timeout=0.3, retries=2)
    assert got == 3


@processes
def test_the_end_of_its_time_by_name(pool, tmp_path):
    log = tmp_path / "journal"
    kinds = manyhands.TaskTimeout
    task = hang_tasks.fail_first
    assert pool.apply(task, (log, 1, "sleep"), timeout=0.3, retries=1, retry_on=kinds) == 2
    with pytest.raises(manyhands.TaskTimeout):
        pool.apply(hang_tasks.sleep, (1,), timeout=0.2, retries=1, retry_on=ConnectionError)


@processes
def test_the_last_death_counts(pool, tmp_path):
    log = tmp_path / "journal"
    with pytest.raises(manyhands.WorkerDied):
        pool.apply(hang_tasks.fail_first, (log, 9, "death"), retries=2)
    assert len(journal(log)) == 3


@processes
def test_deaths_of_workers_lose_nothing(make_pool, tmp_path):
    pool = make_pool(3)
    task = functools.partial(hang_tasks.flaky, tmp_path, kind="death")
    assert pool.map(task, range(60), retries=1) == [hang_tasks.answer(x) for x in range(60)]


@processes
def test_without_retries_nothing_runs_twice(pool, tmp_path):
    task = functools.partial(hang_tasks.flaky, tmp_path, kind="death")
    got = pool.map(task, range(30), errors="return")
    for x, value in enumerate(got):
        assert isinstance(value, manyhands.WorkerDied) == (x % 7 == 3)
        assert len(journal(tmp_path / str(x))) == 1


@processes
def test_what_was_cancelled_is_not_tried_again(make_pool, tmp_path):
    pool, log = make_pool(1), tmp_path / "journal"
    result = pool.apply_async(hang_tasks.clean_up, (log,), retries=5)
    while not journal(log):
        pass
    assert result.cancel()
    assert pool.apply(hang_tasks.answer, (1,)) == 4
    assert len([line for line in journal(log) if "began" in line]) == 1


@processes
def test_large_arguments_and_locks_are_sent_again(pool, tmp_path):
    log, data, lock = tmp_path / "journal", os.urandom(3 << 20), manyhands.Lock()
    assert pool.apply(hang_tasks.fail_with, (log, data, lock), retries=1) == (len(data), True)


@parallel
def test_a_lambda(make_pool, tmp_path):
    pool, log = make_pool(2), str(tmp_path / "journal")
    assert pool.map(lambda x: hang_tasks.fail_first(log, 1) and x, [5], retries=2) == [5]


def test_functions_of_the_program(tmp_path):
    outcome = run_script(
        tmp_path,
        """
        import os
        import manyhands as mp

        class Flaky(Exception):
            pass

        def work(x):
            if not os.path.exists(f"seen{x}"):
                open(f"seen{x}", "w").close()
                raise Flaky(x)
            return x * x

        with mp.Pool(2) as pool:
            print(pool.map(work, range(5), retries=1, retry_on=Flaky))
        """,
    )
    assert outcome.lines == ["[0, 1, 4, 9, 16]"], outcome.err


@pytest.mark.parametrize("retries", [-1, 1.5, "two", None, 1 << 40])
def test_a_number_that_means_nothing(pool, retries):
    for call in (pool.map, pool.imap, pool.map_async):
        with pytest.raises((ValueError, TypeError), match="retries"):
            call(tasks.square, [1], retries=retries)


@pytest.mark.parametrize("kinds", [int, "OSError", [OSError], OSError("x"), (OSError, 3)])
def test_kinds_that_mean_nothing(pool, kinds):
    with pytest.raises((ValueError, TypeError), match="retry_on"):
        pool.apply(tasks.square, (1,), retries=1, retry_on=kinds)
