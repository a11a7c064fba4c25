"""How far a lazy mapping reads ahead, who advances the source, and when the source is closed."""

from __future__ import annotations

import concurrent.futures
import gc
import io
import itertools
import math
import threading
import time

import pytest
import tasks
from support import journal, parallel, processes, wait_until

LAZY = ["imap", "imap_unordered"]


class Source:
    """A generator of numbers that records what is done with it."""

    def __init__(self, items):
        self.items = items
        self.pulled = 0
        self.closed = False
        self.threads = set()
        self.generator = self._generate()

    def _generate(self):
        try:
            for item in self.items:
                self.threads.add(threading.get_ident())
                self.pulled += 1
                yield item
        except GeneratorExit:
            self.closed = True
            raise


@pytest.mark.parametrize("name", LAZY)
def test_an_endless_generator(pool, name):
    results = getattr(pool, name)(tasks.square, itertools.count())
    assert len([next(results) for _ in range(2000)]) == 2000
    results.close()


@pytest.mark.parametrize("name", LAZY)
@pytest.mark.parametrize("buffersize", [1, 2, 5, 100])
def test_at_most_buffersize_items_are_ahead_of_the_consumer(pool, name, buffersize):
    source = Source(itertools.count())
    results = getattr(pool, name)(tasks.square, source.generator, buffersize=buffersize)
    assert source.pulled <= buffersize
    for received in range(1, 300):
        next(results)
        assert source.pulled <= received + buffersize
    results.close()


@pytest.mark.parametrize("name", LAZY)
@pytest.mark.parametrize("chunksize", [1, 3, 10])
def test_buffersize_bounds_chunks_too(pool, name, chunksize):
    source = Source(itertools.count())
    results = getattr(pool, name)(tasks.square, source.generator, chunksize, buffersize=10)
    for received in range(1, 200):
        next(results)
        assert source.pulled <= received + 10
    results.close()


@parallel
@pytest.mark.parametrize("buffersize", [1, 2, 5])
def test_the_first_window_is_filled_during_the_call(pool, buffersize):
    source = Source(itertools.count())
    results = pool.imap(tasks.square, source.generator, 1, buffersize=buffersize)
    assert source.pulled == buffersize
    results.close()


@pytest.mark.parametrize("name", LAZY)
def test_read_ahead_is_bounded_by_default(pool, name):
    source = Source(itertools.repeat(b"x" * 1000))
    results = getattr(pool, name)(len, source.generator)
    first = source.pulled
    for _ in range(50):
        next(results)
    assert first < 100_000
    assert source.pulled < 200_000
    results.close()


@parallel
def test_no_bound_when_asked_for(pool):
    source = Source(range(5000))
    results = pool.imap(tasks.square, source.generator, buffersize=math.inf)
    wait_until(lambda: source.pulled == 5000, "buffersize=inf does not read everything")
    assert list(results) == [x * x for x in range(5000)]


@pytest.mark.parametrize("name", LAZY)
def test_a_bound_in_bytes(pool, name):
    size, bound = 100_000, 1_000_000
    source = Source(b"x" * size for _ in itertools.count())
    results = getattr(pool, name)(len, source.generator, max_bytes_in_flight=bound)
    for received in range(1, 60):
        assert next(results) == size
        assert (source.pulled - received) * size <= bound + size
    results.close()


@processes
@pytest.mark.parametrize("name", LAZY)
def test_the_bound_in_bytes_is_64_mib_where_none_is_given(pool, name):
    size, bound, most = 100_000, 64 << 20, 0
    source = Source(b"x" * size for _ in itertools.count())
    results = getattr(pool, name)(len, source.generator, buffersize=100_000)
    for received in range(1, 60):
        assert next(results) == size
        most = max(most, (source.pulled - received) * size)
    results.close()
    assert bound / 2 < most <= bound + size


def test_one_item_above_the_bound_in_bytes_still_goes(pool):
    items = [b"x" * 200_000] * 5
    assert list(pool.imap(len, items, max_bytes_in_flight=1000)) == [200_000] * 5


@parallel
def test_a_slow_consumer_does_not_let_the_bound_grow(pool):
    source = Source(itertools.count())
    results = pool.imap(tasks.square, source.generator, buffersize=8)
    next(results)
    for _ in range(20):
        time.sleep(0.01)  # time in which an eager feeder would run away
        assert source.pulled <= 1 + 8
    results.close()


@pytest.mark.parametrize("name", LAZY)
def test_a_slow_source_does_not_hold_back_results(pool, name):
    # With 100 items a second the first result must not wait for a window of thousands.
    def source():
        for x in itertools.count():
            pulled.append(x)
            time.sleep(0.01)
            yield x

    pulled = []
    results = getattr(pool, name)(tasks.square, source())
    next(results)
    assert len(pulled) < 1000
    results.close()


@pytest.mark.parametrize("name", LAZY)
def test_only_the_iterating_thread_advances_the_source(pool, name):
    source = Source(range(300))
    assert len(list(getattr(pool, name)(tasks.square, source.generator))) == 300
    assert source.threads == {threading.get_ident()}


def test_join_advances_the_source_in_its_own_thread(pool):
    source = Source(range(300))
    pool.imap(tasks.square, source.generator, buffersize=4)
    pool.close()
    pool.join()
    assert source.pulled == 300
    assert source.threads == {threading.get_ident()}


@pytest.mark.parametrize("name", LAZY)
@pytest.mark.parametrize("how", ["close", "drop", "break", "with"])
def test_the_source_is_closed_when_the_consumer_stops(pool, name, how):
    source = Source(itertools.count())
    results = getattr(pool, name)(tasks.square, source.generator)
    next(results)
    if how == "close":
        results.close()
    elif how == "with":
        with results:
            next(results)
    elif how == "break":
        for _ in results:
            break
    del results
    gc.collect()
    assert source.closed
    assert pool.map(tasks.square, [3]) == [9]


def test_the_source_is_closed_when_a_failure_ends_the_loop(pool):
    source = Source((x, 3) for x in itertools.count())

    def consume():
        for _ in pool.istarmap(tasks.boom_on, source.generator):
            pass

    with pytest.raises(ValueError, match="item 3"):
        consume()
    gc.collect()
    wait_until(lambda: source.closed, "the source is left open")


def test_the_source_is_closed_by_terminate(pool):
    source = Source(itertools.count())
    results = pool.imap(tasks.square, source.generator)
    next(results)
    pool.terminate()
    assert source.closed
    del results


def test_an_iterator_that_is_not_a_generator_is_left_open(pool):
    lines = io.StringIO("a\nb\nc\n")
    results = pool.imap(str.strip, lines, buffersize=1)
    assert next(results) == "a"
    results.close()
    assert not lines.closed


@parallel
def test_a_dropped_iterator_cancels_what_has_not_started(make_pool, tmp_path):
    pool = make_pool(1)
    started, release, log = tmp_path / "started", tmp_path / "release", tmp_path / "journal"
    results = pool.istarmap(tasks.note, [(log, x) for x in range(40)], 1, buffersize=2)
    held = pool.apply_async(tasks.hold, (started, release))
    tasks.await_file(started)  # the only worker has run items 0 and 1 and is busy from here on
    assert [next(results), next(results)] == [0, 1]
    del results
    gc.collect()
    release.touch()
    assert held.get() == "held"
    pool.close()
    pool.join()
    assert journal(log) == ["0", "1"]


@pytest.mark.parametrize("name", ["istarmap", "istarmap_unordered"])
@pytest.mark.parametrize("buffersize", [None, 3])
def test_fire_and_forget_runs_everything(pool, tmp_path, name, buffersize):
    log = tmp_path / "journal"
    getattr(pool, name)(tasks.note, ((log, x) for x in range(500)), buffersize=buffersize)
    gc.collect()
    pool.close()
    pool.join()
    assert sorted(map(int, journal(log))) == list(range(500))


def test_close_and_join_run_the_rest_of_an_iterator_that_was_begun(pool, tmp_path):
    log = tmp_path / "journal"
    results = pool.istarmap(tasks.note, ((log, x) for x in range(300)), buffersize=3)
    assert [next(results), next(results)] == [0, 1]
    pool.close()
    pool.join()
    assert sorted(map(int, journal(log))) == list(range(300))
    assert list(results) == list(range(2, 300))


def test_after_close_an_iterator_goes_on(pool):
    results = pool.imap(tasks.square, (x for x in range(300)), buffersize=3)
    pool.close()
    assert list(results) == [x * x for x in range(300)]


def test_join_runs_everything_in_spite_of_a_failure(pool, tmp_path):
    log = tmp_path / "journal"
    results = pool.istarmap(tasks.note_and_boom, ((log, x, 0) for x in range(60)), 1)
    pool.close()
    pool.join()
    assert sorted(map(int, journal(log))) == list(range(60))
    with pytest.raises(ValueError, match="item 0"):
        next(results)
    assert list(results) == list(range(1, 60))


def test_a_source_that_nobody_asked_for_is_missed_loudly_at_the_end_of_with(make_pool):
    source = Source(itertools.count())
    pool = make_pool()
    with pytest.warns(RuntimeWarning, match="never advanced"), pool:
        results = pool.imap(tasks.square, source.generator, buffersize=3)
    assert source.pulled <= 3
    assert source.generator.gi_frame is None
    del results


def test_the_end_of_with_waits_for_what_was_fed_and_pulls_nothing_more(make_pool, tmp_path):
    log = tmp_path / "journal"
    source = Source((log, x) for x in itertools.count())
    with make_pool() as pool:
        results = pool.istarmap(tasks.note, source.generator, 1, buffersize=5)
        assert next(results) == 0
        pulled = source.pulled
    assert source.pulled == pulled
    assert source.closed
    assert sorted(map(int, journal(log))) == list(range(pulled))
    assert [next(results) for _ in range(pulled - 1)] == list(range(1, pulled))
    with pytest.raises(concurrent.futures.CancelledError):  # never a quiet end before the end
        next(results)


def test_an_iterator_whose_source_was_read_to_its_end_outlives_with(make_pool):
    with make_pool() as pool:
        results = pool.imap(tasks.square, [1, 2, 3])
        assert next(results) == 1
        second = next(results)
        third = next(results)
    assert [second, third, *results] == [4, 9]


def test_an_iterator_that_calls_itself_is_refused(pool):
    def source():
        yield 1
        yield next(results)

    results = pool.imap(tasks.square, source(), buffersize=1)
    assert next(results) == 1
    with pytest.raises((ValueError, RuntimeError), match="already"):
        next(results)


@parallel
def test_results_are_not_withheld_by_a_slow_source(pool):
    pulled = []

    def source():
        for x in range(5):
            time.sleep(0.2)
            pulled.append(x)
            yield x

    pool.apply(tasks.square, (1,))  # workers are up
    for number, square in enumerate(pool.imap(tasks.square, source())):
        assert square == number * number
        # The next item may have been pulled while this one was on its way, but none after it.
        assert len(pulled) <= number + 2
