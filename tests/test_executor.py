"""`manyhands.Executor` is a `concurrent.futures.Executor` with real Futures."""

from __future__ import annotations

import asyncio
import concurrent.futures
import itertools
import os
import pickle
import threading
from concurrent.futures import FIRST_COMPLETED, FIRST_EXCEPTION, Future

import pytest
import tasks
from support import LIMIT, gone, journal, wait_until

import manyhands


@pytest.fixture
def make_executor():
    made = []

    def make(*args, **options):
        executor = manyhands.Executor(*args, **options)
        made.append(executor)
        return executor

    yield make
    for executor in made:
        executor.kill_workers()
        executor.shutdown()


@pytest.fixture
def executor(make_executor):
    return make_executor(2)


def test_it_is_an_executor(executor):
    assert isinstance(executor, concurrent.futures.Executor)


def test_submit_gives_a_real_future(executor):
    future = executor.submit(tasks.keywords, 1, 2, fn=3, self=4)
    assert isinstance(future, Future)
    assert future.result(LIMIT) == ((1, 2), {"fn": 3, "self": 4})
    assert future.done()
    assert not future.running()
    assert not future.cancelled()
    assert future.exception() is None


def test_an_exception_of_the_call(executor):
    future = executor.submit(tasks.own_error, 5)
    assert isinstance(future.exception(LIMIT), tasks.OwnError)
    with pytest.raises(tasks.OwnError):
        future.result()


def test_arguments_that_cannot_be_pickled(executor):
    with pytest.raises(manyhands.PicklingError):
        executor.submit(tasks.identity, threading.Lock()).result(LIMIT)
    assert executor.submit(tasks.square, 3).result(LIMIT) == 9


def test_a_timeout(executor, tmp_path):
    future = executor.submit(tasks.hold, tmp_path / "started", tmp_path / "release")
    with pytest.raises(concurrent.futures.TimeoutError):
        future.result(0.01)
    tasks.await_file(tmp_path / "started")
    wait_until(future.running, "a call that runs is not `running`")
    assert not future.cancel()
    (tmp_path / "release").touch()
    assert future.result(LIMIT) == "held"


def test_cancel_what_has_not_started(make_executor, tmp_path):
    executor = make_executor(1)
    held = executor.submit(tasks.hold, tmp_path / "started", tmp_path / "release")
    tasks.await_file(tmp_path / "started")
    futures = [executor.submit(tasks.note, tmp_path / "journal", x) for x in range(10)]
    assert all(future.cancel() for future in futures)
    assert all(future.cancelled() for future in futures)
    with pytest.raises(concurrent.futures.CancelledError):
        futures[0].result(LIMIT)
    (tmp_path / "release").touch()
    assert held.result(LIMIT) == "held"
    executor.shutdown()
    assert journal(tmp_path / "journal") == []


def test_done_callbacks(executor):
    seen, called = [], threading.Event()
    future = executor.submit(tasks.square, 3)
    future.add_done_callback(lambda f: (seen.append(f.result()), called.set()))
    assert called.wait(LIMIT)
    assert seen == [9]


def test_wait_and_as_completed(executor, tmp_path):
    held = executor.submit(tasks.hold, tmp_path / "started", tmp_path / "release")
    futures = [executor.submit(tasks.square, x) for x in range(20)]
    done, pending = concurrent.futures.wait([held, *futures], LIMIT, FIRST_COMPLETED)
    assert done
    assert held in pending
    done, pending = concurrent.futures.wait(futures, LIMIT)
    assert (len(done), len(pending)) == (20, 0)
    got = [f.result() for f in concurrent.futures.as_completed(futures, LIMIT)]
    assert sorted(got) == [x * x for x in range(20)]
    failed = executor.submit(tasks.boom, 1)
    done, pending = concurrent.futures.wait([held, failed], LIMIT, FIRST_EXCEPTION)
    assert (done, pending) == ({failed}, {held})
    (tmp_path / "release").touch()
    assert concurrent.futures.wait([held], LIMIT).done == {held}


def test_map_is_ordered_and_takes_several_iterables(executor):
    assert list(executor.map(tasks.square, range(100))) == [x * x for x in range(100)]
    assert list(executor.map(tasks.add, [1, 2, 3], [10, 20])) == [11, 22]
    assert list(executor.map(tasks.square, [])) == []
    assert list(executor.map(tasks.square, range(50), chunksize=7)) == [x * x for x in range(50)]


def test_map_raises_in_its_place(executor):
    results = executor.map(tasks.boom_on, range(10), itertools.repeat(4))
    assert [next(results) for _ in range(4)] == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="item 4"):
        next(results)


def test_map_with_a_timeout(executor, tmp_path):
    results = executor.map(tasks.hold, [tmp_path / "s"], [tmp_path / "release"], timeout=0.01)
    with pytest.raises(concurrent.futures.TimeoutError):
        next(results)
    (tmp_path / "release").touch()


@pytest.mark.parametrize("buffersize", [1, 2, 10])
def test_map_with_a_buffersize_reads_no_further(executor, buffersize):
    pulled = []

    def source():
        for x in itertools.count():
            pulled.append(x)
            yield x

    results = executor.map(tasks.square, source(), buffersize=buffersize)
    for received in range(1, 50):
        assert next(results) == (received - 1) ** 2
        assert len(pulled) <= received + buffersize
    results.close()


@pytest.mark.parametrize("buffersize", [0, -1])
def test_a_buffersize_below_one_is_refused(executor, buffersize):
    with pytest.raises(ValueError, match="buffersize"):
        executor.map(tasks.square, range(3), buffersize=buffersize)
    with pytest.raises(TypeError, match="buffersize"):
        executor.map(tasks.square, range(3), buffersize="3")
    with pytest.raises(ValueError, match="chunksize"):
        executor.map(tasks.square, range(3), chunksize=0)


def test_run_in_executor(executor):
    async def main():
        loop = asyncio.get_running_loop()
        calls = [loop.run_in_executor(executor, tasks.square, x) for x in range(20)]
        return await asyncio.gather(*calls)

    assert asyncio.run(main()) == [x * x for x in range(20)]


def test_a_future_can_be_wrapped_for_asyncio(executor):
    async def main():
        return await asyncio.wrap_future(executor.submit(tasks.square, 7))

    assert asyncio.run(main()) == 49


def test_shutdown_waits_and_refuses(make_executor, tmp_path):
    executor = make_executor(2)
    futures = [executor.submit(tasks.note, tmp_path / "journal", x) for x in range(100)]
    executor.shutdown()
    assert all(future.done() for future in futures)
    assert sorted(map(int, journal(tmp_path / "journal"))) == list(range(100))
    with pytest.raises(RuntimeError, match="shutdown"):
        executor.submit(tasks.square, 1)
    with pytest.raises(RuntimeError, match="shutdown"):
        executor.map(tasks.square, [1])
    executor.shutdown()


def test_shutdown_without_waiting(make_executor, tmp_path):
    executor = make_executor(1)
    held = executor.submit(tasks.hold, tmp_path / "started", tmp_path / "release")
    later = executor.submit(tasks.square, 3)
    executor.shutdown(wait=False)
    assert not held.done()
    (tmp_path / "release").touch()
    assert held.result(LIMIT) == "held"
    assert later.result(LIMIT) == 9


def test_shutdown_cancels_what_waits(make_executor, tmp_path):
    executor = make_executor(1)
    held = executor.submit(tasks.hold, tmp_path / "started", tmp_path / "release")
    tasks.await_file(tmp_path / "started")
    waiting = [executor.submit(tasks.note, tmp_path / "journal", x) for x in range(50)]
    executor.shutdown(wait=False, cancel_futures=True)
    (tmp_path / "release").touch()
    assert held.result(LIMIT) == "held"
    concurrent.futures.wait(waiting, LIMIT)
    assert all(future.cancelled() for future in waiting)
    executor.shutdown()
    assert journal(tmp_path / "journal") == []


def test_with_waits(tmp_path):
    with manyhands.Executor(2) as executor:
        futures = [executor.submit(tasks.square, x) for x in range(100)]
    assert [future.result(0) for future in futures] == [x * x for x in range(100)]


@pytest.mark.parametrize("end", ["terminate_workers", "kill_workers"])
def test_ending_the_workers(make_executor, tmp_path, end):
    executor = make_executor(2)
    held = [
        executor.submit(tasks.hold, tmp_path / f"started-{n}", tmp_path / "never") for n in range(2)
    ]
    waiting = executor.submit(tasks.square, 3)
    for n in range(2):
        tasks.await_file(tmp_path / f"started-{n}")
    getattr(executor, end)()
    for future in [*held, waiting]:
        with pytest.raises((concurrent.futures.CancelledError, concurrent.futures.BrokenExecutor)):
            future.result(LIMIT)
    with pytest.raises(RuntimeError):
        executor.submit(tasks.square, 1)
    executor.shutdown()


def test_a_worker_that_dies_does_not_break_the_executor(executor):
    died = executor.submit(tasks.exit_hard, 3)
    others = [executor.submit(tasks.square, x) for x in range(100)]
    error = died.exception(LIMIT)
    assert isinstance(error, manyhands.WorkerDied)
    assert isinstance(error, concurrent.futures.process.BrokenProcessPool)
    assert error.exitcode == 3
    assert [future.result(LIMIT) for future in others] == [x * x for x in range(100)]
    assert executor.submit(tasks.square, 5).result(LIMIT) == 25


def test_a_failing_initializer(make_executor):
    executor = make_executor(1, initializer=tasks.init_boom, initargs=("init",))
    with pytest.raises(manyhands.InitializerError) as caught:
        executor.submit(tasks.square, 1).result(LIMIT)
    assert isinstance(caught.value.__cause__, tasks.OwnError)


def test_an_initializer(make_executor):
    executor = make_executor(2, initializer=tasks.set_state, initargs=("ready",))
    assert set(executor.map(tasks.get_state, range(20))) == {"ready"}


def test_max_tasks_per_child(make_executor):
    executor = make_executor(1, max_tasks_per_child=2)
    pids = [executor.submit(tasks.pid).result(LIMIT) for _ in range(6)]
    assert len(set(pids)) == 3


@pytest.mark.parametrize("max_workers", [0, -1])
def test_fewer_than_one_worker_is_refused(max_workers):
    with pytest.raises(ValueError, match="max_workers"):
        manyhands.Executor(max_workers)


def test_from_many_threads(executor):
    failures = []

    def work(number):
        try:
            for x in range(30):
                assert executor.submit(tasks.add, number, x).result(LIMIT) == number + x
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(n * 1000,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT)
    assert failures == []


def test_many_futures(executor):
    futures = [executor.submit(tasks.square, x) for x in range(3000)]
    assert [future.result(LIMIT) for future in futures] == [x * x for x in range(3000)]


def test_dropped_without_shutdown():
    executor = manyhands.Executor(1)
    future = executor.submit(tasks.pid)
    pid = future.result(LIMIT)
    del executor
    wait_until(lambda: gone(pid), "a dropped executor keeps its worker")


def test_it_runs_in_other_processes(executor):
    assert executor.submit(tasks.pid).result(LIMIT) != os.getpid()


def test_it_cannot_be_pickled(executor):
    with pytest.raises((TypeError, NotImplementedError)):
        pickle.dumps(executor)
