"""The public exceptions: what they derive from, what they say, that they can be pickled."""

from __future__ import annotations

import asyncio
import builtins
import concurrent.futures
import concurrent.futures.process
import copy
import multiprocessing
import pickle
import signal

import pytest

from manyhands import errors

EXAMPLES = [
    errors.ProcessError("text"),
    errors.TimeoutError("text"),
    errors.WorkerDied(index=3, signal=9, pid=42, worker=1, function="f"),
    errors.WorkerDied(exitcode=3),
    errors.WorkerDied("text"),
    errors.TaskTimeout("text", index=3),
    errors.InitializerError(function="init", worker=0, pid=42, exitcode=1, detail="More."),
    errors.InitializerError(),
    errors.PicklingError("text", path="argument[2]", type_name="_thread.lock"),
    errors.UnpicklingError("text", type_name="module.Class"),
    errors.RemoteTraceback("text"),
    errors.TaskExit("text"),
    errors.RemoteError(type_name="E", message="m", arguments=["1"], traceback="t", reason="r"),
    errors.CancelledError(),
    errors.LargeArgumentWarning("text"),
    errors.LargeGlobalWarning("text"),
]


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda e: type(e).__name__)
@pytest.mark.parametrize("clone", [lambda e: pickle.loads(pickle.dumps(e)), copy.copy])
def test_pickle_keeps_everything(error, clone):
    error.add_note("a note")
    error.extra = 1
    back = clone(error)
    assert type(back) is type(error)
    assert str(back) == str(error)
    assert back.args == error.args
    assert vars(back) == vars(error)


@pytest.mark.parametrize(
    "kind",
    [
        errors.WorkerDied, errors.MemoryLimitExceeded, errors.TaskTimeout,
        errors.InitializerError, errors.LaunchError,
    ],
)  # fmt: skip
def test_a_text_stands_for_the_one_that_is_made_of_the_facts(kind):
    """As a program makes `BrokenProcessPool` and `TimeoutError`, of which these are kinds."""
    error = kind("a text")
    assert str(error) == "a text"
    assert error.args == ("a text",)
    assert all(getattr(error, fact) is None for fact in kind._facts)
    made = kind(**{kind._facts[0]: 7})
    again = kind(*made.args)
    assert str(again) == str(made)
    with pytest.raises(TypeError, match="no_such_fact"):
        kind("a text", no_such_fact=1)


@pytest.mark.parametrize(
    ("kind", "bases"),
    [
        (errors.ProcessError, [multiprocessing.ProcessError]),
        (
            errors.TimeoutError,
            [
                builtins.TimeoutError, multiprocessing.TimeoutError, asyncio.TimeoutError,
                concurrent.futures.TimeoutError, errors.ProcessError,
            ],
        ),
        (
            errors.WorkerDied,
            [
                concurrent.futures.process.BrokenProcessPool, concurrent.futures.BrokenExecutor,
                errors.ProcessError,
            ],
        ),
        (
            errors.InitializerError,
            [concurrent.futures.process.BrokenProcessPool, errors.ProcessError],
        ),
        (errors.PicklingError, [pickle.PicklingError]),
        (errors.UnpicklingError, [pickle.UnpicklingError, errors.PicklingError]),
        (errors.TaskExit, [RuntimeError, errors.ProcessError]),
        (errors.CancelledError, [concurrent.futures.CancelledError]),
        (errors.LargeArgumentWarning, [RuntimeWarning]),
        (errors.LargeGlobalWarning, [RuntimeWarning]),
    ],
)  # fmt: skip
def test_programs_for_the_standard_library_catch_them(kind, bases):
    for base in bases:
        assert issubclass(kind, base)


def test_worker_died_tells_item_function_worker_and_signal():
    error = errors.WorkerDied(index=17, signal=signal.SIGSEGV, pid=42, worker=3, function="resize")
    assert str(error).startswith(
        "worker 3 (pid 42) was ended by signal 11 (SIGSEGV) while it ran item 17 of resize. "
    )
    assert "native code" in str(error)
    assert (error.index, error.signal, error.pid) == (17, 11, 42)
    assert (error.worker, error.function, error.exitcode) == (3, "resize", None)


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        ({"signal": 9}, "short of memory"),
        ({"signal": 64}, "ended by signal 64"),
        ({"signal": 1000}, "ended by signal 1000"),
        ({"exitcode": 7}, "a worker exited with status 7 while it ran an item."),
        ({"exitcode": 0}, "os._exit"),
        ({}, "a worker ended while it ran an item."),
        ({"detail": "It was running for 3 s."}, "It was running for 3 s."),
    ],
)
def test_worker_died_words_what_is_known(facts, text):
    assert text in str(errors.WorkerDied(**facts))
    assert "This item is lost; the other items are not affected." in str(errors.WorkerDied(**facts))


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        ({"function": "load"}, "the initializer load failed in a worker."),
        ({"signal": 11}, "the initializer was ended by signal 11 (SIGSEGV) in a worker."),
        ({"exitcode": 1, "worker": 2, "pid": 9}, "exited with status 1 in worker 2 (pid 9)."),
        ({"detail": "It took too long."}, "It took too long."),
    ],
)
def test_initializer_error_words_what_is_known(facts, text):
    assert text in str(errors.InitializerError(**facts))


def test_unknown_facts_are_refused():
    with pytest.raises(TypeError, match="WorkerDied has no item"):
        errors.WorkerDied(item=3)


def test_public_names_are_the_classes():
    defined = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type)
        and value.__module__ == errors.__name__
        and not name.startswith("_")
    }
    assert set(errors.__all__) == defined | {"CancelledError"}
