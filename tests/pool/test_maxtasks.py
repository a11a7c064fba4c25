"""`maxtasksperchild` counts items exactly, and a model is never loaded twice at the same time."""

from __future__ import annotations

import itertools
import os
import time
from pathlib import Path

import pytest
import tasks
from figures import Figures, count, settled
from support import LIMIT, journal, processes

import manyhands

pytestmark = processes


def birth(x):
    """The item, the process that ran it, and when that was born, in ticks of the kernel's clock."""
    stat = Path("/proc/self/stat").read_text()
    return x, os.getpid(), int(stat.rsplit(")", 1)[1].split()[19])


def runs(pids):
    """How many items in a row each process ran."""
    return [len(list(group)) for _, group in itertools.groupby(pids)]


@pytest.mark.parametrize("name", ["map", "map_async", "imap", "apply_async"])
@pytest.mark.parametrize("limit", [1, 3, 4, 7])
def test_each_process_runs_exactly_so_many_items(make_pool, name, limit):
    pool, n = make_pool(1, maxtasksperchild=limit), 20
    if name == "apply_async":
        results = [pool.apply_async(tasks.pid) for _ in range(n)]
        pids = [r.get(LIMIT) for r in results]
    else:
        got = getattr(pool, name)(tasks.pid, range(n))
        pids = got.get(LIMIT) if name == "map_async" else list(got)
    assert runs(pids) == [limit] * (n // limit) + ([n % limit] if n % limit else [])
    assert len(set(pids)) == len(runs(pids))


@pytest.mark.parametrize("chunksize", [1, 2, 4])
def test_items_are_counted_not_chunks(make_pool, chunksize):
    pool = make_pool(1, maxtasksperchild=4)
    assert runs(pool.map(tasks.pid, range(12), chunksize)) == [4, 4, 4]


def test_the_count_goes_on_from_call_to_call(make_pool):
    pool = make_pool(1, maxtasksperchild=3)
    pids = [pool.apply(tasks.pid) for _ in range(4)]
    pids += pool.map(tasks.pid, range(4))
    pids += list(pool.imap(tasks.pid, range(4)))
    assert runs(pids) == [3, 3, 3, 3]


def test_failures_count(make_pool):
    pool = make_pool(1, maxtasksperchild=2)
    first = pool.apply(tasks.pid)
    with pytest.raises(ValueError, match="item 1"):
        pool.apply(tasks.boom, (1,))
    assert pool.apply(tasks.pid) != first


@pytest.mark.deep
@pytest.mark.timeout(3600)
def test_a_hundred_thousand_processes_run_one_item_each(make_pool):
    """Each item once, each by a process of its own; numbers of processes come again."""
    n = count("MANYHANDS_TEST_PROCESSES", 100_000)
    before, begun = Figures.now(), time.monotonic()
    pool = make_pool(16, maxtasksperchild=1)
    seen = list(pool.imap_unordered(birth, range(n)))
    took = time.monotonic() - begun
    assert sorted(x for x, _, _ in seen) == list(range(n))
    assert len({(pid, born) for _, pid, born in seen}) == n
    pool.close()
    pool.join()
    del seen
    print(f"\n{n} items and processes, {took:.0f} s; before: {before}; after: {settled(before)}")


def test_one_item_per_process_with_two_workers(make_pool):
    pool, n = make_pool(2, maxtasksperchild=1), 60
    pids = pool.map(tasks.pid, range(n))
    assert len(set(pids)) == n
    assert pool.map(tasks.square, range(n)) == [x * x for x in range(n)]


def test_no_process_runs_more_than_its_share(make_pool):
    pool, n = make_pool(2, maxtasksperchild=5), 100
    pids = pool.map(tasks.pid, range(n))
    assert max(pids.count(pid) for pid in set(pids)) <= 5


def test_the_initializer_of_a_replacement_runs_after_the_old_worker_has_gone(make_pool, tmp_path):
    pool = make_pool(1, initializer=tasks.alone, initargs=(tmp_path,), maxtasksperchild=2)
    assert len(set(pool.map(tasks.pid, range(20)))) == 10
    assert journal(tmp_path / "overlaps") == []
    assert len(list(tmp_path.glob("pid-*"))) >= 10


def test_ids_survive_replacement(make_pool):
    pool = make_pool(1, maxtasksperchild=1)
    identities = pool.map(tasks.worker_identity, range(5))
    assert {identity for identity, _, _ in identities} == {0}
    assert len({pid for _, pid, _ in identities}) == 5


def test_the_state_of_a_process_goes_with_it(make_pool):
    pool = make_pool(1, maxtasksperchild=3)
    counts = [pool.apply(tasks.count_up) for _ in range(9)]
    assert counts == [1, 2, 3] * 3


def test_deaths_and_replacements_together(make_pool):
    pool = make_pool(2, maxtasksperchild=2)
    items = [(x, 7, tasks.exit_hard, 3) for x in range(30)]
    got = pool.starmap(tasks.die_on, items, errors="return")
    assert isinstance(got[7], manyhands.WorkerDied)
    assert [x for x in got if not isinstance(x, BaseException)] == [x for x in range(30) if x != 7]


def test_large_results_of_a_worker_that_leaves(make_pool):
    pool = make_pool(2, maxtasksperchild=1)
    got = pool.map(tasks.large, [3_000_000] * 8)
    assert [len(x) for x in got] == [3_000_000] * 8


def test_closing_in_the_middle(make_pool):
    pool = make_pool(2, maxtasksperchild=1)
    results = [pool.apply_async(tasks.square, (x,)) for x in range(30)]
    pool.close()
    pool.join()
    assert [r.get(0) for r in results] == [x * x for x in range(30)]


@pytest.mark.parametrize("pools", [10, pytest.param(100, marks=pytest.mark.deep)])
@pytest.mark.parametrize("name", ["map", "imap"])
def test_shares_end_while_items_are_moved_between_workers(kind, name, pools):
    # Moves of several parcels to a worker whose share ended with the first of them.
    for _ in range(pools):
        with kind.make(2, maxtasksperchild=5) as pool:
            for _ in range(3):
                got = list(getattr(pool, name)(tasks.square, range(23)))
                assert got == [x * x for x in range(23)]


@pytest.mark.parametrize("limit", [0, -1])
def test_less_than_one_is_refused(kind, limit):
    with pytest.raises(ValueError, match="maxtasksperchild"):
        kind.make(1, maxtasksperchild=limit)


def test_what_is_no_integer_is_refused(kind):
    with pytest.raises(TypeError, match="maxtasksperchild"):
        kind.make(1, maxtasksperchild="3")
