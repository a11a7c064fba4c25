"""The lazy mappings: order, iteration, errors in their place, and how an iterator ends."""

from __future__ import annotations

import concurrent.futures
import itertools
import threading

import pytest
import tasks
from support import LIMIT, journal, parallel

import manyhands

LAZY = ["imap", "imap_unordered", "istarmap", "istarmap_unordered"]


def lazy_square(pool, name, xs, *args, **options):
    """`tasks.square` over `xs` by the lazy method called `name`."""
    if "star" in name:
        return getattr(pool, name)(tasks.multiply, ((x, x) for x in xs), *args, **options)
    return getattr(pool, name)(tasks.square, iter(xs), *args, **options)


@pytest.mark.parametrize("name", LAZY)
@pytest.mark.parametrize("n", [0, 1, 2, 50, 3000])
def test_all_results(pool, name, n):
    got = list(lazy_square(pool, name, range(n)))
    assert (sorted(got) if "unordered" in name else got) == [x * x for x in range(n)]


@pytest.mark.parametrize("name", LAZY)
@pytest.mark.parametrize("chunksize", [1, 2, 7, 50, 51])
def test_chunksize_does_not_change_the_results(pool, name, chunksize):
    got = lazy_square(pool, name, range(50), chunksize)
    assert sorted(got) == [x * x for x in range(50)]
    got = lazy_square(pool, name, range(50), chunksize=chunksize)
    assert sorted(got) == [x * x for x in range(50)]


@pytest.mark.parametrize("buffersize", [1, 2, 7, 1000, float("inf")])
def test_buffersize_does_not_change_the_results(pool, buffersize):
    got = pool.imap(tasks.square, range(100), buffersize=buffersize)
    assert list(got) == [x * x for x in range(100)]


@pytest.mark.parametrize("option", ["buffersize", "max_bytes_in_flight"])
def test_a_bound_below_one_is_refused(pool, option):
    for value in (0, -1):
        with pytest.raises(ValueError, match=option):
            pool.imap(tasks.square, [1], **{option: value})
    with pytest.raises(TypeError, match=option):
        pool.imap(tasks.square, [1], **{option: "3"})


def test_it_is_an_iterator(pool):
    results = pool.imap(tasks.square, range(3))
    assert iter(results) is results
    assert next(results) == 0
    assert results.next() == 1
    assert results.next(LIMIT) == 4
    for _ in range(3):
        with pytest.raises(StopIteration):
            next(results)
    with pytest.raises(StopIteration):
        results.next(timeout=1)


@parallel
def test_unordered_gives_what_is_ready_first(pool, tmp_path):
    release = tmp_path / "release"
    results = pool.istarmap_unordered(
        tasks.wait_if, [(release, x, x == 0) for x in range(10)], 1, buffersize=10
    )
    assert sorted(results.next(LIMIT) for _ in range(9)) == list(range(1, 10))
    release.touch()
    assert results.next(LIMIT) == 0
    assert list(results) == []


@parallel
def test_ordered_waits_for_the_first(pool, tmp_path):
    release = tmp_path / "release"
    results = pool.istarmap(tasks.wait_if, [(release, x, x == 0) for x in range(10)], 1)
    with pytest.raises(manyhands.TimeoutError):
        results.next(0.05)
    release.touch()
    assert list(results) == list(range(10))


@parallel
@pytest.mark.parametrize("name", ["istarmap", "istarmap_unordered"])
def test_next_with_a_timeout(make_pool, tmp_path, name):
    pool = make_pool(1)
    release = tmp_path / "release"
    results = getattr(pool, name)(tasks.wait_if, [(release, x, x == 1) for x in range(3)], 1)
    assert results.next(LIMIT) == 0
    for timeout in (0, 0.02, -1):
        with pytest.raises(manyhands.TimeoutError):
            results.next(timeout=timeout)
    release.touch()
    assert results.next(timeout=LIMIT) == 1
    assert list(results) == [2]


@pytest.mark.parametrize("name", ["istarmap", "istarmap_unordered"])
@pytest.mark.parametrize("chunksize", [None, 1, 4])
def test_a_failure_is_raised_for_its_item_and_the_iteration_goes_on(pool, name, chunksize):
    results = getattr(pool, name)(tasks.boom_on, ((x, 5) for x in range(20)), chunksize)
    got = []
    while True:
        try:
            got.append(next(results))
        except StopIteration:
            break
        except ValueError as error:
            got.append(str(error))
    expected = [*range(5), "item 5", *range(6, 20)]
    if name == "istarmap":
        assert got == expected
    assert sorted(map(str, got)) == sorted(map(str, expected))


def append_all(got, results):
    """`got.extend(results)`, keeping what came before an exception."""
    for x in results:
        got.append(x)


def test_a_failure_ends_a_loop(pool):
    got = []
    with pytest.raises(ValueError, match=r"^item 5\b"):
        append_all(got, pool.istarmap(tasks.boom_on, ((x, 5) for x in itertools.count())))
    assert got == [0, 1, 2, 3, 4]
    assert pool.map(tasks.identity, [1]) == [1]


@parallel
def test_a_failure_does_not_overtake(pool, tmp_path):
    # Item 3 fails while item 0 still runs: items 0, 1 and 2 are handed over before it.
    failed, release = tmp_path / "failed", tmp_path / "release"
    results = pool.istarmap(
        tasks.first_waits_third_fails, [(x, failed, release) for x in range(6)], 1, buffersize=4
    )
    tasks.await_file(failed)
    release.touch()
    assert [next(results), next(results), next(results)] == [0, 1, 2]
    with pytest.raises(ValueError, match=r"^item 3\b"):
        next(results)
    assert list(results) == [4, 5]


@pytest.mark.parametrize("name", ["imap", "imap_unordered"])
@pytest.mark.parametrize("chunksize", [None, 1, 5])
def test_the_failure_of_the_source_comes_after_its_items(pool, name, chunksize):
    def source():
        yield from range(10)
        raise KeyError("source")

    got = []
    results = getattr(pool, name)(tasks.square, source(), chunksize)
    with pytest.raises(KeyError, match="source"):
        append_all(got, results)
    assert sorted(got) == [x * x for x in range(10)]
    assert list(results) == []


@parallel
def test_a_chunk_that_the_source_breaks_off_does_not_run(pool, tmp_path):
    # As in multiprocessing: with chunks of 4, items 0 to 3 are one, and 4 to 6 never make another.
    log = tmp_path / "journal"

    def source():
        for x in range(7):
            yield log, x
        raise KeyError("source")

    results = pool.istarmap(tasks.note, source(), 4)
    assert [next(results) for _ in range(4)] == [0, 1, 2, 3]
    with pytest.raises(KeyError, match="source"):
        next(results)
    assert sorted(map(int, journal(log))) == [0, 1, 2, 3]


def test_what_is_not_iterable_is_refused_at_the_call(pool):
    with pytest.raises(TypeError):
        pool.imap(tasks.square, 17)


@pytest.mark.parametrize("name", LAZY)
def test_several_iterators_at_once(pool, name):
    iterators = [lazy_square(pool, name, range(n)) for n in (10, 20, 30)]
    got = [[] for _ in iterators]
    for results in itertools.zip_longest(*iterators):
        for i, x in enumerate(results):
            if x is not None:
                got[i].append(x)
    assert [sorted(xs) for xs in got] == [[x * x for x in range(n)] for n in (10, 20, 30)]


def test_mapping_while_iterating(pool):
    got = [
        (x, pool.apply(tasks.square, (x,)), pool.map(tasks.square, [x]))
        for x in pool.imap(tasks.identity, range(30))
    ]
    assert got == [(x, x * x, [x * x]) for x in range(30)]


def test_an_iterator_over_an_iterator_of_the_same_pool(pool):
    doubled = pool.imap(tasks.square, pool.imap(tasks.square, range(50)))
    assert list(doubled) == [x**4 for x in range(50)]


def test_threads_share_an_iterator(pool):
    results = pool.imap(tasks.square, range(500))
    got, lock = [], threading.Lock()

    def consume():
        for x in results:
            with lock:
                got.append(x)

    threads = [threading.Thread(target=consume) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT)
    assert sorted(got) == [x * x for x in range(500)]


def test_close_ends_the_iteration(pool):
    results = pool.imap(tasks.square, itertools.count())
    assert next(results) == 0
    results.close()
    results.close()
    assert list(results) == []
    assert pool.map(tasks.square, [2]) == [4]


def test_an_iterator_is_a_context_manager(pool):
    with pool.imap_unordered(tasks.square, range(3)) as results:
        assert next(results) in (0, 1, 4)
    assert list(results) == []


def test_terminate_ends_the_iteration_loudly(make_pool):
    pool = make_pool()
    results = pool.imap(tasks.square, itertools.count())
    assert next(results) == 0
    pool.terminate()
    with pytest.raises(concurrent.futures.CancelledError):
        for _ in results:
            pass


@parallel
def test_terminate_wakes_a_thread_that_waits_for_a_result(pool, tmp_path):
    started, release = tmp_path / "started", tmp_path / "release"
    results = pool.istarmap(tasks.hold, [(started, release)])
    raised = []

    def consume():
        try:
            next(results)
        except BaseException as error:
            raised.append(type(error))

    thread = threading.Thread(target=consume)
    thread.start()
    tasks.await_file(started)
    pool.terminate()
    thread.join(LIMIT)
    release.touch()
    assert not thread.is_alive()
    assert raised == [concurrent.futures.CancelledError]
