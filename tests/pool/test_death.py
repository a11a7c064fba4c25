"""A worker that dies costs the item that it ran, and nothing else."""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import pickle
import random
import signal
import threading

import pytest
import tasks
from support import LIMIT, gone, journal, processes, wait_until

import manyhands

pytestmark = processes

DEATHS = {
    "SIGKILL": (tasks.kill_self, signal.SIGKILL, signal.SIGKILL, None),
    "SIGTERM": (tasks.kill_self, signal.SIGTERM, signal.SIGTERM, None),
    "exit-3": (tasks.exit_hard, 3, None, 3),
    "exit-0": (tasks.exit_hard, 0, None, 0),
    "segfault": (tasks.segfault, None, signal.SIGSEGV, None),
    "null-pointer": (tasks.read_null, None, signal.SIGSEGV, None),
    "abort": (tasks.abort, None, signal.SIGABRT, None),
}
BAD = 7


@pytest.fixture(params=DEATHS)
def death(request):
    return DEATHS[request.param]


def items(death, n=20):
    how, detail, _, _ = death
    return [(x, BAD, how, detail) for x in range(n)]


def check(error, death):
    assert isinstance(error, manyhands.WorkerDied)
    assert (error.signal, error.exitcode) == death[2:]


def test_apply_names_the_cause(pool, death):
    how, detail, _, _ = death
    with pytest.raises(manyhands.WorkerDied) as caught:
        pool.apply(how, (detail,))
    check(caught.value, death)
    assert caught.value.function == how.__name__
    assert pool.apply(tasks.square, (3,)) == 9


def test_map_names_the_item(pool, death):
    with pytest.raises(manyhands.WorkerDied) as caught:
        pool.starmap(tasks.die_on, items(death))
    check(caught.value, death)
    assert caught.value.index == BAD
    assert pool.map(tasks.square, range(10)) == [x * x for x in range(10)]


@pytest.mark.parametrize("chunksize", [None, 1, 5, 20])
@pytest.mark.parametrize("name", ["starmap", "istarmap", "istarmap_unordered"])
def test_all_other_items_complete(pool, name, chunksize):
    death = DEATHS["exit-3"]
    got = list(getattr(pool, name)(tasks.die_on, items(death), chunksize, errors="return"))
    died = [x for x in got if isinstance(x, BaseException)]
    assert [type(x) for x in died] == [manyhands.WorkerDied]
    assert died[0].index == BAD
    values = [x for x in got if not isinstance(x, BaseException)]
    expected = [x for x in range(20) if x != BAD]
    assert (sorted(values) if "unordered" in name else values) == expected
    if "unordered" not in name:
        assert got[BAD] is died[0]


def test_the_error_says_what_a_person_needs(pool):
    with pytest.raises(manyhands.WorkerDied) as caught:
        pool.starmap(tasks.die_on, items(DEATHS["SIGKILL"]))
    error = caught.value
    assert error.function == "die_on"
    assert error.worker in (0, 1)
    assert error.pid not in (None, os.getpid())
    text = str(error)
    for part in ("SIGKILL", "7", "die_on", str(error.pid)):
        assert part in text


def test_the_error_is_what_programs_catch_already(pool):
    for family in (
        concurrent.futures.process.BrokenProcessPool,
        concurrent.futures.BrokenExecutor,
        manyhands.ProcessError,
        RuntimeError,
    ):
        with pytest.raises(family):
            pool.apply(tasks.exit_hard, (1,))


def test_the_error_can_be_pickled(pool):
    with pytest.raises(manyhands.WorkerDied) as caught:
        pool.starmap(tasks.die_on, items(DEATHS["exit-3"]))
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (copy.index, copy.exitcode, copy.pid, str(copy)) == (
        BAD,
        3,
        caught.value.pid,
        str(caught.value),
    )


def test_the_lazy_maps_raise_it_in_its_place(pool):
    results = pool.istarmap(tasks.die_on, items(DEATHS["SIGKILL"]), 1)
    assert [next(results) for _ in range(BAD)] == list(range(BAD))
    with pytest.raises(manyhands.WorkerDied) as caught:
        next(results)
    assert caught.value.index == BAD
    assert list(results) == list(range(BAD + 1, 20))


def test_the_asynchronous_calls_end(pool):
    errors = []
    results = [
        pool.apply_async(tasks.exit_hard, (4,), error_callback=errors.append),
        pool.starmap_async(tasks.die_on, items(DEATHS["exit-3"]), error_callback=errors.append),
    ]
    for result in results:
        with pytest.raises(manyhands.WorkerDied):
            result.get(LIMIT)
        assert not result.successful()
    assert sorted(error.exitcode for error in errors) == [3, 4]


def test_every_item_dies(pool):
    got = pool.map(tasks.exit_hard, range(1, 21), errors="return")
    assert [(type(x), x.index, x.exitcode) for x in got] == [
        (manyhands.WorkerDied, n, n + 1) for n in range(20)
    ]
    assert pool.map(tasks.square, [3]) == [9]


def test_every_item_of_one_chunk_dies(pool):
    got = pool.map(tasks.exit_hard, range(1, 11), 10, errors="return")
    assert [x.exitcode for x in got] == list(range(1, 11))


def test_no_item_runs_twice(pool, tmp_path):
    log = tmp_path / "journal"
    got = pool.starmap(tasks.note_and_die_on, [(log, x, BAD) for x in range(50)], errors="return")
    assert sum(isinstance(x, manyhands.WorkerDied) for x in got) == 1
    assert sorted(map(int, journal(log))) == list(range(50))


def test_the_worker_is_replaced(make_pool, tmp_path):
    pool = make_pool(2)
    (before, after) = (tmp_path / "before", tmp_path / "after")
    before.mkdir()
    after.mkdir()
    old = pool.starmap(tasks.meet_identity, [(before, n, 2) for n in range(2)], 1)
    for _ in range(2):
        with pytest.raises(manyhands.WorkerDied):
            pool.apply(tasks.exit_hard, (1,))
    new = pool.starmap(tasks.meet_identity, [(after, n, 2) for n in range(2)], 1)
    assert {identity for identity, _, _ in new} == {identity for identity, _, _ in old} == {0, 1}
    assert {pid for _, pid, _ in new} != {pid for _, pid, _ in old}


def workers_of(pool, directory, count):
    directory.mkdir()
    places = pool.starmap(tasks.meet, [(directory, n, count) for n in range(count)], 1)
    return {pid for pid, _ in places}


def test_death_of_an_idle_worker_costs_nothing(make_pool, tmp_path):
    pool = make_pool(2)
    for n in range(3):
        for pid in workers_of(pool, tmp_path / str(n), 2):
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda pid=pid: gone(pid), "SIGKILL does not kill")
        assert pool.map(tasks.square, range(20)) == [x * x for x in range(20)]


def test_death_right_after_the_result(pool):
    # The result is published before the worker dies: it must not be lost.
    for _ in range(8):
        pid = pool.apply(tasks.die_after_return)
        # Until it is dead the next item could be given to it, and be lost rightly.
        wait_until(lambda pid=pid: gone(pid), "the worker does not die")


def test_death_while_a_large_result_is_encoded(pool):
    with pytest.raises(manyhands.WorkerDied) as caught:
        pool.map(tasks.dies_when_pickled, [0])
    assert (caught.value.index, caught.value.signal) == (0, signal.SIGKILL)
    assert len(pool.apply(tasks.large, (10_000_000,))) == 10_000_000


@contextlib.contextmanager
def killed_soon(pid, rng):
    """Kill the worker at some moment of the block, or after it."""
    timer = threading.Timer(rng.random() * 0.05, os.kill, (pid, signal.SIGKILL))
    timer.start()
    yield
    timer.join()


def test_death_while_a_large_result_travels(make_pool, tmp_path):
    pool, rng, size = make_pool(1), random.Random(1), 30_000_000
    for n in range(12):
        (pid,) = workers_of(pool, tmp_path / str(n), 1)
        with killed_soon(pid, rng):
            result = pool.apply_async(tasks.large, (size,))
            error = result.exception(LIMIT)
        if error is None:
            assert len(result.get()) == size
        else:
            assert (type(error), error.signal) == (manyhands.WorkerDied, signal.SIGKILL)


def test_death_while_a_large_argument_travels(make_pool, tmp_path):
    pool, rng, argument = make_pool(1), random.Random(2), b"x" * 30_000_000
    for n in range(12):
        (pid,) = workers_of(pool, tmp_path / str(n), 1)
        with killed_soon(pid, rng):
            result = pool.apply_async(len, (argument,))
            error = result.exception(LIMIT)
        if error is None:
            assert result.get() == len(argument)
        else:
            assert (type(error), error.signal) == (manyhands.WorkerDied, signal.SIGKILL)


def test_random_kills_lose_no_item_and_run_none_twice(make_pool, tmp_path):
    pool, rng, log, n = make_pool(2), random.Random(3), tmp_path / "journal", 400
    items = [(log, x) for x in range(n)]
    stop = threading.Event()

    def killer():
        while not stop.wait(rng.random() * 0.03):
            lines = journal(log)
            if lines:
                try:
                    os.kill(int(lines[-1].split()[1].split("/")[0]), signal.SIGKILL)
                except ProcessLookupError:
                    continue

    thread = threading.Thread(target=killer)
    thread.start()
    try:
        got = pool.starmap(tasks.note_place_slowly, items, errors="return")
    finally:
        stop.set()
        thread.join()
    assert len(got) == n
    died = 0
    for index, x in enumerate(got):
        if isinstance(x, manyhands.WorkerDied):
            assert x.index == index
            died += 1
        else:
            assert x == index
    ran = [int(line.split()[0]) for line in journal(log)]
    assert len(ran) == len(set(ran)), "an item has run twice"
    assert died < n
    assert pool.map(tasks.square, range(20)) == [x * x for x in range(20)]


def test_what_a_dead_worker_started_ends_with_it(make_pool, tmp_path):
    pool = make_pool(1)
    path = tmp_path / "child"
    with pytest.raises(manyhands.WorkerDied):
        pool.apply(tasks.start_child_and_die, (path,))
    child = int(path.read_text())
    wait_until(lambda: gone(child), "a grandchild outlives its worker")


def test_what_a_worker_started_ends_with_terminate(make_pool, tmp_path):
    pool = make_pool(1)
    path = tmp_path / "child"
    pool.apply_async(tasks.start_child_and_wait, (path,))
    wait_until(lambda: path.exists() and path.read_text().endswith("\n"), "no child")
    child = int(path.read_text())
    pool.terminate()
    pool.join()
    wait_until(lambda: gone(child), "a grandchild outlives its pool")


def test_exit_in_a_task_is_an_error_of_the_task(pool):
    # sys.exit is an exception, not a death: the worker lives, the parent does not exit.
    for use in (
        lambda: pool.apply(tasks.exit_soft, (3,)),
        lambda: pool.map(tasks.exit_soft, [3]),
        lambda: next(pool.imap(tasks.exit_soft, [3])),
    ):
        with pytest.raises(manyhands.TaskExit, match="SystemExit") as caught:
            use()
        assert isinstance(caught.value.__cause__, SystemExit)
        assert caught.value.__cause__.code == 3
    assert pool.map(tasks.square, [3]) == [9]


@pytest.mark.parametrize(
    "error",
    [KeyboardInterrupt("k"), GeneratorExit("g"), StopIteration("s"), StopAsyncIteration("a")],
    ids=lambda error: type(error).__name__,
)
def test_what_would_steer_the_parent_is_wrapped(pool, error):
    with pytest.raises(manyhands.TaskExit) as caught:
        pool.apply(tasks.raise_it, (error,))
    assert isinstance(caught.value.__cause__, type(error))
    got = pool.map(tasks.raise_it, [error], errors="return")
    assert [type(x) for x in got] == [manyhands.TaskExit]
    with pytest.raises(manyhands.TaskExit):
        list(pool.imap(tasks.raise_it, [error]))


def test_a_killed_worker_while_many_results_wait(pool):
    held = [pool.apply_async(tasks.square, (x,)) for x in range(500)]
    killed = pool.apply_async(tasks.exit_hard, (9,))
    more = [pool.apply_async(tasks.square, (x,)) for x in range(500)]
    assert [r.get(LIMIT) for r in held] == [x * x for x in range(500)]
    assert [r.get(LIMIT) for r in more] == [x * x for x in range(500)]
    assert killed.exception(LIMIT).exitcode == 9
