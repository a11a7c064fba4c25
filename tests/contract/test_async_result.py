"""AsyncResult: the names of multiprocessing's and of concurrent.futures', and `await`."""

from __future__ import annotations

import builtins
import concurrent.futures
import multiprocessing
import threading
import time

import pytest
import tasks
from support import LIMIT, parallel, wait_until

import manyhands


@pytest.fixture
def gate(tmp_path):
    """Paths for `tasks.hold`: the task's sign that it runs, and the leave to end."""
    yield tmp_path / "started", tmp_path / "release"
    (tmp_path / "release").touch()


def test_a_ready_result(pool):
    result = pool.apply_async(tasks.square, (4,))
    result.wait()
    assert result.ready()
    assert result.done()
    assert result.successful()
    assert not result.running()
    assert not result.cancelled()
    assert not result.cancel()
    assert result.get() == result.result() == 16
    assert result.get(0) == result.result(timeout=0) == 16
    assert result.exception() is None


def test_a_failed_result(pool):
    result = pool.apply_async(tasks.boom, (4,))
    result.wait()
    assert result.ready()
    assert result.done()
    assert not result.successful()
    assert not result.cancelled()
    assert isinstance(result.exception(), ValueError)
    for ask in (result.get, result.result):
        with pytest.raises(ValueError, match="item 4"):
            ask()


def test_get_can_be_asked_again(pool):
    result = pool.apply_async(tasks.identity, ([1],))
    assert result.get() == [1]
    assert result.get() == [1]


@parallel
def test_a_result_that_is_not_ready(pool, gate):
    started, release = gate
    result = pool.apply_async(tasks.hold, gate)
    tasks.await_file(started)
    assert not result.ready()
    assert not result.done()
    assert result.wait(0.01) is None
    with pytest.raises(ValueError):
        result.successful()
    wait_until(result.running, "a task that runs is not `running`")
    assert not result.cancel(running=False)
    release.touch()
    assert result.get(LIMIT) == "held"


@parallel
@pytest.mark.parametrize("timeout", [float("inf"), 1e300, 2.0**63])
def test_a_timeout_may_be_without_end(pool, timeout):
    result = pool.apply_async(abs, (-3,))
    assert (result.get(timeout), result.result(timeout), result.exception(timeout)) == (3, 3, None)
    result.wait(timeout)
    assert pool.imap(abs, [-4]).next(timeout) == 4


@parallel
@pytest.mark.parametrize("timeout", [0, 0.01, -1])
def test_a_timeout_gives_up_waiting_only(pool, gate, timeout):
    result = pool.apply_async(tasks.hold, gate)
    for ask in (result.get, result.result, result.exception):
        with pytest.raises(manyhands.TimeoutError):
            ask(timeout)
    gate[1].touch()
    assert result.get(LIMIT) == "held"


@parallel
def test_the_timeout_is_every_familys_timeout(pool, gate):
    result = pool.apply_async(tasks.hold, gate)
    for family in (
        builtins.TimeoutError,
        multiprocessing.TimeoutError,
        concurrent.futures.TimeoutError,
        TimeoutError,
    ):
        with pytest.raises(family):
            result.get(timeout=0.001)


@parallel
def test_what_has_not_started_can_be_cancelled(make_pool, gate, tmp_path):
    pool = make_pool(1)
    first = pool.apply_async(tasks.hold, gate)
    tasks.await_file(gate[0])
    log = tmp_path / "journal"
    second = pool.apply_async(tasks.note, (log, "second"))
    third = pool.apply_async(tasks.note, (log, "third"))
    assert second.cancel()
    assert second.cancel()
    assert second.cancelled()
    assert second.done()
    for ask in (second.get, second.result, second.exception):
        with pytest.raises(concurrent.futures.CancelledError):
            ask(LIMIT)
    gate[1].touch()
    assert first.get(LIMIT) == "held"
    assert third.get(LIMIT) == "third"
    assert log.read_text().split() == ["third"]


@parallel
def test_cancelling_a_map_cancels_its_rest(make_pool, gate, tmp_path):
    pool = make_pool(1)
    held = pool.apply_async(tasks.hold, gate)
    tasks.await_file(gate[0])
    log = tmp_path / "journal"
    result = pool.starmap_async(tasks.note, [(log, x) for x in range(100)])
    assert result.cancel()
    with pytest.raises(concurrent.futures.CancelledError):
        result.get(LIMIT)
    gate[1].touch()
    assert held.get(LIMIT) == "held"
    pool.close()
    pool.join()
    assert not log.exists()


@parallel
@pytest.mark.parametrize("order", [1, -1])
def test_thousands_are_cancelled_one_by_one(make_pool, gate, order):
    """The cost of one does not grow with their number: twenty thousand take a moment."""
    pool = make_pool(1)
    first = pool.apply_async(tasks.hold, gate)
    tasks.await_file(gate[0])
    waiting = [pool.apply_async(tasks.square, (x,)) for x in range(20_000)]
    began = time.perf_counter()
    assert all(result.cancel() for result in waiting[1::2][::order])
    assert time.perf_counter() - began < 10
    gate[1].touch()
    assert first.get(LIMIT) == "held"
    assert [result.get(LIMIT) for result in waiting[::2]] == [x * x for x in range(0, 20_000, 2)]
    assert all(result.cancelled() for result in waiting[1::2])


@parallel
def test_a_cancelled_call_has_no_value_to_call_back_with(make_pool, gate):
    pool = make_pool(1)
    seen = []
    pool.apply_async(tasks.hold, gate)
    second = pool.apply_async(tasks.identity, (1,), callback=seen.append)
    assert second.cancel()
    gate[1].touch()
    pool.close()
    pool.join()
    assert seen == []


def test_done_callbacks_get_the_result_object(pool):
    seen, called = [], threading.Event()

    def callback(result):
        seen.append((result, result.done()))
        called.set()

    result = pool.apply_async(tasks.square, (2,))
    result.add_done_callback(callback)
    assert called.wait(LIMIT)
    assert seen == [(result, True)]
    result.add_done_callback(callback)  # ready: called at once
    assert seen == [(result, True)] * 2


@parallel
def test_done_callbacks_of_a_cancelled_call(make_pool, gate):
    pool = make_pool(1)
    called = threading.Event()
    pool.apply_async(tasks.hold, gate)
    second = pool.apply_async(tasks.identity, (1,))
    second.add_done_callback(lambda result: result.cancelled() and called.set())
    assert second.cancel()
    assert called.wait(LIMIT)


@parallel
def test_several_threads_wait_for_one_result(pool, gate):
    result = pool.apply_async(tasks.hold, gate)
    got = []
    threads = [threading.Thread(target=lambda: got.append(result.get(LIMIT))) for _ in range(8)]
    for thread in threads:
        thread.start()
    gate[1].touch()
    for thread in threads:
        thread.join(LIMIT)
    assert got == ["held"] * 8


def test_results_outlive_their_pool(make_pool):
    with make_pool() as pool:
        results = [pool.apply_async(tasks.square, (x,)) for x in range(50)]
        failed = pool.apply_async(tasks.boom, (1,))
    assert [r.get(LIMIT) for r in results] == [x * x for x in range(50)]
    with pytest.raises(ValueError, match="item 1"):
        failed.get(LIMIT)
