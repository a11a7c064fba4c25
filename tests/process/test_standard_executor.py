"""The standard library's executor and queues on our contexts."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import queues

import pytest
import standard_tasks as tasks

import manyhands


@pytest.fixture(params=["fork", "spawn", "forkserver"])
def method(request):
    return request.param


def test_an_executor_computes_and_ends(context):
    with ProcessPoolExecutor(2, mp_context=context) as executor:
        assert list(executor.map(tasks.square, range(20))) == [x * x for x in range(20)]
        assert executor.submit(tasks.square, 5).result(30) == 25


def test_an_executor_breaks_when_a_worker_dies(context):
    with ProcessPoolExecutor(1, mp_context=context) as executor:
        future = executor.submit(tasks.end, None)
        with pytest.raises(BrokenProcessPool):
            future.result(30)


def test_queues_are_counted_and_joined(context):
    source = queues.JoinableQueue(3, ctx=context)
    target = queues.SimpleQueue(ctx=context)
    process = context.Process(target=tasks.echo, args=(source, target))
    for item in (1, 2, None):
        source.put(item)
    assert source.full()
    assert source.qsize() == 3
    process.start()
    source.join()
    process.join(30)
    assert [target.get(), target.get(), process.exitcode] == [1, 2, 0]
    assert source.empty()
    source.close()
    source.join_thread()


def test_a_lock_shows_what_such_queues_look_at():
    lock, again, permits = manyhands.Lock(), manyhands.RLock(), manyhands.BoundedSemaphore(2)
    with lock, again, again, permits:
        views = [it._semlock for it in (lock, again, permits)]
        assert [view._get_value() for view in views] == [0, 0, 1]
        assert [view._is_zero() for view in views] == [True, True, False]
        assert [views[0]._is_mine(), views[0]._count(), views[1]._count()] == [True, 1, 2]
        assert views[2].maxvalue == 2
    assert [view._is_zero() for view in views] == [False] * 3
