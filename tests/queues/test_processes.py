"""Queues between processes: what was put is there whatever becomes of its producer, nobody waits
for nothing, and queues travel in queues.
"""

from __future__ import annotations

import os
import queue as standard
import signal
import threading
import time

import pytest
import support

import manyhands
from manyhands.queues import JoinableQueue, Queue, SimpleQueue

MANY = 60_000


@pytest.mark.parametrize(("producers", "consumers"), [(1, 1), (3, 1), (1, 3), (3, 3)])
@pytest.mark.parametrize("maxsize", [0, 7])
def test_each_item_arrives_once_and_in_its_producers_order(family, producers, consumers, maxsize):
    queue, results = Queue(maxsize), Queue()
    each = (MANY if maxsize == 0 else MANY // 10) // producers

    def produce(number):
        for item in range(each):
            queue.put((number, item))

    def consume():
        results.put(list(queue))

    makers = [family.start(produce, number) for number in range(producers)]
    takers = [family.start(consume) for _ in range(consumers)]
    for child in makers:
        child.join()
    queue.shutdown()
    got = [results.get(timeout=support.LIMIT) for _ in takers]
    family.join()
    for part in got:
        for number in range(producers):
            mine = [item for producer, item in part if producer == number]
            assert mine == sorted(mine)
    assert sorted(item for part in got for item in part) == [
        (n, i) for n in range(producers) for i in range(each)
    ]


@pytest.mark.parametrize("megabytes", [30, pytest.param(1000, marks=pytest.mark.deep)])
def test_a_producer_is_joined_before_its_queue_is_drained(family, megabytes):
    queue = Queue()
    block = os.urandom(1_000_000)
    family.start(lambda: [queue.put(block) for _ in range(megabytes)]).join()
    assert queue.qsize() == megabytes
    for _ in range(megabytes):
        assert queue.get_nowait() == block
    assert queue.empty()


@pytest.mark.parametrize("size", [10, 100_000])
def test_what_a_killed_producer_has_put_is_there(family, size):
    queue = Queue()
    ready = Queue()

    def produce():
        for item in range(100):
            queue.put((item, b"x" * size))
        ready.put(None)
        signal.pause()

    child = family.start(produce)
    ready.get(timeout=support.LIMIT)
    child.kill()
    assert child.wait() == -signal.SIGKILL
    assert [queue.get_nowait()[0] for _ in range(100)] == list(range(100))


def test_a_queue_in_a_queue_outlives_its_producer(family):
    outer = Queue()

    def produce():
        inner, joinable, simple = Queue(3), JoinableQueue(), SimpleQueue()
        inner.put("inside")
        simple.put(b"y" * 200_000)
        outer.put({"inner": inner, "others": (joinable, simple)})
        os.kill(os.getpid(), signal.SIGKILL)

    assert family.start(produce).wait() == -signal.SIGKILL
    got = outer.get(timeout=support.LIMIT)
    assert got["inner"].get() == "inside"
    joinable, simple = got["others"]
    assert simple.get() == b"y" * 200_000
    joinable.put(1)
    joinable.task_done()
    joinable.join()
    got["inner"].put_many([1, 2, 3])
    assert got["inner"].full()


def test_a_lock_in_a_queue(family):
    queue, lock = Queue(), manyhands.Lock()
    queue.put([lock])
    queue.put(lock)
    (first,), second = queue.get(), queue.get()
    first.acquire()
    assert not second.acquire(block=False)
    lock.release()


def test_a_queue_refuses_to_be_pickled_on_its_own():
    import pickle

    for made in (Queue(), SimpleQueue()):
        with pytest.raises(RuntimeError, match="inheritance"):
            pickle.dumps(made)


def test_closing_does_not_reach_a_forked_child(family):
    queue = Queue()
    queue.put(1)
    queue.close()
    family.start(lambda: queue.put(queue.get() + 1)).join()
    assert queue.qsize() == 1


def test_counts_are_those_of_all_processes(family):
    queue, go = Queue(1000), Queue()
    for _ in range(3):
        family.start(lambda: (go.get(), queue.put_many(range(100))))
    assert queue.empty()
    go.put_many([1, 1, 1])
    family.join()
    assert (queue.qsize(), queue.full()) == (300, False)


def test_tasks_of_all_processes_are_joined(family):
    queue = JoinableQueue()

    def work():
        for item in iter(queue.get, None):
            time.sleep(item)
            queue.task_done()

    workers = [family.start(work) for _ in range(3)]
    queue.put_many([0.001] * 30)
    queue.join()
    assert queue.empty()
    queue.put_many([None] * 3)
    family.join()
    assert len(workers) == 3


def test_a_consumer_that_sleeps_is_woken(family):
    queue, results = Queue(), Queue()
    family.start(lambda: results.put([queue.get() for _ in range(5)]))
    for item in range(5):
        time.sleep(0.03)
        queue.put(item)
    assert results.get(timeout=support.LIMIT) == [0, 1, 2, 3, 4]
    family.join()


def interrupted(call):
    """Runs `call` until a KeyboardInterrupt ends it."""
    timer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            call()
    finally:
        timer.join()


def test_ctrl_c_ends_each_wait_and_leaves_no_state():
    empty, full, tasks = Queue(), Queue(1), JoinableQueue()
    full.put("first")
    tasks.put(1)
    calls = [
        empty.get, lambda: next(iter(empty)), empty.get_many, lambda: empty.get(timeout=60),
        lambda: full.put(2), lambda: full.put_many([2, 3]), lambda: full.put(b"x" * 100_000),
        tasks.join,
    ]  # fmt: skip
    for call in calls:
        interrupted(call)
    assert (empty.qsize(), full.qsize(), tasks.qsize()) == (0, 1, 1)
    assert full.get() == "first"
    empty.put(5)
    assert empty.get() == 5
    tasks.task_done()
    tasks.join()


def test_time_limits_leave_no_state():
    queue = Queue(1)
    for _ in range(20):
        with pytest.raises(standard.Empty):
            queue.get(timeout=0.002)
    queue.put(1)
    for size in (1, 100_000):
        for _ in range(20):
            with pytest.raises(standard.Full):
                queue.put(b"x" * size, timeout=0.002)
    assert (queue.get(), queue.qsize()) == (1, 0)


def test_other_threads_run_while_one_waits():
    queue = Queue()
    waiter = threading.Thread(target=queue.get)
    waiter.start()
    assert waiter.is_alive()
    queue.put(1)
    waiter.join(support.LIMIT)
    assert not waiter.is_alive()


def test_memory_of_dropped_queues_is_used_again():
    _, world = manyhands._native.home_world()
    for _ in range(30):
        queue = Queue()
        for _ in range(20):
            queue.put(b"x" * 1_000_000)
        queue.put(Queue())
        del queue
    assert os.fstat(world).st_blocks * 512 < 200_000_000


SCRIPT = """
import enum
import manyhands as mp
from manyhands.queues import Queue

class Colour(enum.Enum):
    RED = 1

class Task:
    scale = 2
    def __init__(self, number):
        self.number = number
    def run(self):
        return Answer(helper(self.number), Colour.RED)

class Answer:
    def __init__(self, value, colour):
        self.value, self.colour = value, colour

class Trouble(Exception):
    pass

def helper(number):
    return number * Task.scale

def first(tasks, middle):
    for task in tasks:
        middle.put(task.run())
        middle.put(Trouble("no"))
        middle.put(lambda: helper(21))
    middle.shutdown()

def second(middle, results):
    for item in middle:
        results.put(item)

if __name__ == "__main__":
    context = mp.get_context("{method}")
    tasks, middle, results = Queue(), Queue(), Queue()
    children = [
        context.Process(target=first, args=(tasks, middle)),
        context.Process(target=second, args=(middle, results)),
    ]
    for child in children:
        child.start()
    for number in range(3):
        tasks.put(Task(number))
    tasks.shutdown()
    for number in range(3):
        answer = results.get(timeout=30)
        assert type(answer) is Answer and answer.value == 2 * number
        assert answer.colour is Colour.RED
        assert type(results.get(timeout=30)) is Trouble
        assert results.get(timeout=30)() == 42
    for child in children:
        child.join()
        assert child.exitcode == 0
    print("well")
"""


@pytest.mark.parametrize("method", ["template", "fork", "spawn", "forkserver"])
def test_classes_of_main_travel_both_ways(tmp_path, method):
    outcome = support.run_script(tmp_path, SCRIPT.replace("{method}", method), limit=60)
    assert (outcome.out, outcome.err, outcome.code) == ("well\n", "", 0)


NEWER = """
import manyhands as mp
from manyhands.queues import Queue

def child(queue, results):
    for item in queue:
        results.put(item.version())

if __name__ == "__main__":
    queue, results = Queue(), Queue()
    process = mp.get_context("template").Process(target=child, args=(queue, results))
    process.start()
    for version in (1, 2, 1):
        exec(f"class Item:\\n    def version(self):\\n        return {version}\\n")
        queue.put(Item())
        assert results.get(timeout=30) == version, version
    queue.shutdown()
    process.join()
    print("well")
"""


def test_a_definition_that_has_changed_arrives_anew(tmp_path):
    outcome = support.run_script(tmp_path, NEWER, limit=60)
    assert (outcome.out, outcome.err, outcome.code) == ("well\n", "", 0)
