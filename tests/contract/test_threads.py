"""A pool may be used from many threads at once."""

from __future__ import annotations

import threading

import tasks
from support import LIMIT


def in_threads(count, function):
    """Run `function(number)` in `count` threads at once; raise what any of them raised."""
    failures, barrier = [], threading.Barrier(count)

    def work(number):
        try:
            barrier.wait(LIMIT)
            function(number)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT)
    assert not any(thread.is_alive() for thread in threads)
    if failures:
        raise failures[0]


def test_apply_from_many_threads(pool):
    def work(number):
        for x in range(50):
            assert pool.apply(tasks.add, (number * 1000, x)) == number * 1000 + x

    in_threads(8, work)


def test_every_method_at_the_same_time(pool):
    def work(number):
        for n in range(10):
            xs = range(number, number + 10 * n)
            expected = [x * x for x in xs]
            which = (number + n) % 5
            if which == 0:
                assert pool.map(tasks.square, xs) == expected
            elif which == 1:
                assert list(pool.imap(tasks.square, xs)) == expected
            elif which == 2:
                assert sorted(pool.imap_unordered(tasks.square, xs)) == expected
            elif which == 3:
                assert pool.map_async(tasks.square, xs).get(LIMIT) == expected
            else:
                results = [pool.apply_async(tasks.square, (x,)) for x in xs]
                assert [r.get(LIMIT) for r in results] == expected

    in_threads(8, work)


def test_a_failure_in_one_thread_is_not_anothers(pool):
    def work(number):
        for _ in range(20):
            if number % 2:
                got = pool.map(tasks.boom, [number], errors="return")
                assert str(got[0]) == f"item {number}"
            else:
                assert pool.map(tasks.square, [number]) == [number * number]

    in_threads(6, work)


def test_results_are_fetched_by_other_threads(pool):
    results = [pool.apply_async(tasks.square, (x,)) for x in range(400)]

    def work(number):
        for x in range(number, 400, 4):
            assert results[x].get(LIMIT) == x * x

    in_threads(4, work)


def test_pools_made_and_ended_in_threads(kind):
    def work(number):
        with kind.make(1) as pool:
            assert pool.map(tasks.square, range(20)) == [x * x for x in range(20)]

    in_threads(4, work)


def test_several_threads_end_one_pool(make_pool):
    pool = make_pool()
    results = [pool.apply_async(tasks.square, (x,)) for x in range(200)]

    def work(number):
        pool.close()
        pool.join()

    in_threads(4, work)
    assert [r.get(0) for r in results] == [x * x for x in range(200)]
