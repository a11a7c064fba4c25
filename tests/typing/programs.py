"""Small programs as users write them, with the types that a checker must see in them.

`make check` has mypy (strict) check this file; `tests/test_typing.py` runs it, so that what the
types promise is what there is.
"""

from __future__ import annotations

import concurrent.futures
import ctypes
from typing import Any, assert_type

import manyhands as mp


def half(x: int) -> float:
    """What the programs run."""
    return x / 2


def join(left: str, right: str = "") -> str:
    """With several arguments."""
    return left + right


def results_of_a_pool() -> None:
    """Every call says what comes back."""
    with mp.Pool(2) as pool:
        assert_type(pool, mp.Pool)
        assert_type(pool.apply(half, (3,)), float)
        assert_type(pool.map(half, [1, 2]), list[float])
        assert_type(pool.map(half, [1, 2], timeout=60, retries=1), list[float])
        assert_type(pool.map(half, [1, 2], errors="return"), list[float | BaseException])
        assert_type(pool.starmap(join, [("a", "b")]), list[str])
        assert_type(pool.starmap(join, [("a", "b")], errors="return"), list[str | BaseException])


def results_that_come_later() -> None:
    """An `AsyncResult` knows what it is of."""
    with mp.Pool(2) as pool:
        one = pool.apply_async(half, (3,))
        assert_type(one, mp.AsyncResult[float])
        assert_type(one.get(), float)
        assert_type(one.result(timeout=60), float)
        assert_type(one.exception(), BaseException | None)
        assert_type(pool.map_async(half, [1]).get(), list[float])
        kept = pool.map_async(half, [1], errors="return")
        assert_type(kept.get(), list[float | BaseException])
        assert_type(pool.starmap_async(join, [("a",)]).get(), list[str])


def lazy_results() -> None:
    """So do iterators."""
    with mp.Pool(2) as pool:
        for value in pool.imap(half, range(3)):
            assert_type(value, float)
        for kept in pool.imap_unordered(half, range(3), errors="return", buffersize=2):
            assert_type(kept, float | BaseException)
        assert_type(next(pool.istarmap(join, [("a", "b")])), str)
        assert_type(pool.istarmap_unordered(join, [("a", "b")]).next(timeout=60), str)


def results_of_threads() -> None:
    """The same methods say the same."""
    with mp.ThreadPool(2) as pool:
        assert_type(pool.apply(half, (3,)), float)
        assert_type(pool.map(half, [1, 2], retries=1), list[float])
        assert_type(pool.map(half, [1, 2], errors="return"), list[float | BaseException])
        assert_type(pool.starmap(join, [("a", "b")], errors="return"), list[str | BaseException])
        assert_type(pool.apply_async(join, ("a",)).get(), str)
        assert_type(pool.map_async(half, [1]).result(timeout=60), list[float])
        kept = pool.starmap_async(join, [("a",)], errors="return")
        assert_type(kept.get(), list[str | BaseException])
        for value in pool.imap(half, range(3), buffersize=2):
            assert_type(value, float)
        for one in pool.imap_unordered(half, range(3), errors="return"):
            assert_type(one, float | BaseException)
        assert_type(next(pool.istarmap(join, [("a", "b")])), str)
        assert_type(pool.istarmap_unordered(join, [("a", "b")]).next(timeout=60), str)


def results_of_any_pool(pool: mp.Pool | mp.ThreadPool) -> list[float]:
    """A function may take either."""
    assert_type(pool.map(half, [1], errors="return"), list[float | BaseException])
    assert_type(list(pool.imap(half, [1])), list[float])
    return pool.map(half, [1])


def pools_in_place_of_each_other() -> None:
    """In the caller, in threads, in processes."""
    serial = mp.Pool(processes=0)
    assert_type(serial, mp.Pool)
    for pool in (serial, mp.ThreadPool(1)):
        assert_type(results_of_any_pool(pool), list[float])


def futures() -> None:
    """The executor is the standard library's, as far as types go."""
    with mp.Executor(1) as executor:
        future = executor.submit(join, "a", right="b")
        assert_type(future, concurrent.futures.Future[str])
        assert_type(list(executor.map(half, [1, 2])), list[float])


def shared_numbers() -> None:
    """Values, arrays and atomics are of their types."""
    count = mp.Value("i", 1)
    assert_type(count.value, int)
    with count.get_lock():
        count.value += 1
    assert_type(mp.Value("d", 0.5).value, float)
    assert_type(mp.Value(ctypes.c_double, 0.5).value, float)
    assert_type(mp.Value("i", 1, lock=False).value, int)
    row = mp.Array("d", 3)
    assert_type(row[0], float)
    assert_type(row[:2], list[float])
    row[1] = 2.5
    assert_type(len(row), int)
    assert_type(mp.Array("c", b"abc").value, bytes)
    hits = mp.Atomic(0)
    assert_type(hits.add(1), int)
    assert_type(hits.value, int)
    assert_type(mp.Atomic(0.5).load(), float)


def queues() -> None:
    """A queue of something."""
    queue: mp.queues.Queue[str] = mp.Queue()
    queue.put("a")
    queue.put_many(["b"])
    assert_type(queue.get(), str)
    assert_type(queue.get_many(), list[str])
    queue.shutdown()
    for item in queue:
        assert_type(item, str)


def first(
    queue: mp.queues.Queue[int],
    work: mp.queues.JoinableQueue[str],
    simple: mp.queues.SimpleQueue[float],
    lock: mp.synchronize.Lock,
) -> int:
    """Without quotes: these are annotations at run time as well."""
    with lock:
        assert_type(work.get(), str)
        work.task_done()
        assert_type(simple.get(), float)
        return queue.get()


def queues_as_arguments() -> None:
    """What the functions of the package give fits the classes."""
    queue: mp.queues.Queue[int] = mp.Queue()
    queue.put(1)
    work: mp.queues.JoinableQueue[str] = mp.JoinableQueue()
    work.put("a")
    simple: mp.queues.SimpleQueue[float] = mp.SimpleQueue()
    simple.put(0.5)
    assert_type(first(queue, work, simple, mp.Lock()), int)
    work.join()


def processes_and_locks() -> None:
    """What starts and what waits."""
    process = mp.Process(target=join, args=("a",))
    process.start()
    process.join(60)
    assert_type(process.exitcode, int | None)
    lock = mp.Lock()
    assert_type(lock.acquire(timeout=1.0, on_death="raise"), bool)
    lock.release()
    here, there = mp.Pipe()
    there.send([1])
    received: Any = here.recv()
    assert_type(here.poll(), bool)
    assert_type(mp.cpu_count(), int)
    del received


PROGRAMS = (
    results_of_a_pool,
    results_that_come_later,
    lazy_results,
    results_of_threads,
    pools_in_place_of_each_other,
    futures,
    shared_numbers,
    queues,
    queues_as_arguments,
    processes_and_locks,
)
