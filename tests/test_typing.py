"""The programs whose types `make check` looks at run, and do nothing that they do not say."""

from __future__ import annotations

import importlib.util
import inspect
from pathlib import Path

import pytest

import manyhands

_SPEC = importlib.util.spec_from_file_location(
    "typing_programs", Path(__file__).parent / "typing" / "programs.py"
)
programs = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(programs)


@pytest.fixture(scope="module", autouse=True)
def template_up(warmed_up):
    """The template of the program's processes is there before the first test looks."""
    process = manyhands.Process()
    process.start()
    process.join()


@pytest.mark.parametrize("program", programs.PROGRAMS, ids=lambda program: program.__name__)
def test_the_programs_of_the_type_checkers_run(program):
    program()


def test_the_annotations_are_objects_at_run_time():
    hints = inspect.get_annotations(programs.first, eval_str=True)
    assert hints["queue"] == manyhands.queues.Queue[int]
    assert hints["work"].__origin__ is manyhands.queues.JoinableQueue
    assert hints["simple"].__args__ == (float,)
    assert hints["lock"] is manyhands.synchronize.Lock


def test_the_results_of_threads_are_generic_too():
    with manyhands.ThreadPool(1) as pool:
        for result in (pool.apply_async(abs, (1,)), pool.map_async(abs, [1]), pool.imap(abs, [1])):
            cls = type(result)
            assert cls[int].__origin__ is cls
            assert cls[int].__args__ == (int,)


GENERIC = ["AsyncResult", "ResultIterator"]


@pytest.mark.parametrize("name", GENERIC)
def test_generic_classes_take_their_types(name):
    cls = getattr(manyhands, name)
    assert cls[int].__origin__ is cls
    assert manyhands.synchronize.Atomic[int].__args__ == (int,)
    assert manyhands.queues.Queue[int].__args__ == (int,)


def objects(pool):
    yield pool
    yield pool.apply_async(abs, (1,))
    yield pool.imap(abs, [1])
    yield from (manyhands.Queue(), manyhands.JoinableQueue(), manyhands.SimpleQueue())
    yield from (manyhands.Lock(), manyhands.RLock(), manyhands.Semaphore())
    yield from (manyhands.Condition(), manyhands.Event(), manyhands.Barrier(1))
    yield from (manyhands.Value("i"), manyhands.Array("i", 1), manyhands.Atomic(0))
    yield from manyhands.Pipe()


# What is not multiprocessing's, nor told in the README.
INTERNAL = {"announce", "engine", "hold", "number", "peek", "printed", "stream", "take_callbacks"}


def test_dir_has_nothing_internal_and_reprs_say_what_it_is(make_pool):
    for one in objects(make_pool()):
        names = {name for name in dir(one) if not name.startswith("_")}
        assert not names & INTERNAL
        assert type(one).__name__ in repr(one)


@pytest.mark.parametrize(
    "cls",
    [
        manyhands.AsyncResult,
        manyhands.ResultIterator,
        *(
            getattr(manyhands.synchronize, name)
            for name in ("Lock", "RLock", "Semaphore", "BoundedSemaphore", "Atomic")
        ),
    ],
    ids=lambda cls: cls.__name__,
)
def test_public_classes_tell_what_they_are_with_an_example(cls):
    assert ">>> " in cls.__doc__
    for name in dir(cls):
        if not name.startswith("_"):
            assert getattr(cls, name).__doc__, f"{cls.__name__}.{name}"


def test_signatures_show_every_argument():
    for cls in (manyhands.synchronize.Lock, manyhands.synchronize.RLock):
        assert "on_death" in inspect.signature(cls.acquire).parameters
    assert "timeout" in inspect.signature(manyhands.synchronize.Semaphore.acquire).parameters
