"""Limits of memory: workers that grow are replaced, items that need too much fail, alone."""

from __future__ import annotations

import signal

import memory_tasks
import pytest
import tasks
from support import wait_until

import manyhands

MIB = 1 << 20
METHODS = ["template", "fork"]


@pytest.mark.parametrize("method", METHODS)
def test_a_worker_that_keeps_memory_is_replaced(method):
    with manyhands.Pool(1, context=method, max_memory_per_child=200 * MIB) as pool:
        pids = [pool.apply(memory_tasks.keep, (60,)) for _ in range(12)]
    lives = [pids.count(pid) for pid in dict.fromkeys(pids)]
    assert len(lives) >= 3
    assert max(lives) <= 5


def test_in_a_map_as_well_and_nothing_is_lost():
    with manyhands.Pool(2, max_memory_per_child=150 * MIB) as pool:
        pids = pool.map(memory_tasks.keep, [20] * 60)
        assert len(set(pids)) >= 6
        assert pool.map(tasks.square, range(1000)) == [x * x for x in range(1000)]


def test_a_worker_that_gives_it_back_stays():
    with manyhands.Pool(1, max_memory_per_child=300 * MIB) as pool:
        results = pool.map(memory_tasks.take, [100] * 20)
    assert len({pid for _, pid in results}) == 1


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("task", [memory_tasks.grow_for_ever, memory_tasks.grow_in_one_call])
def test_an_item_that_takes_too_much_fails(method, task):
    limits = (None, 300 * MIB)
    with manyhands.Pool(2, context=method, max_memory_per_child=limits) as pool:
        with pytest.raises(manyhands.MemoryLimitExceeded) as caught:
            pool.apply(task, (0,))
        assert pool.map(tasks.square, range(10)) == [x * x for x in range(10)]
    error = caught.value
    assert isinstance(error, manyhands.WorkerDied)
    assert isinstance(error, MemoryError)
    assert error.limit == 300 * MIB
    assert 300 * MIB < error.used < 2000 * MIB
    assert error.peak_memory >= error.used * 0.9
    assert error.out_of_memory is False
    assert error.signal == signal.SIGKILL
    assert error.function == task.__name__
    assert "max_memory_per_child" in str(error)
    assert "300 MiB" in str(error)


def test_only_that_item_fails():
    with manyhands.Pool(2, max_memory_per_child=(None, 200 * MIB)) as pool:
        results = pool.map(memory_tasks.grow_or_not, range(20), errors="return")
    assert isinstance(results[5], manyhands.MemoryLimitExceeded)
    assert results[5].index == 5
    assert [row[0] for row in results if isinstance(row, tuple)] == [*range(5), *range(6, 20)]


def test_both_limits():
    with manyhands.Pool(1, max_memory_per_child=(100 * MIB, 400 * MIB)) as pool:
        first = pool.apply(memory_tasks.keep, (150,))
        # The next item may have been on its way already.
        wait_until(lambda: pool.apply(memory_tasks.keep, (1,)) != first, "no other worker")
        with pytest.raises(manyhands.MemoryLimitExceeded):
            pool.apply(memory_tasks.keep, (600,))


def test_an_executor_has_it_too():
    with manyhands.Executor(1, max_memory_per_child=(None, 200 * MIB)) as executor:
        with pytest.raises(manyhands.MemoryLimitExceeded):
            executor.submit(memory_tasks.grow_for_ever, 0).result()
        assert executor.submit(abs, -1).result() == 1


@pytest.mark.parametrize(
    ("limit", "error"),
    [
        (0, ValueError),
        (-1, ValueError),
        ("1G", TypeError),
        (1.5, TypeError),
        ((2, 1), ValueError),
        ((0, 1), ValueError),
        ((1, 2, 3), TypeError),
        ((None, "x"), TypeError),
    ],
)
def test_limits_that_mean_nothing(limit, error):
    with pytest.raises(error, match="max_memory_per_child"):
        manyhands.Pool(1, max_memory_per_child=limit)


def test_a_limit_of_the_tasks_own_is_a_memory_error():
    with manyhands.Pool(1) as pool:
        with pytest.raises(MemoryError):
            pool.apply(memory_tasks.allocate_beyond_an_rlimit, (0,))
        assert pool.apply(tasks.square, (3,)) == 9


def test_where_no_memory_is_left_to_tell_of_it():
    with manyhands.Pool(1) as pool, pytest.raises((MemoryError, manyhands.WorkerDied)):
        pool.apply(memory_tasks.allocate_all_of_an_rlimit, (0,))
    # The worker, which can hardly live on, ends with its pool.


def test_the_peak_of_a_worker_that_is_killed():
    with manyhands.Pool(1) as pool:
        pool.apply(memory_tasks.take, (300,))
        with pytest.raises(manyhands.WorkerDied) as caught:
            pool.apply(tasks.kill_self, (signal.SIGKILL,))
    error = caught.value
    assert 300 * MIB < error.peak_memory < 1000 * MIB
    assert error.out_of_memory in (False, None)
    assert "MiB of memory at most" in str(error)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("task", [tasks.segfault, tasks.abort])
def test_a_crash_is_told_with_the_stack(method, task):
    with manyhands.Pool(1, context=method) as pool:
        with pytest.raises(manyhands.WorkerDied) as caught:
            pool.apply(task)
        assert pool.apply(tasks.square, (3,)) == 9
    error = caught.value
    assert error.stacks.startswith("Fatal Python error")
    assert f"in {task.__name__}" in error.stacks
    assert error.stacks.rstrip() in str(error)


@pytest.mark.parametrize("method", METHODS)
def test_the_peak_is_known_with_every_method_that_reaps(method):
    with manyhands.Pool(1, context=method) as pool, pytest.raises(manyhands.WorkerDied) as caught:
        pool.apply(tasks.exit_hard, (3,))
    assert caught.value.peak_memory > MIB
    assert caught.value.out_of_memory is False
