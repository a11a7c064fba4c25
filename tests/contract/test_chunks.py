"""`chunksize`: an integer is obeyed exactly; the default balances."""

from __future__ import annotations

import pytest
import tasks
from support import LIMIT, journal, parallel

METHODS = ["starmap", "starmap_async", "istarmap", "istarmap_unordered"]


def run(pool, name, items, *args, **options):
    got = getattr(pool, name)(tasks.note_place, items, *args, **options)
    return got.get(LIMIT) if name == "starmap_async" else list(got)


@parallel
@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("chunksize", [2, 5, 10, 64])
def test_the_items_of_a_chunk_run_in_one_worker_and_in_sequence(
    make_pool, tmp_path, name, chunksize
):
    pool, log, n = make_pool(3), tmp_path / "journal", 60
    assert sorted(run(pool, name, [(log, x) for x in range(n)], chunksize)) == list(range(n))
    order = {}
    for line in journal(log):
        x, place = line.split()
        order.setdefault(place, []).append(int(x))
    # A worker runs whole chunks: cut its sequence into chunks, each must be consecutive items.
    seen = set()
    for sequence in order.values():
        while sequence:
            first = sequence[0]
            assert first % chunksize == 0
            size = min(chunksize, n - first)
            assert sequence[:size] == list(range(first, first + size))
            seen.update(sequence[:size])
            del sequence[:size]
    assert seen == set(range(n))


@parallel
@pytest.mark.parametrize("name", METHODS)
def test_a_chunk_is_not_broken_up_for_an_idle_worker(make_pool, tmp_path, name):
    # Two workers, one chunk: the second worker must not take items of it.
    pool, log = make_pool(2), tmp_path / "journal"
    run(pool, name, [(log, x) for x in range(40)], 40)
    assert len({line.split()[1] for line in journal(log)}) == 1


@parallel
def test_chunks_of_one_use_every_worker(make_pool, tmp_path):
    pool = make_pool(2)
    places = pool.starmap(tasks.meet, [(tmp_path, n, 2) for n in range(2)], 1)
    assert len(set(places)) == 2


@parallel
@pytest.mark.parametrize("name", ["starmap", "starmap_async", "istarmap"])
def test_the_default_does_not_strand_items_behind_a_long_one(make_pool, tmp_path, name):
    # Item 0 ends only when all others have: nothing may be bound to wait behind it.
    pool, log, n = make_pool(2), tmp_path / "journal", 200
    options = {"buffersize": n} if name == "istarmap" else {}
    items = [(log, x, n) for x in range(n)]
    got = getattr(pool, name)(tasks.zero_waits_for_all, items, **options)
    got = got.get(LIMIT) if name == "starmap_async" else list(got)
    assert got == list(range(n))


@pytest.mark.parametrize("chunksize", [2**32, 10**30])
def test_a_chunk_may_be_larger_than_everything(pool, chunksize):
    wanted = list(range(5))
    assert pool.map(abs, range(5), chunksize) == wanted
    assert pool.map_async(abs, range(5), chunksize).get(LIMIT) == wanted
    assert list(pool.imap(abs, range(5), chunksize)) == wanted
    assert sorted(pool.imap_unordered(abs, iter(range(5)), chunksize)) == wanted


@parallel
def test_the_default_shares_a_skewed_load(make_pool, tmp_path):
    # The last items are the long ones: each of two workers gets some of them.
    pool = make_pool(2)
    items = [(x, 0.05 if x >= 390 else 0) for x in range(400)]
    places = pool.starmap(tasks.sleep_and_place, items)
    assert len(set(places[390:])) == 2
