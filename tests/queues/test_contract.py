"""What a queue does within one process: order, limits, exact counts, closing, shutting down."""

from __future__ import annotations

import queue as standard
import sys
import threading
import time

import pytest
from support import LIMIT

import manyhands
from manyhands.queues import JoinableQueue, Queue, ShutDown, SimpleQueue

VALUES = [
    None, True, False, 0, -1, 2**62, 2**63, -(2**100), 1.5, "", "text", "é" * 300, "\ud800", b"",
    b"bytes", b"x" * 5_000, b"y" * 40_000, b"z" * 2_000_000, "t" * 100_000, (), (1, "a", None),
    (1, (2, 3)), [1, [2]], {"a": 1}, {1, 2}, range(5), 1j, ValueError, bytearray(b"abc"),
    [b"w" * 100_000],
]  # fmt: skip


@pytest.mark.parametrize("make", [Queue, JoinableQueue, SimpleQueue])
def test_values_come_back_as_they_were(make):
    queue = make()
    for value in VALUES:
        queue.put(value)
    for value in VALUES:
        got = queue.get()
        assert type(got) is type(value)
        assert got == value
    assert queue.empty()


def test_first_in_first_out_across_chunks():
    queue, sent, got = Queue(), 0, 0
    for round_ in range(60):
        for _ in range(round_ * 20):
            queue.put(sent)
            sent += 1
        for _ in range(round_ * 19):
            assert queue.get() == got
            got += 1
        assert queue.qsize() == sent - got


def test_a_queue_holds_its_maxsize():
    queue = Queue(2)
    queue.put(1)
    assert not queue.full()
    queue.put_nowait(2)
    assert queue.full()
    for arguments in [(3, False), (3, False, 5), (3, True, 0.01), (3, True, -1)]:
        with pytest.raises(standard.Full):
            queue.put(*arguments)
    with pytest.raises(standard.Full):
        queue.put_nowait(3)
    assert [queue.get(), queue.get_nowait(), queue.qsize()] == [1, 2, 0]
    for arguments in [(False,), (False, 5), (True, 0.01), (True, -1)]:
        with pytest.raises(standard.Empty):
            queue.get(*arguments)


@pytest.mark.parametrize("size", [0, -1, -(2**70)])
def test_no_maxsize_is_no_limit(size):
    queue = Queue(size)
    queue.put_many(range(50_000))
    assert (queue.qsize(), queue.full()) == (50_000, False)


def test_a_huge_maxsize_is_a_maxsize():
    assert Queue(2**40)._limits == (2**40, None)
    assert Queue(2**100)._limits[0] == 2**64 - 1


def test_an_unbounded_queue_with_a_byte_limit_raises():
    queue = Queue(max_bytes=1_000)
    queue.put(b"x" * 900)
    with pytest.raises(MemoryError, match="max_bytes=1000"):
        queue.put(b"x" * 900)
    with pytest.raises(MemoryError, match="max_bytes=1000"):
        queue.put(b"x" * 1_001)
    assert queue.get() == b"x" * 900
    queue.put(b"y" * 900)
    assert queue.get() == b"y" * 900


def test_a_bounded_queue_with_a_byte_limit_waits():
    queue = Queue(100, max_bytes=100_000)
    queue.put(b"x" * 90_000)
    with pytest.raises(standard.Full):
        queue.put(b"x" * 20_000, timeout=0.01)
    with pytest.raises(standard.Full):
        queue.put(b"x" * 40_000, False)
    with pytest.raises(MemoryError, match="max_bytes=100000"):
        queue.put(b"x" * 100_001)
    taker = threading.Timer(0.05, queue.get)
    taker.start()
    queue.put(b"y" * 40_000)
    taker.join()
    assert queue.get() == b"y" * 40_000


@pytest.mark.parametrize("limit", [0, -5])
def test_a_byte_limit_is_positive(limit):
    with pytest.raises(ValueError, match="max_bytes"):
        Queue(max_bytes=limit)


def test_many_at_once():
    queue = Queue()
    queue.put_many([])
    queue.put_many(iter(["a", [1], b"x" * 50_000, 3]))
    assert queue.get_many(2) == ["a", [1]]
    assert queue.get_many() == [b"x" * 50_000, 3]
    assert queue.get_many(0) == []
    with pytest.raises(standard.Empty):
        queue.get_many(block=False)
    queue.put_many(range(10_000))
    assert queue.get_many() == list(range(10_000))


def test_many_into_a_full_queue_tells_how_many():
    queue = Queue(3)
    with pytest.raises(standard.Full) as caught:
        queue.put_many(range(10), timeout=0.01)
    assert (caught.value.count, queue.get_many()) == (3, [0, 1, 2])


def test_what_came_before_an_error_is_put():
    def items():
        yield 1
        yield 2
        raise KeyError("done")

    queue = Queue()
    with pytest.raises(KeyError) as caught:
        queue.put_many(items())
    assert (caught.value.count, queue.get_many()) == (2, [1, 2])


def test_a_source_may_wait_for_what_it_has_yielded():
    queue = Queue()
    got = []

    def items():
        for x in range(3):
            yield x
            got.append(queue.get(timeout=LIMIT))

    queue.put_many(items())
    assert got == [0, 1, 2]


def test_items_that_take_long_to_pickle_are_not_held_back():
    queue = Queue()
    sizes = []

    class Slow:
        def __reduce__(self):
            sizes.append(queue.qsize())
            time.sleep(0.01)
            return int, ()

    queue.put_many([Slow() for _ in range(4)])
    assert sizes == [0, 1, 2, 3]


def test_what_would_end_the_reader_is_an_error_of_the_item():
    queue = Queue()
    ours, theirs = manyhands.Pipe()
    queue.put(Leaving())
    theirs.send(Leaving())
    for get in (queue.get, ours.recv):
        with pytest.raises(manyhands.UnpicklingError) as caught:
            get()
        assert isinstance(caught.value.__cause__, SystemExit)


class Leaving:
    def __reduce__(self):
        return sys.exit, (3,)


class Unloadable:
    def __reduce__(self):
        return _fail, ()


def _fail():
    raise LookupError("no such thing here")


def test_what_cannot_be_loaded_is_gone_and_told():
    queue = Queue()
    queue.put_many([1, Unloadable(), 2, Unloadable()])
    with pytest.raises(Exception, match="no such thing here") as caught:
        queue.get_many()
    assert caught.value.items == [1, 2]
    queue.put(Unloadable())
    with pytest.raises(Exception, match="no such thing here"):
        queue.get()
    assert queue.empty()


@pytest.mark.parametrize("make", [Queue, SimpleQueue])
def test_what_cannot_be_pickled_raises_at_the_call(make):
    queue = make()
    with pytest.raises(Exception, match="lock"):
        queue.put(threading.Lock())
    assert queue.empty()


def test_closing_is_for_this_process():
    queue = Queue()
    queue.close()
    queue.close()
    queue.join_thread()
    assert queue.empty()
    for call in (queue.get, queue.get_nowait, queue.get_many, lambda: queue.put(1)):
        with pytest.raises(ValueError, match="is closed"):
            call()
    used = Queue()
    used.put(1)
    used.close()
    with pytest.raises(OSError, match="is closed"):
        used.empty()
    simple = SimpleQueue()
    simple.close()
    for call in (simple.get, simple.empty, lambda: simple.put(1)):
        with pytest.raises(OSError, match="is closed"):
            call()


def test_join_thread_wants_a_closed_queue():
    with pytest.raises(ValueError, match="not closed"):
        Queue().join_thread()
    Queue().cancel_join_thread()


def test_a_shut_queue_is_emptied_and_then_ends():
    queue = Queue()
    queue.put_many([1, 2, 3])
    queue.shutdown()
    assert queue.is_shutdown()
    for call in (lambda: queue.put(4), lambda: queue.put_nowait(4), lambda: queue.put_many([4])):
        with pytest.raises(ShutDown):
            call()
    assert queue.get() == 1
    assert list(queue) == [2, 3]
    for call in (queue.get, queue.get_nowait, queue.get_many):
        with pytest.raises(ShutDown):
            call()
    queue.shutdown()


def test_an_immediate_shutdown_throws_away():
    queue = JoinableQueue()
    queue.put_many([1, 2, 3])
    queue.get()
    queue.shutdown(immediate=True)
    assert (queue.qsize(), queue.empty(), list(queue)) == (0, True, [])
    queue.task_done()
    queue.join()
    with pytest.raises(ValueError, match="too many times"):
        queue.task_done()


@pytest.mark.skipif(not hasattr(standard, "ShutDown"), reason="queue.ShutDown is of Python 3.13")
def test_shut_down_is_the_standard_one():
    assert ShutDown is standard.ShutDown


@pytest.mark.parametrize("end", [False, True])
def test_shutting_down_wakes_who_waits(end):
    empty, full = Queue(), Queue(1)
    full.put(1)
    told = []

    def wait(call):
        try:
            call()
        except ShutDown:
            told.append(call)

    calls = [empty.get, lambda: full.put(2), lambda: full.put_many([2])]
    threads = [threading.Thread(target=wait, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for queue in (empty, full):
        queue.shutdown(end)
    for thread in threads:
        thread.join(30)
    assert len(told) == 3


def test_tasks_are_counted():
    queue = JoinableQueue()
    queue.join()
    with pytest.raises(ValueError, match="too many times"):
        queue.task_done()
    queue.put_many([1, 2])
    done = threading.Thread(target=lambda: [queue.task_done() for _ in queue.get_many()])
    done.start()
    queue.join()
    done.join()


def test_subclasses_have_constructors_of_their_own():
    class Named(Queue):
        def __init__(self, name, *arguments):
            super().__init__(*arguments)
            self.name = name

    queue = Named("mine", 1)
    queue.put(1)
    assert (queue.name, queue.full(), queue.get()) == ("mine", True, 1)


def test_a_queue_that_was_not_made_says_so():
    with pytest.raises(ValueError, match="__init__"):
        Queue.__new__(Queue).put(1)
    queue = Queue()
    with pytest.raises(TypeError, match="runs once"):
        queue.__init__()


def test_types_have_parameters():
    assert Queue[int].__origin__ is Queue
    assert SimpleQueue[str].__args__ == (str,)


def test_threads_share_a_queue():
    queue, got = Queue(10), []

    def take():
        got.extend(iter(queue.get, None))

    takers = [threading.Thread(target=take) for _ in range(3)]
    givers = [threading.Thread(target=lambda: [queue.put(i) for i in range(500)]) for _ in range(3)]
    for thread in takers + givers:
        thread.start()
    for thread in givers:
        thread.join()
    queue.put_many([None] * 3)
    for thread in takers:
        thread.join()
    assert sorted(got) == sorted([*range(500)] * 3)
