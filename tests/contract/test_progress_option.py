"""`progress=`: what a callable is told by each mapping call. The bar has tests of its own."""

from __future__ import annotations

import itertools
import threading

import pytest
import tasks

BLOCKING = ["map", "starmap"]
ASYNC = ["map_async", "starmap_async"]
LAZY = ["imap", "imap_unordered", "istarmap", "istarmap_unordered"]
N = 60


def run(pool, name, source, **options):
    """Call the method to its end; how many results came."""
    star = "star" in name
    items = ((x, x) for x in source) if star else source
    got = getattr(pool, name)(tasks.add if star else tasks.square, items, **options)
    return len(list(got.get() if name in ASYNC else got))


@pytest.fixture
def told():
    return []


@pytest.fixture
def report(told):
    return lambda done, total: told.append((done, total))


@pytest.mark.parametrize("name", BLOCKING + ASYNC + LAZY)
def test_the_count_rises_to_the_number_of_items(pool, told, report, name):
    assert run(pool, name, range(N), progress=report, total=N) == N
    counts = [done for done, _ in told]
    assert counts == sorted(counts)
    assert counts[-1] == N
    assert {total for _, total in told} == {N}


@pytest.mark.parametrize("name", ["map", "map_async", "imap", "imap_unordered"])
def test_the_total_comes_from_the_length(pool, told, report, name):
    run(pool, name, list(range(N)), progress=report)
    assert told[-1] == (N, N)


@pytest.mark.parametrize("name", ["imap", "imap_unordered"])
def test_no_total_for_a_source_without_length(pool, told, report, name):
    run(pool, name, iter(range(N)), progress=report)
    assert told[-1] == (N, None)


@pytest.mark.parametrize("name", BLOCKING + ASYNC + LAZY)
def test_a_total_that_was_given_is_shown(pool, told, report, name):
    run(pool, name, iter(range(N)), progress=report, total=1000)
    assert told[-1] == (N, 1000)


@pytest.mark.parametrize("name", ["map", "map_async", "imap"])
@pytest.mark.parametrize("chunksize", [1, 7, N])
def test_items_are_counted_not_chunks(pool, told, report, name, chunksize):
    run(pool, name, range(N), chunksize=chunksize, progress=report)
    assert told[-1] == (N, N)


@pytest.mark.parametrize("name", BLOCKING + ASYNC + LAZY)
def test_nothing_to_do(pool, told, report, name):
    assert run(pool, name, (), progress=report, total=0) == 0
    assert {done for done, _ in told} <= {0}


@pytest.mark.parametrize("name", ["map", "imap"])
def test_the_caller_is_told_in_its_own_thread(pool, name):
    threads = set()
    run(pool, name, range(N), progress=lambda done, total: threads.add(threading.get_ident()))
    assert threads == {threading.get_ident()}


def test_failed_items_count_when_they_are_returned(pool, told, report):
    pool.starmap(
        tasks.boom_on_multiple, [(x, 2) for x in range(N)], errors="return", progress=report
    )
    assert told[-1] == (N, N)


@pytest.mark.parametrize("name", ["map", "map_async", "imap"])
def test_a_failure_is_raised_in_spite_of_progress(pool, told, report, name):
    with pytest.raises(ValueError, match="item"):  # noqa: PT012 - either line may raise
        got = getattr(pool, name)(tasks.boom, range(N), progress=report)
        list(got.get() if name in ASYNC else got)
    assert all(done < N for done, _ in told)
    assert run(pool, name, range(N), progress=report) == N


@pytest.mark.parametrize("name", ["map", "imap"])
def test_a_report_that_raises_is_switched_off_with_a_warning(pool, name):
    def report(done, total):
        raise KeyError("report")

    with pytest.warns(RuntimeWarning, match="report"):
        assert run(pool, name, range(N), progress=report) == N


def test_an_endless_source(pool, told, report):
    results = pool.imap(tasks.square, itertools.count(), progress=report)
    for _ in range(N):
        next(results)
    results.close()
    assert told[-1][0] >= 1
    assert told[-1][1] is None


@pytest.mark.parametrize("off", [None, False])
def test_no_progress(pool, off, capfd):
    run(pool, "map", range(N), progress=off)
    run(pool, "imap", range(N), progress=off)
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")


@pytest.mark.parametrize("name", ["map", "map_async", "imap"])
def test_what_is_no_progress_is_refused(pool, name):
    with pytest.raises(TypeError):
        getattr(pool, name)(tasks.square, range(3), progress=17)
    assert pool.map(tasks.square, [3]) == [9]
