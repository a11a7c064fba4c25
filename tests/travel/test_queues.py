"""Shared objects through queues of ours, from process to process."""

from __future__ import annotations

import kinds
import pytest
from support import LIMIT

import manyhands
from manyhands import sharedctypes


@pytest.mark.parametrize("kind", kinds.KINDS, ids=repr)
@pytest.mark.parametrize("method", ["template", "fork", "spawn"])
def test_an_object_made_after_the_start_goes_through_a_queue(method, kind):
    there, back = manyhands.Queue(), manyhands.Queue()
    process = manyhands.get_context(method).Process(
        target=kinds.serve, args=(kind.name, there, back)
    )
    process.start()
    obj = kind.make()
    there.put({"it": obj})
    got = back.get(timeout=LIMIT)
    assert kind.touched(obj)
    assert kind.touched(got[0])
    there.put(None)
    process.join(LIMIT)
    assert process.exitcode == 0
    process.close()


def test_an_object_in_a_queue_outlives_whoever_put_it():
    queue = manyhands.Queue()
    process = manyhands.Process(target=kinds.put_and_die, args=(queue,))
    process.start()
    process.join(LIMIT)
    others = [sharedctypes.RawValue("i", 99) for _ in range(50)]
    assert queue.get(timeout=LIMIT).value == 5
    inner = queue.get(timeout=LIMIT)
    assert inner.get(timeout=LIMIT) == "inside"
    del others
    process.close()
