"""`apply`, `apply_async` and their callbacks."""

from __future__ import annotations

import gc
import pickle
import threading
import weakref

import pytest
import tasks
from support import LIMIT, local, parallel, processes, wait_until


def test_arguments_and_keywords(pool):
    assert pool.apply(tasks.keywords) == ((), {})
    assert pool.apply(tasks.keywords, (1, 2)) == ((1, 2), {})
    assert pool.apply(tasks.keywords, [1]) == ((1,), {})
    assert pool.apply(tasks.keywords, (1,), {"a": 2}) == ((1,), {"a": 2})
    assert pool.apply(tasks.keywords, args=(1,), kwds={"b": 3}) == ((1,), {"b": 3})
    assert pool.apply_async(tasks.keywords, (1,), {"a": 2}).get() == ((1,), {"a": 2})


def test_kwargs_is_another_name_of_kwds(pool):
    assert pool.apply(tasks.keywords, kwargs={"a": 1}) == ((), {"a": 1})
    assert pool.apply_async(tasks.keywords, (), kwargs={"a": 1}).get() == ((), {"a": 1})
    with pytest.raises(TypeError):
        pool.apply(tasks.keywords, (), {"a": 1}, kwargs={"b": 2})


def test_values_come_back_whole(pool):
    for value in (None, 0, "text", b"bytes", [1, {"a": (2,)}], tasks.Point(3, 4), tasks.Colour.RED):
        assert pool.apply(tasks.identity, (value,)) == value


def test_enum_members_come_back_as_themselves(pool):
    assert pool.apply(tasks.identity, (tasks.Colour.BLUE,)) is tasks.Colour.BLUE


def test_apply_raises(pool):
    with pytest.raises(tasks.OwnError) as caught:
        pool.apply(tasks.own_error, (9,))
    assert caught.value.code == 9


def test_what_is_not_callable(pool):
    with pytest.raises(TypeError):
        pool.apply("no function")


def test_wrong_arguments_are_the_functions_own_error(pool):
    with pytest.raises(TypeError, match="add"):
        pool.apply(tasks.add, (1,))


def test_many_results_at_once(pool):
    results = [pool.apply_async(tasks.square, (x,)) for x in range(2000)]
    assert [r.get() for r in reversed(results)] == [x * x for x in reversed(range(2000))]


def test_the_callback_gets_the_value_before_wait_returns(pool):
    seen, errors = [], []
    result = pool.apply_async(
        tasks.square, (3,), callback=seen.append, error_callback=errors.append
    )
    result.wait()
    assert (seen, errors) == ([9], [])
    result = pool.map_async(tasks.square, [1, 2], None, seen.append, errors.append)
    result.wait()
    assert (seen, errors) == ([9, [1, 4]], [])
    pool.starmap_async(tasks.add, [(1, 2)], callback=seen.append).wait()
    assert seen == [9, [1, 4], [3]]


def test_the_error_callback_gets_the_exception(pool):
    seen, errors = [], []
    result = pool.apply_async(tasks.boom, (3,), callback=seen.append, error_callback=errors.append)
    result.wait()
    pool.map_async(tasks.own_error, [4], callback=seen.append, error_callback=errors.append).wait()
    assert seen == []
    assert [type(error) for error in errors] == [ValueError, tasks.OwnError]
    assert errors[1].code == 4


def test_join_waits_for_callbacks(pool):
    seen = []
    for x in range(200):
        pool.apply_async(tasks.square, (x,), callback=seen.append)
    pool.close()
    pool.join()
    assert sorted(seen) == [x * x for x in range(200)]


def test_a_callback_that_raises_is_reported_and_costs_nothing_else(pool, capfd):
    def bad_callback(_):
        raise tasks.OwnError(1, "callback")

    result = pool.apply_async(tasks.square, (3,), callback=bad_callback)
    assert result.get(LIMIT) == 9
    failed = pool.apply_async(tasks.boom, (3,), error_callback=bad_callback)
    with pytest.raises(ValueError, match="item 3"):
        failed.get(LIMIT)
    good = []
    pool.apply_async(tasks.square, (4,), callback=good.append).wait()
    assert good == [16]
    pool.close()
    pool.join()
    report = capfd.readouterr().err
    assert report.count("\ntasks.OwnError: ") == 2
    assert "bad_callback" in report


def test_a_callback_may_use_the_pool(pool):
    inner = []

    def again(value):
        inner.append(pool.apply(tasks.add, (value, 1)))

    pool.apply_async(tasks.square, (3,), callback=again).wait()
    assert inner == [10]


@parallel
def test_a_slow_callback_does_not_hold_up_other_results(pool):
    release = threading.Event()
    slow = pool.apply_async(tasks.identity, (1,), callback=lambda _: release.wait(LIMIT))
    try:
        assert [pool.apply_async(tasks.square, (x,)).get(LIMIT) for x in range(20)] == [
            x * x for x in range(20)
        ]
        assert pool.map(tasks.square, range(20)) == [x * x for x in range(20)]
        assert not slow.ready()
    finally:
        release.set()
    assert slow.get(LIMIT) == 1


@processes
def test_callbacks_do_not_run_in_the_workers(pool):
    places = []
    pool.apply_async(tasks.pid, callback=lambda pid: places.append((pid, tasks.pid()))).wait()
    assert places[0][0] != places[0][1]


@local
def test_results_and_arguments_are_not_kept_alive(pool):
    class Thing:
        pass

    thing = Thing()
    watch = weakref.ref(thing)
    result = pool.apply_async(tasks.identity, (thing,))
    assert result.get() is thing
    del thing, result
    wait_until(lambda: gc.collect() >= 0 and watch() is None, "the pool keeps an argument alive")


@processes
def test_results_are_not_kept_alive_by_the_pool(pool):
    result = pool.apply_async(tasks.Point, (1, 2))
    watch = weakref.ref(result.get())
    del result
    wait_until(lambda: gc.collect() >= 0 and watch() is None, "the pool keeps a result alive")


def test_a_pool_cannot_be_pickled(pool):
    with pytest.raises(NotImplementedError, match="pickled"):
        pickle.dumps(pool)


@parallel
def test_a_callback_that_exits_does_not_hold_up_the_next(pool, capsys):
    def leave(_):
        raise SystemExit(3)

    assert pool.apply_async(tasks.square, (2,), callback=leave).get(LIMIT) == 4
    seen = []
    assert pool.apply_async(tasks.square, (3,), callback=seen.append).get(LIMIT) == 9
    assert seen == [9]
    assert "SystemExit" in capsys.readouterr().err
