"""The hostile corpus as items of queues: each is one clear error, and the next item is the next.

What is refused at `put` never was in the queue; what cannot be unpickled is an error of the one who
takes it.
"""

from __future__ import annotations

import hostile
import hostile_tasks
import pytest
from support import LIMIT

import manyhands


def cases(*fates):
    chosen = [case for case in hostile.VALUES if case.fate in fates]
    return pytest.mark.parametrize("case", chosen, ids=lambda case: case.name)


@pytest.fixture(scope="module")
def queue(warmed_up):
    return manyhands.Queue()


@pytest.fixture(scope="module")
def pool(warmed_up):
    with manyhands.Pool(1) as pool:
        yield pool


@pytest.fixture(autouse=True)
def nothing_left():
    """One pool and one queue for all cases, so that each must leave them in order."""


@pytest.fixture(autouse=True)
def still_works(queue):
    yield
    assert queue.empty()
    queue.put("next")
    assert queue.get(timeout=LIMIT) == "next"


@cases("pickle")
def test_what_cannot_be_pickled_is_refused(queue, case):
    with pytest.raises(manyhands.PicklingError):
        queue.put(case.make(), timeout=LIMIT)
    with pytest.raises(manyhands.PicklingError) as caught:
        queue.put_many([1, case.make(), 2])
    assert (caught.value.count, queue.get(timeout=LIMIT)) == (1, 1)


@cases("unpickle")
def test_what_cannot_be_loaded_is_gone(queue, case):
    for value in (case.make(), "after it"):
        queue.put(value)
    with pytest.raises(manyhands.UnpicklingError):
        queue.get(timeout=LIMIT)
    assert queue.get(timeout=LIMIT) == "after it"


@cases("unpickle")
def test_what_cannot_be_loaded_elsewhere(queue, pool, case):
    queue.put(case.make())
    with pytest.raises(manyhands.UnpicklingError):
        pool.apply(hostile_tasks.take_from, (queue,))


@cases("dies")
def test_what_ends_the_process_that_takes_it(queue, pool, case):
    queue.put(case.make())
    with pytest.raises(manyhands.WorkerDied):
        pool.apply(hostile_tasks.take_from, (queue,))


@cases("travels")
def test_odd_items_arrive(queue, case):
    value = case.make()
    queue.put(value)
    assert hostile.same(value, queue.get(timeout=LIMIT))


@pytest.mark.parametrize("kind", ["SimpleQueue", "JoinableQueue"])
def test_the_other_queues_refuse_and_lose_the_same(kind):
    queue = getattr(manyhands, kind)()
    cases = {case.name: case for case in hostile.VALUES}
    with pytest.raises(manyhands.PicklingError):
        queue.put(cases["reduce_exits"].make())
    queue.put(cases["setstate_exits"].make())
    with pytest.raises(manyhands.UnpicklingError):
        queue.get()
    assert queue.empty()
