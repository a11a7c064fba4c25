"""`ThreadPool`: what only threads can do, and that no thread is left."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref

import pytest
import tasks
from support import LIMIT, run_python, wait_until

import manyhands


def own_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("manyhands")]


@pytest.fixture(autouse=True)
def no_thread_is_left():
    before = set(own_threads())
    yield
    gc.collect()
    wait_until(lambda: not set(own_threads()) - before, lambda: f"threads left: {own_threads()}")


def test_the_default_size_is_the_number_of_cores():
    with manyhands.ThreadPool() as pool:
        assert f"{manyhands.cpu_count()} threads" in repr(pool)


def test_what_cannot_be_pickled_is_shared():
    lock = threading.Lock()
    with manyhands.ThreadPool(2) as pool:
        assert pool.apply(tasks.identity, (lock,)) is lock
        assert pool.map(lambda x: (y for y in [x]).__next__(), [1, 2]) == [1, 2]


def test_the_options_of_processes_are_refused():
    for options in ({"maxtasksperchild": 1}, {"context": "fork"}, {"env": {}}):
        with pytest.raises(TypeError):
            manyhands.ThreadPool(1, **options)


@pytest.mark.parametrize("end", ["close", "terminate", "with", "drop"])
def test_no_thread_outlives_its_pool(end):
    pool = manyhands.ThreadPool(3)
    assert pool.map(tasks.square, range(10)) == [x * x for x in range(10)]
    pool.apply_async(tasks.square, (1,), callback=tasks.identity).wait()
    assert len(own_threads()) >= 3
    if end == "with":
        with pool:
            pass
    elif end == "drop":
        del pool
    else:
        getattr(pool, end)()
        pool.join()


def test_a_pool_that_is_dropped_with_work_finishes_it(tmp_path):
    release = tmp_path / "release"
    pool = manyhands.ThreadPool(1)
    results = [pool.apply_async(tasks.hold, (tmp_path / "s", release)) for _ in range(3)]
    del pool
    gc.collect()
    release.touch()
    assert [r.get(LIMIT) for r in results] == ["held"] * 3


def test_terminate_does_not_wait_for_a_thread_that_runs(tmp_path):
    release = tmp_path / "release"
    pool = manyhands.ThreadPool(1)
    result = pool.apply_async(tasks.hold, (tmp_path / "started", release))
    tasks.await_file(tmp_path / "started")
    pool.terminate()
    assert result.cancelled()
    assert not release.exists()
    release.touch()
    pool.join()
    assert result.cancelled()  # what the thread brought in the end came too late


def test_an_exception_in_with_does_not_wait_for_a_thread_that_runs(tmp_path):
    release = tmp_path / "release"
    with pytest.raises(KeyError), manyhands.ThreadPool(1) as pool:  # noqa: PT012 - the block
        pool.apply_async(tasks.hold, (tmp_path / "started", release))
        tasks.await_file(tmp_path / "started")
        raise KeyError
    assert not release.exists()
    release.touch()
    pool.join()


def test_the_pool_cannot_be_joined_by_its_own_thread():
    with manyhands.ThreadPool(1) as pool:

        def end():
            pool.close()
            pool.join()

        with pytest.raises(RuntimeError, match="join"):
            pool.apply_async(end).get(LIMIT)


@pytest.mark.parametrize(
    "error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit(), StopIteration(1)]
)
def test_what_would_steer_the_caller_is_wrapped(error):
    with manyhands.ThreadPool(1) as pool:
        for call in (
            lambda: pool.apply(tasks.raise_it, (error,)),
            lambda: pool.map(tasks.raise_it, [error]),
            lambda: list(pool.imap(tasks.raise_it, [error])),
        ):
            with pytest.raises(manyhands.TaskExit) as caught:
                call()
            assert caught.value.__cause__ is error
        assert pool.apply(tasks.square, (3,)) == 9


def test_a_callback_that_exits_does_not_stop_later_callbacks(capfd):
    with manyhands.ThreadPool(1) as pool:
        first = pool.apply_async(tasks.identity, (3,), callback=tasks.exit_soft)
        assert first.get(LIMIT) == 3
        seen = []
        pool.apply_async(tasks.square, (3,), callback=seen.append).wait(LIMIT)
        assert seen == [9]


def test_an_exception_keeps_nothing_alive():
    class Thing:
        pass

    def fail(thing):
        raise ValueError("with a frame that holds the thing")

    with manyhands.ThreadPool(1) as pool:
        thing = Thing()
        watch = weakref.ref(thing)
        result = pool.apply_async(fail, (thing,))
        assert isinstance(result.exception(LIMIT), ValueError)
        del thing, result
        # By reference counts alone: no cycle through the traceback.
        wait_until(lambda: watch() is None, "a failed call keeps its argument alive")


def test_an_idle_pool_keeps_the_last_item_of_no_map():
    class Thing:
        pass

    things = [Thing() for _ in range(3)]
    watches = [weakref.ref(thing) for thing in things]
    with manyhands.ThreadPool(2) as pool:
        pool.map(id, things)
        list(pool.imap(id, things))
        things.clear()
        wait_until(
            lambda: gc.collect() >= 0 and not any(watch() for watch in watches),
            "an idle pool keeps items alive",
        )


def test_loading_it_loads_little():
    source = (
        "import sys, manyhands._local\n"
        "heavy = {'multiprocessing', 'concurrent', 'asyncio', 'logging', 'socket', 'inspect'}\n"
        "print(sorted(heavy & {name.partition('.')[0] for name in sys.modules}))"
    )
    outcome = run_python(["-c", source])
    assert outcome.out == "[]\n", outcome.err


def test_an_open_pool_does_not_hold_up_the_exit():
    source = (
        "import manyhands, threading\n"
        "pool = manyhands.ThreadPool(2)\n"
        "held = [pool.apply_async(threading.Event().wait) for _ in range(4)]\n"
        "print(pool.map_async(abs, [-1]).ready())"
    )
    outcome = run_python(["-c", source])
    assert (outcome.code, outcome.out, outcome.err) == (0, "False\n", "")


@pytest.mark.parametrize("kind", ["threads", "serial"])
def test_async_for_takes_the_results(kind):
    async def collect(pool):
        return [value async for value in pool.imap(tasks.square, range(5))]

    with manyhands.ThreadPool(2) if kind == "threads" else manyhands.Pool(processes=0) as pool:
        assert asyncio.run(collect(pool)) == [0, 1, 4, 9, 16]
