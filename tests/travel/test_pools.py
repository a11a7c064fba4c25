"""Shared objects in pools: initargs, items, results, exceptions and code; whatever dies."""

from __future__ import annotations

import gc
import os
import signal
from pathlib import Path

import kinds
import pytest

import manyhands
from manyhands import _native, sharedctypes

METHODS = ["template", "fork", "spawn", "forkserver"]
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")


@pytest.fixture(params=METHODS)
def method(request):
    return request.param


@pytest.fixture
def pool(method):
    with manyhands.get_context(method).Pool(2) as pool:
        pool.apply(abs, (1,))
        yield pool


@pytest.mark.parametrize("wrapper", kinds.WRAPPERS)
@pytest.mark.parametrize("kind", kinds.KINDS, ids=repr)
def test_an_item_made_after_the_workers_and_its_result_are_the_same_object(pool, kind, wrapper):
    wrap, unwrap = kinds.WRAPPERS[wrapper]
    obj = kind.make()
    back = unwrap(pool.apply(kinds.touch_and_return, (kind.name, wrapper, wrap(obj))))
    assert kind.touched(obj)
    assert kind.touched(back)


@pytest.mark.parametrize("kind", kinds.KINDS, ids=repr)
def test_a_result_outlives_what_the_worker_had(pool, kind):
    made = pool.map(kinds.make_touched, [kind.name] * 20)
    pool.apply(gc.collect)
    assert all(kind.touched(obj) for obj in made)
    kept = [next(pool.imap(kinds.make_touched, [kind.name] * 20)) for _ in range(3)]
    assert all(kind.touched(obj) for obj in kept)


@pytest.mark.parametrize("kind", kinds.KINDS, ids=repr)
def test_an_exception_brings_what_it_holds(pool, kind):
    with pytest.raises(ValueError, match="with luggage") as caught:
        pool.apply(kinds.raise_with, (kind.name,))
    assert kind.touched(caught.value.luggage)


def test_initargs_are_the_same_objects(method):
    objects = {kind.name: kind.make() for kind in kinds.KINDS}
    with manyhands.get_context(method).Pool(1, kinds.keep, (objects,)) as pool:
        pool.apply(kinds.touch_kept)
    assert all(kinds.BY_NAME[name].touched(obj) for name, obj in objects.items())


def test_initargs_live_as_long_as_the_pool(method):
    context = manyhands.get_context(method)
    with context.Pool(1, kinds.keep, ({"RawValue": sharedctypes.RawValue("i", 5)},)) as pool:
        gc.collect()
        assert pool.apply(kinds.kept_value) == 5
        worker = pool.apply(os.getpid)
        os.kill(worker, signal.SIGKILL)
        others = [sharedctypes.RawValue("i", 99) for _ in range(50)]
        assert pool.apply(kinds.kept_value) == 5
        del others


def test_code_carries_what_it_closes_over(pool):
    value = sharedctypes.RawValue("i", 1)

    def add(number):
        value.value += number

    pool.apply(add, (5,))
    assert value.value == 6


def test_an_item_lives_until_it_has_run_though_nobody_waits(pool):
    seen = sharedctypes.RawValue("i")
    for _ in range(50):
        pool.apply_async(kinds.copy_value, (sharedctypes.RawValue("i", 5), seen))
    pool.close()
    pool.join()
    assert seen.value == 5


def test_results_that_nobody_takes_are_given_back(pool):
    before = usage()
    for _ in range(5):
        handles = [pool.apply_async(kinds.make_large) for _ in range(4)]
        handles[-1].wait()
        del handles
        pool.map(kinds.make_large_and_drop, range(4))
    pool.close()
    pool.join()
    gc.collect()
    _native.sweep()
    # Some pages stay warm; without being given back it would be more than 80 MiB.
    assert usage() <= before + (40 << 20)


def usage():
    return Path(f"/proc/self/fd/{_native.home_world()[1]}").stat().st_blocks * 512


def test_a_worker_that_dies_with_an_object_takes_nothing_along(pool):
    value = sharedctypes.RawValue("i", 5)
    with pytest.raises(manyhands.WorkerDied):
        pool.apply(kinds.die_with, (value,))
    others = [sharedctypes.RawValue("i", 99) for _ in range(50)]
    assert pool.apply(kinds.value_of, (value,)) == 5
    assert value.value == 5
    del others


def test_lazy_and_unordered_results_arrive(pool):
    values = [sharedctypes.RawValue("i", number) for number in range(200)]
    assert [v.value for v in pool.imap(kinds.same, values)] == list(range(200))
    found = pool.imap_unordered(kinds.same, (v for v in values))
    assert sorted(v.value for v in found) == list(range(200))
