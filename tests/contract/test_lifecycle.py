"""close, terminate, join and `with`: what each waits for, and what a pool refuses after it."""

from __future__ import annotations

import concurrent.futures
import itertools
import os
import threading

import pytest
import tasks
from support import LIMIT, journal, local, parallel, processes, wait_until

METHODS = [
    ("apply", (tasks.square, (1,))),
    ("apply_async", (tasks.square, (1,))),
    ("map", (tasks.square, [1])),
    ("map_async", (tasks.square, [1])),
    ("starmap", (tasks.add, [(1, 2)])),
    ("starmap_async", (tasks.add, [(1, 2)])),
    ("imap", (tasks.square, [1])),
    ("imap_unordered", (tasks.square, [1])),
    ("istarmap", (tasks.add, [(1, 2)])),
    ("istarmap_unordered", (tasks.add, [(1, 2)])),
    ("grow", (1,)),
    ("shrink", (1,)),
    ("__enter__", ()),
]


@pytest.mark.parametrize(("name", "args"), METHODS, ids=lambda value: str(value)[:20])
@pytest.mark.parametrize("end", ["close", "terminate"])
def test_a_pool_that_was_ended_refuses_every_call(pool, name, args, end):
    getattr(pool, end)()
    with pytest.raises(ValueError, match=r"closed|terminated"):
        getattr(pool, name)(*args)
    pool.join()
    with pytest.raises(ValueError, match=r"closed|terminated"):
        getattr(pool, name)(*args)


def test_join_before_close_is_refused(pool):
    with pytest.raises(ValueError, match="still"):
        pool.join()
    assert pool.map(tasks.square, [2]) == [4]


def test_every_end_can_be_repeated(make_pool):
    pool = make_pool()
    assert pool.map(tasks.square, [2]) == [4]
    for _ in range(2):
        pool.close()
    for _ in range(2):
        pool.join()
    for _ in range(2):
        pool.terminate()
        pool.join()
    pool.close()
    pool.join()


def test_a_pool_that_was_never_used_ends(make_pool):
    pool = make_pool()
    pool.close()
    pool.join()
    with make_pool():
        pass
    make_pool().terminate()


@pytest.mark.parametrize("processes", [0, -1, -100])
def test_a_pool_of_fewer_than_one_is_refused(kind, processes):
    if kind.name == "serial" or (kind.name == "process" and processes == 0):
        processes = -1  # 0 is the serial pool
    with pytest.raises(ValueError, match="processes"):
        kind.__class__("process" if kind.name == "serial" else kind.name).make(processes)


@pytest.mark.parametrize("processes", ["2", 1.5])
@parallel
def test_a_size_that_is_no_integer_is_refused(kind, processes):
    with pytest.raises(TypeError):
        kind.make(processes)


def test_close_finishes_what_was_submitted(pool, tmp_path):
    log = tmp_path / "journal"
    results = [pool.apply_async(tasks.note, (log, x)) for x in range(300)]
    mapped = pool.starmap_async(tasks.note, [(log, x) for x in range(300, 500)])
    pool.close()
    pool.join()
    assert sorted(map(int, journal(log))) == list(range(500))
    assert [r.get(0) for r in results] == list(range(300))
    assert mapped.get(0) == list(range(300, 500))


def test_the_end_of_with_waits_for_what_was_submitted(make_pool, tmp_path):
    log = tmp_path / "journal"
    with make_pool() as pool:
        results = [pool.apply_async(tasks.note, (log, x)) for x in range(300)]
    assert sorted(map(int, journal(log))) == list(range(300))
    assert all(r.ready() for r in results)
    with pytest.raises(ValueError, match=r"closed|terminated"):
        pool.map(tasks.square, [1])


@parallel
def test_the_end_of_with_waits_for_a_task_that_runs(make_pool, tmp_path):
    started, release, ended = (tmp_path / name for name in ("started", "release", "ended"))

    def block():
        with make_pool() as pool:
            pool.apply_async(tasks.hold, (started, release))
            tasks.await_file(started)
        ended.touch()

    thread = threading.Thread(target=block)
    thread.start()
    tasks.await_file(started)
    thread.join(0.1)
    assert not ended.exists()
    release.touch()
    thread.join(LIMIT)
    assert ended.exists()


@parallel
def test_an_exception_in_with_drops_what_has_not_started(make_pool, tmp_path):
    started, release, log = (tmp_path / name for name in ("started", "release", "journal"))
    with pytest.raises(KeyError, match="mine"), make_pool(1) as pool:  # noqa: PT012 - the block
        held = pool.apply_async(tasks.hold, (started, release))
        others = [pool.apply_async(tasks.note, (log, x)) for x in range(100)]
        tasks.await_file(started)
        raise KeyError("mine")
    release.touch()
    for result in [held, *others]:
        with pytest.raises(concurrent.futures.CancelledError):
            result.get(LIMIT)
    pool.join()
    assert not log.exists()


@parallel
def test_exit_terminate_is_multiprocessings_way(make_pool, tmp_path):
    started, release, log = (tmp_path / name for name in ("started", "release", "journal"))
    with make_pool(1, exit="terminate") as pool:
        held = pool.apply_async(tasks.hold, (started, release))
        others = [pool.apply_async(tasks.note, (log, x)) for x in range(100)]
        tasks.await_file(started)
    release.touch()
    for result in [held, *others]:
        with pytest.raises(concurrent.futures.CancelledError):
            result.get(LIMIT)
    pool.join()
    assert not log.exists()


@pytest.mark.parametrize("word", ["kill", "", None])
def test_exit_takes_two_words(kind, word):
    with pytest.raises(ValueError, match="exit"):
        kind.make(1, exit=word)


@parallel
def test_terminate_ends_every_result(make_pool, tmp_path):
    pool = make_pool(1)
    started, release = tmp_path / "started", tmp_path / "release"
    done = pool.apply_async(tasks.square, (3,))
    assert done.get(LIMIT) == 9
    held = pool.apply_async(tasks.hold, (started, release))
    waiting = pool.apply_async(tasks.square, (4,))
    mapped = pool.map_async(tasks.square, range(1000))
    tasks.await_file(started)
    pool.terminate()
    release.touch()
    assert done.get(0) == 9
    for result in (held, waiting, mapped):
        with pytest.raises(concurrent.futures.CancelledError):
            result.get(LIMIT)
        assert result.cancelled()
        assert result.done()


@parallel
def test_terminate_wakes_a_thread_in_map(make_pool, tmp_path):
    pool = make_pool(1)
    started, release = tmp_path / "started", tmp_path / "release"
    raised = []

    def work():
        try:
            pool.starmap(tasks.hold, [(started, release)] * 3)
        except BaseException as error:
            raised.append(type(error))

    thread = threading.Thread(target=work)
    thread.start()
    tasks.await_file(started)
    pool.terminate()
    thread.join(LIMIT)
    release.touch()
    assert not thread.is_alive()
    assert raised == [concurrent.futures.CancelledError]


@processes
def test_terminate_ends_the_workers(make_pool, tmp_path):
    pool = make_pool(2)
    for n in range(2):
        pool.apply_async(tasks.hold, (tmp_path / f"started-{n}", tmp_path / "never"))
    for n in range(2):
        tasks.await_file(tmp_path / f"started-{n}")
    pool.terminate()
    pool.join()  # returns although nobody made the file that the tasks wait for


@local
def test_threads_and_the_caller_share_memory(pool):
    box = []
    assert pool.map(box.append, [1]) == [None]
    assert box == [1]


@processes
def test_tasks_run_in_other_processes(make_pool, tmp_path):
    pool = make_pool(2)
    places = pool.starmap(tasks.meet, [(tmp_path, n, 2) for n in range(2)], 1)
    pids = {pid for pid, _ in places}
    assert len(pids) == 2
    assert os.getpid() not in pids


def test_the_same_pool_can_be_used_over_and_over(pool):
    for n in range(50):
        assert pool.map(tasks.square, range(n)) == [x * x for x in range(n)]
        assert pool.apply(tasks.add, (n, 1)) == n + 1


def test_pools_side_by_side(make_pool):
    pools = [make_pool(1) for _ in range(3)]
    results = [pool.map_async(tasks.square, range(100)) for pool in pools]
    assert [r.get() for r in results] == [[x * x for x in range(100)]] * 3
    pools[0].terminate()
    assert pools[1].map(tasks.square, [3]) == [9]


def test_many_pools_one_after_the_other(kind):
    for n in range(10):
        with kind.make(2) as pool:
            assert pool.apply(tasks.square, (n,)) == n * n


def test_a_dropped_pool_still_serves_its_results(kind):
    pool = kind.make(2)
    result = pool.apply_async(tasks.square, (3,))
    results = pool.imap(tasks.square, (x for x in range(200)), buffersize=2)
    del pool
    assert list(results) == [x * x for x in range(200)]
    assert result.get(LIMIT) == 9


def test_repr_tells_the_state(pool):
    assert "open" in repr(pool)
    pool.close()
    assert "closed" in repr(pool)


@parallel
def test_close_from_another_thread(pool, tmp_path):
    started, release = tmp_path / "started", tmp_path / "release"
    held = pool.apply_async(tasks.hold, (started, release))
    tasks.await_file(started)
    joined = threading.Event()

    def end():
        pool.close()
        pool.join()
        joined.set()

    thread = threading.Thread(target=end)
    thread.start()
    wait_until(lambda: "closed" in repr(pool), "close has no effect")
    assert not joined.is_set()
    release.touch()
    assert held.get(LIMIT) == "held"
    assert joined.wait(LIMIT)
    thread.join()


def test_with_inside_a_generator_that_is_given_up(make_pool):
    def squares():
        with make_pool() as pool:
            yield from pool.imap(tasks.square, itertools.count())

    numbers = squares()
    assert [next(numbers) for _ in range(3)] == [0, 1, 4]
    numbers.close()


def test_join_after_an_iterator_was_consumed_in_a_closed_pool(make_pool):
    pool = make_pool()
    results = pool.imap(tasks.square, iter(range(50)), buffersize=3)
    pool.close()
    assert list(results) == [x * x for x in range(50)]
    pool.join()
