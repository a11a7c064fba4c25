"""Results of a pool in `concurrent.futures.wait`, in `as_completed`, and in `async for`."""

from __future__ import annotations

import asyncio
from concurrent.futures import ALL_COMPLETED, FIRST_COMPLETED, FIRST_EXCEPTION, as_completed, wait

import doctor_tasks
import pytest
import tasks
from support import LIMIT, processes

import manyhands

pytestmark = processes


def test_results_are_yielded_as_they_arrive(pool):
    results = [pool.apply_async(tasks.square, (n,)) for n in range(20)]
    arrived = list(as_completed(results, LIMIT))
    assert set(arrived) == set(results)
    assert sorted(result.get() for result in arrived) == [n * n for n in range(20)]
    assert set(as_completed(results, 0)) == set(results)


def test_wait_says_which_are_done(pool):
    event = manyhands.Event()
    stuck = pool.apply_async(doctor_tasks.wait_for_event, (event, manyhands.Event()))
    quick = pool.apply_async(tasks.square, (3,))
    done, pending = wait([stuck, quick], LIMIT, FIRST_COMPLETED)
    assert (done, pending) == ({quick}, {stuck})
    with pytest.raises(TimeoutError):
        list(as_completed([stuck], 0.01))
    event.set()
    assert wait([stuck, quick], LIMIT, ALL_COMPLETED).done == {stuck, quick}


def test_failures_and_cancelled_ones_count(pool):
    event = manyhands.Event()
    stuck = [
        pool.apply_async(doctor_tasks.wait_for_event, (event, manyhands.Event())) for _ in range(2)
    ]
    failing = pool.apply_async(divmod, (1, 0))
    queued = pool.apply_async(tasks.square, (1,))
    event.set()
    assert failing in wait([failing, *stuck], LIMIT, FIRST_EXCEPTION).done
    assert queued.cancel() in (True, False)
    assert wait([queued, failing, *stuck], LIMIT).not_done == set()


def test_what_is_cancelled_while_somebody_waits_wakes_him(pool):
    event = manyhands.Event()
    stuck = pool.apply_async(doctor_tasks.wait_for_event, (event, manyhands.Event()))
    assert wait([stuck], 0.01).not_done == {stuck}
    assert stuck.cancel()
    assert wait([stuck], LIMIT).done == {stuck}
    assert stuck.cancelled()


def test_futures_and_results_together(pool):
    with manyhands.Executor(1) as executor:
        both = [executor.submit(tasks.square, 2), pool.apply_async(tasks.square, (3,))]
        assert sorted(one.result() for one in as_completed(both, LIMIT)) == [4, 9]


def test_results_of_an_iterator_are_awaited_one_by_one(pool):
    async def collect():
        return [value async for value in pool.imap(tasks.square, range(50))]

    assert asyncio.run(collect()) == [n * n for n in range(50)]


def test_a_failure_is_raised_for_its_item_and_the_next_one_follows(pool):
    async def collect():
        results = aiter(pool.imap(tasks.boom_on, [1, 2, 3]))
        with pytest.raises(TypeError):
            await anext(results)
        return pool

    assert asyncio.run(collect()) is pool


def test_a_task_that_gives_up_loses_no_result(pool):
    event = manyhands.Event()

    async def wait_twice():
        results = aiter(pool.imap(doctor_tasks.echo_after, [(event, n) for n in range(3)]))
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(anext(results), 0.05)
        event.set()
        return [value async for value in results]

    assert asyncio.run(wait_twice()) == [0, 1, 2]
