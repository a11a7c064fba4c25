"""`seed=`: the numbers that an item draws depend on the seed and its index, and on nothing else."""

from __future__ import annotations

import functools
import random
import threading
from multiprocessing import resource_tracker

import numpy as np
import pytest
import seed_tasks

import manyhands
from manyhands._imports import when_imported

ITEMS = 40


@pytest.fixture(scope="module", autouse=True)
def tracker():
    """What `spawn` starts for the whole process is there before a test looks at what is left."""
    resource_tracker.ensure_running()


@pytest.fixture(scope="module")
def expected():
    """What one worker draws in batches of one."""
    with manyhands.Pool(1) as pool:
        return pool.map(seed_tasks.draw, range(ITEMS), 1, seed=7)


def test_all_numbers_differ(expected):
    for column in zip(*expected, strict=True):
        assert len(set(column)) == ITEMS
    assert all(0 <= row[4] < 2**63 for row in expected)


@pytest.mark.parametrize("method", ["template", "fork", "spawn"])
@pytest.mark.parametrize("chunksize", [1, 7, None])
def test_the_same_for_any_workers_and_batches(expected, method, chunksize):
    with manyhands.Pool(3, context=method) as pool:
        assert pool.map(seed_tasks.draw, range(ITEMS), chunksize, seed=7) == expected


@pytest.mark.parametrize("call", ["imap", "imap_unordered", "map_async"])
def test_the_same_for_every_call(expected, call):
    with manyhands.Pool(2) as pool:
        results = getattr(pool, call)(seed_tasks.draw, iter(range(ITEMS)), seed=7)
        got = results.get() if call == "map_async" else list(results)
    assert sorted(got) == expected


def test_the_same_in_the_caller_whose_own_state_stays(expected):
    random.seed(1)
    np.random.seed(1)
    with manyhands.Pool(processes=0) as pool:
        assert pool.map(seed_tasks.draw, range(ITEMS), seed=7) == expected
        assert list(pool.imap(seed_tasks.draw, range(ITEMS), seed=7)) == expected
    mine = random.random(), np.random.random()
    random.seed(1)
    np.random.seed(1)
    assert mine == (random.random(), np.random.random())


def test_threads_have_the_items_own_generators(expected):
    own = [(row[0], row[3], row[4]) for row in expected]
    with manyhands.ThreadPool(3) as pool:
        assert pool.map(seed_tasks.draw_own, range(ITEMS), seed=7) == own
        assert list(pool.imap(seed_tasks.draw_own, iter(range(ITEMS)), 3, seed=7)) == own


def test_an_executor_has_it_too(expected):
    with manyhands.Executor(2) as executor:
        assert list(executor.map(seed_tasks.draw, range(ITEMS), seed=7)) == expected


def test_an_item_that_is_run_again_draws_the_same(expected, tmp_path):
    task = functools.partial(seed_tasks.draw_or_die, str(tmp_path))
    with manyhands.Pool(3) as pool:
        first = pool.map(task, range(ITEMS), 4, seed=7, errors="return")
        assert any(isinstance(row, manyhands.WorkerDied) for row in first)
        assert pool.map(task, range(ITEMS), seed=7) == expected
    whole = [row for row in first if not isinstance(row, Exception)]
    assert set(whole) <= set(expected)


def test_a_retry_draws_the_same(expected, tmp_path):
    task = functools.partial(seed_tasks.draw_or_die, str(tmp_path))
    with manyhands.Pool(3) as pool:
        again = {"retries": 1, "retry_on": manyhands.WorkerDied}
        assert pool.map(task, range(ITEMS), seed=7, **again) == expected


def test_another_seed_gives_other_numbers(make_pool):
    pool = make_pool()
    seeds = [0, 1, -1, 2**80, "1", b"1", ""]
    drawn = [pool.map(seed_tasks.draw_own, range(3), seed=seed) for seed in seeds]
    assert len({tuple(rows) for rows in drawn}) == len(seeds)
    assert pool.map(seed_tasks.draw_own, range(3), seed=np.int64(1)) == drawn[1]


def test_starmap_and_its_relatives(make_pool, kind):
    pairs = [(x, 1) for x in range(6)]
    pool = make_pool()
    sums = [x + 1 for x in range(6)]
    drawn = [
        pool.starmap(seed_tasks.draw_two, pairs, seed="a"),
        pool.starmap_async(seed_tasks.draw_two, pairs, seed="a").get(),
        list(pool.istarmap(seed_tasks.draw_two, iter(pairs), seed="a")),
        sorted(pool.istarmap_unordered(seed_tasks.draw_two, pairs, seed="a")),
    ]
    assert all([row[0] for row in rows] == sums for rows in drawn)
    if kind.name != "thread":
        assert drawn.count(drawn[0]) == len(drawn)


def test_a_pools_seed_gives_each_call_its_own(make_pool):
    def calls(pool):
        return [
            pool.map(seed_tasks.draw_own, range(3)),
            pool.map(seed_tasks.draw_own, range(3)),
            pool.apply(seed_tasks.draw_own, (0,)),
            pool.apply(seed_tasks.draw_own, kwds={"x": 0}),
            list(pool.imap(seed_tasks.draw_own, iter(range(3)))),
        ]

    first, second = calls(make_pool(2, seed=3)), calls(make_pool(1, seed=3))
    assert first == second
    assert len({str(drawn) for drawn in first}) == len(first)
    assert make_pool(2, seed=3).map(seed_tasks.draw_own, range(3), seed=9) == make_pool().map(
        seed_tasks.draw_own, range(3), seed=9
    )


@pytest.mark.parametrize("seed", [1.5, [1], object()])
def test_a_seed_that_means_nothing(make_pool, seed):
    with pytest.raises(TypeError, match="seed must be an integer, text or bytes"):
        make_pool(1, seed=seed)
    with pytest.raises(ValueError, match="seed must be an integer, text or bytes"):
        make_pool(1).map(abs, [1], seed=seed)


# Without a seed


@pytest.mark.parametrize("method", ["template", "fork", "spawn"])
def test_workers_do_not_share_a_state(method):
    random.seed(5)
    np.random.seed(5)
    parents = {random.random(), float(np.random.random())}
    random.seed(5)
    np.random.seed(5)
    barrier = 30
    with manyhands.Pool(3, context=method, preload=["random", "numpy", "seed_tasks"]) as pool:
        rows = pool.map(seed_tasks.state, range(barrier), 1)
        rows += pool.map(seed_tasks.state, range(barrier), 1)
    numbers = [number for row in rows for number in row[1:]]
    assert len(set(numbers)) == 6 * barrier
    assert not parents & set(numbers)


def test_after_a_call_with_a_seed_a_worker_is_unforeseeable():
    def run():
        with manyhands.Pool(1) as pool:
            seeded = pool.map(seed_tasks.draw_twice, range(3), seed=1)
            return seeded, pool.map(seed_tasks.state, [0])[0][1:]

    (one, free), (two, other) = run(), run()
    assert one == two
    assert not set(free) & set(other)
    assert not {number for row in one for number in row} & set(free)


def test_a_pool_within_an_item_has_no_stream():
    with manyhands.Pool(1) as pool:
        inner = pool.map(_draw_in_a_fork, [0, 0], seed=1)
    assert inner[0] != inner[1]


def _draw_in_a_fork(_x):
    with manyhands.Pool(1, context="fork") as pool:
        return pool.map(seed_tasks.state, [0])[0][1:]


def test_the_parent_draws_what_nobody_foresees():
    assert manyhands.rng() is manyhands.rng()
    assert manyhands.item_seed() != manyhands.item_seed()


# Modules that are awaited


def test_a_module_is_awaited_once(tmp_path, monkeypatch):
    (tmp_path / "awaited_module.py").write_text("value = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    seen = []
    when_imported("awaited_module", seen.append)
    import awaited_module

    assert seen == [awaited_module]
    assert type(awaited_module.__spec__.loader).__name__ == "SourceFileLoader"
    assert awaited_module.__loader__ is awaited_module.__spec__.loader
    when_imported("awaited_module", seen.append)
    assert seen == [awaited_module] * 2


def test_a_module_that_cannot_be_imported_is_awaited_further(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    seen = []
    when_imported("late_module", seen.append)
    with pytest.raises(ImportError):
        import late_module
    (tmp_path / "late_module.py").write_text("import threading\n")
    import late_module

    assert seen == [late_module]
    assert late_module.threading is threading
