"""An argument of a wrong kind is named, and refused where it is given."""

from __future__ import annotations

import pytest
import tasks
from support import processes

import manyhands


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda pool: pool.apply(abs, 3), r"args must be .*: \(3,\) rather than 3"),
        (lambda pool: pool.apply_async(abs, 3), "args must be"),
        (lambda pool: pool.starmap(pow, [1]), r"starmap holds the arguments.* \(1,\), not 1"),
        (lambda pool: list(pool.istarmap(pow, [1])), "starmap holds the arguments"),
        (lambda pool: pool.apply_async(abs, (1,), callback=3), "callback must be callable.* 3"),
        (lambda pool: pool.apply_async(abs, (1,), error_callback=3), "error_callback must be"),
        (lambda pool: pool.map_async(abs, [1], callback="f"), "callback must be callable.* 'f'"),
        (lambda pool: pool.map(abs, [1], total="x"), "total must be an integer or None, not 'x'"),
        (lambda pool: pool.map(abs, [1], total=-3), "total must be at least 0, not -3"),
        (lambda pool: pool.imap(abs, [1], total="x"), "total must be"),
        (lambda pool: pool.apply(abs, (1,), 3), "kwds must be a dict of keyword arguments, not 3"),
        (lambda pool: pool.apply_async(abs, (1,), "ab"), "kwds must be a dict"),
    ],
)
def test_it_is_named_at_the_call(pool, call, match):
    with pytest.raises((TypeError, ValueError), match=match):
        call(pool)
    assert pool.map(tasks.identity, [1, 2]) == [1, 2]


@pytest.mark.parametrize("way", ["grow", "shrink"])
@pytest.mark.parametrize("kind", ["process", "thread"], indirect=True)
def test_a_number_of_workers_is_a_number(pool, way):
    with pytest.raises(TypeError, match="n must be an integer, not '1'"):
        getattr(pool, way)("1")


def test_initargs_are_arguments(kind):
    with pytest.raises(TypeError, match="initargs must be a tuple or list of arguments"):
        kind.make(initializer=print, initargs=3)


@processes
def test_an_environment_is_a_dict(kind):
    with pytest.raises(TypeError, match="env must be a dict of strings, not 3"):
        kind.make(env=3)


@processes
@pytest.mark.parametrize("preload", [3, None])
def test_modules_are_a_list(kind, preload):
    with pytest.raises(TypeError, match="preload must be a list of module names, not"):
        kind.make(preload=preload)


@processes
@pytest.mark.parametrize("option", ["maxtasksperchild", "max_memory_per_child"])
def test_huge_numbers_mean_never(kind, option):
    with kind.make(1, **{option: 10**30}) as pool:
        assert pool.map(tasks.square, [3]) == [9]


@pytest.mark.parametrize("workers", ["2", 1.5, [1]])
def test_a_number_of_executors_workers_is_a_number(workers):
    with pytest.raises(TypeError, match="max_workers must be an integer or None"):
        manyhands.Executor(workers)


def test_the_time_of_an_executors_map_is_seconds():
    wrong = pytest.raises(TypeError, match="timeout must be seconds or None, not '3'")
    with manyhands.Executor(1) as executor, wrong:
        executor.map(abs, [1], timeout="3")


def test_the_serial_pool_says_that_it_ends_nothing():
    with pytest.warns(RuntimeWarning, match="initializer_timeout= is not enforced"):
        pool = manyhands.Pool(processes=0, initializer_timeout=1)
    assert pool.map(abs, [-1]) == [1]
    with pytest.raises(ValueError, match="initializer_timeout must be"):
        manyhands.Pool(processes=0, initializer_timeout=-1)


@processes
@pytest.mark.parametrize("seconds", [0, -1, "3", float("nan")])
def test_the_time_of_an_initializer_is_seconds(kind, seconds):
    with pytest.raises(ValueError, match="initializer_timeout must be"):
        kind.make(1, initializer_timeout=seconds)


@processes
@pytest.mark.parametrize("seconds", [1e19, 1e30, 10**400, float("inf"), None])
def test_an_initializer_may_have_all_the_time(kind, seconds):
    with kind.make(1, initializer=int, initializer_timeout=seconds) as pool:
        assert pool.map(tasks.square, [3]) == [9]


def test_queues_and_values():
    with pytest.raises(TypeError, match="maxsize must be an integer, not 'a'"):
        manyhands.Queue("a")
    with pytest.raises(
        TypeError, match=r"one of the letters .*, or a ctypes type, not <class 'int'>"
    ):
        manyhands.Value(int, 1)
    with pytest.raises(TypeError, match="ctypes type, not 'x'"):
        manyhands.Array("x", 3)
