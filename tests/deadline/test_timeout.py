"""`timeout=`: an item that runs too long fails, alone, however it hangs; all else is done once."""

from __future__ import annotations

import builtins
import concurrent.futures
import functools
import multiprocessing
import os
import pickle
import time
import warnings

import hang_tasks
import pytest
import tasks
from support import LIMIT, gone, holds_once, journal, local, processes, run_script, wait_until

import manyhands

SHORT = 0.5

CALLS = {
    "map": lambda pool, *a, **k: pool.map(*a, **k),
    "map_async": lambda pool, *a, **k: pool.map_async(*a, **k).get(LIMIT),
    "imap": lambda pool, *a, **k: list(pool.imap(*a, **k)),
    "imap_unordered": lambda pool, *a, **k: sorted_results(pool.imap_unordered(*a, **k)),
}
STAR_CALLS = {
    "starmap": lambda pool, *a, **k: pool.starmap(*a, **k),
    "starmap_async": lambda pool, *a, **k: pool.starmap_async(*a, **k).get(LIMIT),
    "istarmap": lambda pool, *a, **k: list(pool.istarmap(*a, **k)),
    "istarmap_unordered": lambda pool, *a, **k: sorted_results(pool.istarmap_unordered(*a, **k)),
}


def sorted_results(results):
    return sorted(results, key=lambda value: (isinstance(value, Exception), repr(value)))


def check_error(error, function, index=None, timeout=SHORT):
    assert type(error) is manyhands.TaskTimeout
    assert error.index == index
    assert error.timeout == timeout
    assert timeout <= error.seconds < timeout + LIMIT
    assert function in error.function
    assert error.worker is not None
    assert error.pid is not None


@processes
@pytest.mark.parametrize("how", hang_tasks.HANGS)
def test_apply_ends_whatever_hangs(pool, how):
    def end(_):
        with pytest.raises(manyhands.TaskTimeout) as caught:
            pool.apply(hang_tasks.HANGS[how], (1,), timeout=SHORT)
        check_error(caught.value, how)
        assert caught.value.killed == (how in ("ignore", "swallow", "library"))
        return caught.value

    error = holds_once(end)
    if not error.killed:
        assert isinstance(error.__cause__, manyhands.TaskExit)
        assert isinstance(error.__cause__.__cause__, KeyboardInterrupt)
    # The stacks show where it hung, also in C with every signal blocked.
    assert f"in {how}" in error.stacks
    assert "hang_tasks.py" in error.stacks
    assert f"in {how}" in str(error)
    assert pool.map(hang_tasks.answer, range(10)) == [hang_tasks.answer(x) for x in range(10)]


@processes
def test_the_stacks_are_those_of_all_threads(pool):
    with pytest.raises(manyhands.TaskTimeout) as caught:
        pool.apply(hang_tasks.threads, (1,), timeout=SHORT)
    assert "in threads" in caught.value.stacks
    assert "in _aside" in caught.value.stacks


@processes
def test_it_is_every_familys_timeout_and_travels(pool):
    result = pool.apply_async(hang_tasks.sleep, (1,), timeout=SHORT)
    for family in (
        builtins.TimeoutError,
        multiprocessing.TimeoutError,
        concurrent.futures.TimeoutError,
        manyhands.TimeoutError,
        manyhands.ProcessError,
    ):
        with pytest.raises(family):
            result.get(LIMIT)
    error = result.exception()
    copy = pickle.loads(pickle.dumps(error))
    assert (copy.timeout, copy.stacks, str(copy)) == (error.timeout, error.stacks, str(error))


@processes
def test_a_wait_that_is_over_is_something_else(pool):
    """`get(timeout)` gives up waiting; the item runs on, until its own time is up."""
    result = pool.apply_async(hang_tasks.sleep, (1,), timeout=SHORT)
    with pytest.raises(manyhands.TimeoutError) as caught:
        result.get(0)
    assert type(caught.value) is manyhands.TimeoutError
    with pytest.raises(manyhands.TaskTimeout):
        result.get(LIMIT)


@processes
@pytest.mark.parametrize("how", ["python", "library"])
@pytest.mark.parametrize("chunksize", [None, 7])
@pytest.mark.parametrize("call", CALLS)
def test_one_item_of_many_fails(pool, tmp_path, call, how, chunksize):
    log = tmp_path / "journal"
    task = functools.partial(hang_tasks.one, how=how, which=11, log=log)
    got = CALLS[call](pool, task, range(60), chunksize, timeout=SHORT, errors="return")
    check_results(got, call, hang="one")
    assert sorted(journal(log), key=int) == [str(x) for x in range(60)]


@processes
@pytest.mark.parametrize("call", STAR_CALLS)
def test_one_item_of_many_with_arguments_fails(pool, call):
    items = [(x, "sleep" if x == 11 else "") for x in range(60)]
    got = STAR_CALLS[call](pool, hang_tasks.star, items, timeout=SHORT, errors="return")
    check_results(got, call, hang="star")


def check_results(got, call, hang):
    expected = [hang_tasks.answer(x) for x in range(60)]
    hung = got[-1] if "unordered" in call else got[11]
    check_error(hung, hang, 11)
    if "unordered" in call:
        assert sorted(value for value in got if value is not hung) == sorted(
            value for x, value in enumerate(expected) if x != 11
        )
    else:
        assert [value for value in got if value is not hung] == [
            value for x, value in enumerate(expected) if x != 11
        ]


@processes
@pytest.mark.parametrize("call", [*CALLS, *STAR_CALLS])
def test_by_default_it_is_raised(pool, call):
    star = "star" in call
    items = [(1, "sleep")] if star else [1]
    task = hang_tasks.star if star else hang_tasks.sleep
    with pytest.raises(manyhands.TaskTimeout):
        {**CALLS, **STAR_CALLS}[call](pool, task, items, timeout=SHORT)


@processes
def test_after_one_failure_imap_goes_on(pool):
    task = functools.partial(hang_tasks.one, how="sleep", which=2)
    results = pool.imap(task, range(5), timeout=SHORT)
    assert [next(results), next(results)] == [1, 4]
    with pytest.raises(manyhands.TaskTimeout, match="item 2"):
        next(results)
    assert list(results) == [10, 13]


@processes
def test_it_counts_from_the_start_of_the_item(make_pool, tmp_path):
    """What waits behind a long item, without a limit or with one, is not counted."""
    pool = make_pool(1)
    started, release = tmp_path / "started", tmp_path / "release"
    first = pool.apply_async(hang_tasks.hold, (started, release))
    tasks.await_file(started)
    behind = [pool.apply_async(hang_tasks.answer, (x,), timeout=SHORT) for x in range(20)]
    time.sleep(2 * SHORT)
    release.touch()
    assert first.get(LIMIT) == "held"
    assert [result.get(LIMIT) for result in behind] == [3 * x + 1 for x in range(20)]


@processes
def test_a_hang_behind_a_long_item_without_a_limit(make_pool, tmp_path):
    pool = make_pool(1)
    started, release = tmp_path / "started", tmp_path / "release"
    first = pool.apply_async(hang_tasks.hold, (started, release))
    tasks.await_file(started)
    hung = pool.apply_async(hang_tasks.sleep, (1,), timeout=SHORT)
    time.sleep(2 * SHORT)
    release.touch()
    assert first.get(LIMIT) == "held"
    with pytest.raises(manyhands.TaskTimeout):
        hung.get(LIMIT)


@processes
def test_a_short_limit_behind_a_long_one(make_pool, tmp_path):
    pool = make_pool(1)
    started, release = tmp_path / "started", tmp_path / "release"
    first = pool.apply_async(hang_tasks.hold, (started, release), timeout=3600)
    tasks.await_file(started)
    hung = pool.apply_async(hang_tasks.sleep, (1,), timeout=SHORT)
    release.touch()
    assert first.get(LIMIT) == "held"
    with pytest.raises(manyhands.TaskTimeout):
        hung.get(LIMIT)


@processes
def test_a_short_limit_in_a_stream_of_long_ones(make_pool):
    pool = make_pool(1)
    for _ in range(50):
        assert pool.apply(hang_tasks.answer, (1,), timeout=3600) == 4
    with pytest.raises(manyhands.TaskTimeout):
        pool.apply(hang_tasks.sleep, (1,), timeout=SHORT)
    for _ in range(50):
        assert pool.apply(hang_tasks.answer, (1,), timeout=SHORT) == 4
    with pytest.raises(manyhands.TaskTimeout):
        pool.apply(hang_tasks.ignore, (1,), timeout=SHORT)


@processes
def test_what_waits_behind_a_hang_is_done_by_others(make_pool, tmp_path):
    """Both workers hang, with short items behind them; each of those runs once."""
    pool = make_pool(2)
    log = tmp_path / "journal"
    hung = [pool.apply_async(hang_tasks.library, (1,), timeout=SHORT) for _ in range(2)]
    behind = [pool.apply_async(tasks.note, (log, x)) for x in range(100)]
    assert [result.get(LIMIT) for result in behind] == list(range(100))
    for result in hung:
        with pytest.raises(manyhands.TaskTimeout):
            result.get(LIMIT)
    assert sorted(journal(log), key=int) == [str(x) for x in range(100)]


@processes
def test_the_task_can_clean_up(pool, tmp_path):
    def clean_up(turn):
        log = tmp_path / str(turn)
        with pytest.raises(manyhands.TaskTimeout) as caught:
            pool.apply(hang_tasks.clean_up, (log,), timeout=SHORT)
        assert not caught.value.killed
        pid = caught.value.pid
        assert journal(log) == [f"began {pid}", f"cleaned {pid}"]
        return pid

    pid = holds_once(clean_up)
    # It works on: with two tasks that take a while each worker gets one.
    assert pid in pool.map(hang_tasks.pid_after, [0.5, 0.5], 1)


@processes
def test_a_value_that_comes_too_late_does_not_count(pool):
    def come_late(_):
        with pytest.raises(manyhands.TaskTimeout) as caught:
            pool.apply(hang_tasks.late, (1,), timeout=SHORT)
        assert not caught.value.killed

    holds_once(come_late)


@processes
def test_a_worker_that_dies_beyond_the_deadline_is_a_timeout(pool):
    result = pool.apply_async(hang_tasks.ignore, (1,), timeout=SHORT)
    error = result.exception(LIMIT)
    check_error(error, "ignore")
    wait_until(lambda: gone(error.pid), "the worker was not ended")


@processes
def test_a_worker_that_dies_before_is_a_death(pool):
    with pytest.raises(manyhands.WorkerDied):
        pool.apply(os._exit, (3,), timeout=LIMIT)


@processes
def test_its_children_end_with_it(pool, tmp_path):
    path = tmp_path / "child"
    with pytest.raises(manyhands.TaskTimeout):
        pool.apply(hang_tasks.parent, (path,), timeout=SHORT)
    child = int(path.read_text())
    wait_until(lambda: gone(child), "the child of an ended worker is left")


@pytest.mark.parametrize("method", ["template", "fork", "spawn", "forkserver"])
def test_every_start_method(tmp_path, method):
    outcome = run_script(
        tmp_path,
        f"""
        import hang_tasks
        import manyhands as mp

        if __name__ == "__main__":
            with mp.Pool(2, context={method!r}) as pool:
                got = pool.map(hang_tasks.mixed, range(100), timeout=1, errors="return")
                for x, value in enumerate(got):
                    if x in (7, 37, 67):
                        assert type(value) is mp.TaskTimeout, repr(value)
                        assert value.index == x
                        assert "in mixed" in value.stacks, value.stacks
                    else:
                        assert value == hang_tasks.answer(x), repr(value)
                running = pool.apply_async(hang_tasks.library, (1,))
                while not running.running():
                    pass
                assert running.cancel()
                print(pool.apply(hang_tasks.answer, (1,)))
        """,
    )
    assert outcome.lines == ["4"], outcome.err
    assert outcome.err == ""


@processes
def test_maxtasksperchild_and_a_limit(make_pool):
    pool = make_pool(2, maxtasksperchild=3)
    got = pool.map(hang_tasks.mixed, range(100), timeout=SHORT, errors="return")
    assert [x for x, value in enumerate(got) if value != hang_tasks.answer(x)] == [7, 37, 67]


@processes
@pytest.mark.parametrize("limit", [None, float("inf"), 1e300, 10**9])
def test_no_limit(pool, limit):
    assert pool.map(hang_tasks.answer, range(5), timeout=limit) == [1, 4, 7, 10, 13]
    assert pool.apply(hang_tasks.answer, (1,), timeout=limit) == 4


@pytest.mark.parametrize("limit", [0, -1, float("nan"), "soon", [], -0.0])
def test_a_limit_that_means_nothing(pool, limit):
    for call in (pool.map, pool.imap, pool.map_async, pool.imap_unordered):
        with pytest.raises((ValueError, TypeError), match="timeout"):
            call(hang_tasks.answer, [1], timeout=limit)
    with pytest.raises((ValueError, TypeError), match="timeout"):
        pool.apply(hang_tasks.answer, (1,), timeout=limit)


@processes
def test_a_very_short_limit(pool):
    """Each item either comes in time or fails, and the pool works on."""
    for _ in range(3):
        got = pool.map(hang_tasks.answer, range(50), timeout=1e-7, errors="return")
        for x, value in enumerate(got):
            assert value == hang_tasks.answer(x) or isinstance(value, manyhands.TaskTimeout)
    assert pool.map(hang_tasks.answer, range(50)) == [hang_tasks.answer(x) for x in range(50)]


@processes
def test_the_end_of_the_pool_while_items_are_overdue(make_pool):
    pool = make_pool(2)
    results = [pool.apply_async(hang_tasks.library, (1,), timeout=SHORT) for _ in range(6)]
    with pool:
        pass
    for result in results:
        assert isinstance(result.exception(LIMIT), manyhands.TaskTimeout)


@processes
def test_terminate_while_items_are_overdue(make_pool):
    pool = make_pool(2)
    results = [pool.apply_async(hang_tasks.library, (1,), timeout=0.05) for _ in range(6)]
    results[0].wait(0.2)
    pool.terminate()
    pool.join()
    for result in results:
        with pytest.raises((manyhands.TaskTimeout, manyhands.CancelledError)):
            result.get(LIMIT)


def test_futures_with_bounds():
    with manyhands.Executor(2) as executor:
        bounded = executor.options(timeout=SHORT)
        hung = bounded.submit(hang_tasks.library, 1)
        keywords = bounded.submit(hang_tasks.star, 1, how="sleep")
        fine = bounded.submit(hang_tasks.answer, 1)
        assert fine.result(LIMIT) == 4
        for future in (hung, keywords):
            with pytest.raises(manyhands.TaskTimeout):
                future.result(LIMIT)
        results = bounded.map(functools.partial(hang_tasks.one, how="sleep", which=2), range(4))
        assert [next(results), next(results)] == [1, 4]
        with pytest.raises(manyhands.TaskTimeout):
            next(results)
        assert next(results) == 10
        assert executor.submit(hang_tasks.answer, 2).result(LIMIT) == 7
    with pytest.raises(RuntimeError):
        bounded.submit(hang_tasks.answer, 1)


@local
def test_only_processes_can_be_ended(kind, make_pool):
    pool = make_pool()
    if kind.name == "thread":
        for call in (pool.map, pool.map_async, pool.imap, pool.imap_unordered):
            with pytest.raises(ValueError, match="a thread cannot be ended"):
                call(hang_tasks.answer, [1], timeout=1)
        with pytest.raises(ValueError, match="a thread cannot be ended"):
            pool.apply(hang_tasks.answer, (1,), timeout=1)
        return
    with pytest.warns(RuntimeWarning, match="not enforced"):
        assert pool.map(hang_tasks.answer, [1], timeout=1) == [4]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert pool.map(hang_tasks.answer, [1], timeout=None) == [4]
