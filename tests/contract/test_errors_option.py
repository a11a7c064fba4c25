"""`errors="return"`: exceptions stand in place of values, and everything runs."""

from __future__ import annotations

import concurrent.futures

import pytest
import tasks
from support import journal, parallel


def shape(results):
    return [(type(x), str(x)) if isinstance(x, BaseException) else x for x in results]


EXPECTED = [(ValueError, f"item {x}") if x % 3 == 0 else x for x in range(20)]
PAIRS = [(x, 3) for x in range(20)]


@pytest.mark.parametrize("chunksize", [None, 1, 4, 100])
def test_map_and_starmap(pool, chunksize):
    got = pool.starmap(tasks.boom_on_multiple, PAIRS, chunksize, errors="return")
    assert shape(got) == EXPECTED
    got = pool.map(tasks.boom, [1, 2], chunksize, errors="return")
    assert shape(got) == [(ValueError, "item 1"), (ValueError, "item 2")]


@pytest.mark.parametrize("chunksize", [None, 1, 4, 100])
def test_the_asynchronous_maps(pool, chunksize):
    seen = []
    result = pool.starmap_async(
        tasks.boom_on_multiple, PAIRS, chunksize, seen.append, errors="return"
    )
    assert shape(result.get()) == EXPECTED
    assert result.successful()
    assert [shape(values) for values in seen] == [EXPECTED]
    got = pool.map_async(tasks.boom, [1], chunksize, errors="return").get()
    assert shape(got) == [(ValueError, "item 1")]


@pytest.mark.parametrize("chunksize", [None, 1, 4])
def test_the_lazy_maps(pool, chunksize):
    got = pool.istarmap(tasks.boom_on_multiple, iter(PAIRS), chunksize, errors="return")
    assert shape(got) == EXPECTED
    got = pool.istarmap_unordered(tasks.boom_on_multiple, iter(PAIRS), chunksize, errors="return")
    assert sorted(map(str, shape(got))) == sorted(map(str, EXPECTED))
    got = pool.imap(tasks.boom, [1], chunksize, errors="return")
    assert shape(got) == [(ValueError, "item 1")]
    got = pool.imap_unordered(tasks.boom, [1], chunksize, errors="return")
    assert shape(got) == [(ValueError, "item 1")]


def test_everything_runs(pool, tmp_path):
    log = tmp_path / "journal"
    items = [(log, x, 0) for x in range(40)]
    assert len(pool.starmap(tasks.note_and_boom, items, errors="return")) == 40
    assert len(list(pool.istarmap(tasks.note_and_boom, items, errors="return"))) == 40
    assert sorted(map(int, journal(log))) == sorted([*range(40), *range(40)])


def test_an_exception_that_is_a_value_stays_a_value(pool):
    error = ValueError("mine")
    for errors in ("raise", "return"):
        got = pool.map(tasks.return_it, [error], errors=errors)
        assert shape(got) == [(ValueError, "mine")]
        assert shape(pool.imap(tasks.return_it, [error], errors=errors)) == [(ValueError, "mine")]
    assert shape([pool.apply(tasks.return_it, (error,))]) == [(ValueError, "mine")]


def test_the_failure_of_the_source_is_raised_all_the_same(pool):
    def source():
        yield 1
        raise KeyError("source")

    with pytest.raises(KeyError, match="source"):
        pool.map(tasks.boom, source(), errors="return")
    results = pool.imap(tasks.boom, source(), errors="return")
    assert shape([next(results)]) == [(ValueError, "item 1")]
    with pytest.raises(KeyError, match="source"):
        next(results)


@parallel
def test_cancelling_still_cancels_everything(make_pool, tmp_path):
    pool = make_pool(1)
    started, release = tmp_path / "started", tmp_path / "release"
    pool.apply_async(tasks.hold, (started, release))
    tasks.await_file(started)
    result = pool.map_async(tasks.square, range(10), errors="return")
    assert result.cancel()
    release.touch()
    with pytest.raises(concurrent.futures.CancelledError):
        result.get()


@pytest.mark.parametrize("errors", ["ignore", "", None])
def test_other_words_are_refused(pool, errors):
    for name in ("map", "map_async", "imap", "imap_unordered", "starmap", "istarmap"):
        with pytest.raises(ValueError, match="errors"):
            getattr(pool, name)(tasks.identity, [(1,)], errors=errors)
