"""`grow(n)` and `shrink(n)` change how many tasks run at the same time."""

from __future__ import annotations

import pytest
import tasks
from support import LIMIT, gone, parallel, processes, wait_until


@parallel
def test_grow_lets_more_tasks_run_at_once(make_pool, tmp_path):
    pool = make_pool(1)
    assert pool.apply(tasks.square, (2,)) == 4
    pool.grow(2)
    places = pool.starmap(tasks.meet, [(tmp_path, n, 3) for n in range(3)], 1)
    assert len(set(places)) == 3


@parallel
def test_grow_helps_work_that_waits_already(make_pool, tmp_path):
    pool = make_pool(1)
    result = pool.starmap_async(tasks.meet, [(tmp_path, n, 2) for n in range(2)], 1)
    tasks.await_file(tmp_path / "here-0")
    pool.grow(1)
    assert len(set(result.get(LIMIT))) == 2


def test_nothing_is_lost_by_shrinking(make_pool):
    pool = make_pool(3)
    results = [pool.apply_async(tasks.square, (x,)) for x in range(300)]
    pool.shrink(2)
    assert [r.get(LIMIT) for r in results] == [x * x for x in range(300)]
    assert pool.map(tasks.square, range(100)) == [x * x for x in range(100)]


@parallel
def test_after_shrinking_fewer_tasks_run_at_once(make_pool, tmp_path):
    pool = make_pool(2)
    places = pool.starmap(tasks.meet, [(tmp_path, n, 2) for n in range(2)], 1)
    assert len(set(places)) == 2
    pool.shrink(1)
    started = [tmp_path / f"started-{n}" for n in range(2)]
    release = [tmp_path / f"release-{n}" for n in range(2)]
    first, second = (
        pool.apply_async(tasks.hold, pair) for pair in zip(started, release, strict=True)
    )
    wait_until(lambda: any(path.exists() for path in started), "no task starts")
    leader = 0 if started[0].exists() else 1
    assert not started[1 - leader].exists()
    release[leader].touch()
    tasks.await_file(started[1 - leader])
    release[1 - leader].touch()
    assert [first.get(LIMIT), second.get(LIMIT)] == ["held", "held"]


@processes
def test_a_worker_that_is_shrunk_away_ends(make_pool, tmp_path):
    pool = make_pool(3)
    places = pool.starmap(tasks.meet, [(tmp_path, n, 3) for n in range(3)], 1)
    pids = {pid for pid, _ in places}
    pool.shrink(2)
    wait_until(lambda: sum(not gone(pid) for pid in pids) == 1, "two workers should have left")
    assert pool.apply(tasks.pid) in pids


@parallel
@pytest.mark.parametrize("n", [2, 3])
def test_one_worker_must_remain(pool, n):
    with pytest.raises(ValueError):
        pool.shrink(n)
    assert pool.map(tasks.square, [3]) == [9]


@pytest.mark.parametrize("n", [0, -1])
def test_less_than_one_is_refused(pool, n):
    for change in (pool.grow, pool.shrink):
        with pytest.raises(ValueError):
            change(n)
        with pytest.raises(TypeError):
            change("1")


@parallel
def test_up_and_down_over_and_over(make_pool):
    pool = make_pool(1)
    for n in range(1, 5):
        pool.grow(n)
        assert pool.map(tasks.square, range(50)) == [x * x for x in range(50)]
        pool.shrink(n)
        assert pool.map(tasks.square, range(50)) == [x * x for x in range(50)]


@processes
def test_every_worker_has_an_id_of_its_own(make_pool, tmp_path):
    pool = make_pool(2)

    def ids(run, count):
        here = tmp_path / str(run)
        here.mkdir()
        items = [(here, n, count) for n in range(count)]
        return {identity for identity, _, _ in pool.starmap(tasks.meet_identity, items, 1)}

    assert ids(0, 2) == {0, 1}
    pool.grow(1)
    assert ids(1, 3) == {0, 1, 2}
    pool.shrink(2)
    pool.grow(2)
    assert len(ids(2, 3)) == 3
