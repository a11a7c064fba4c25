"""`Pool(processes=0)`: everything happens in the caller, for debugging."""

from __future__ import annotations

import os
import sys
import threading
import traceback

import pytest
import tasks
from support import journal

import manyhands


@pytest.fixture
def pool():
    with manyhands.Pool(processes=0) as pool:
        yield pool


def test_tasks_run_in_the_thread_that_asks(pool):
    here = os.getpid(), threading.get_ident()
    assert pool.apply(tasks.place) == here
    assert set(pool.map(tasks.place, range(5))) == {here}
    assert set(pool.imap(tasks.place, range(5))) == {here}
    assert pool.apply_async(tasks.place).get() == here


def test_every_option_of_a_pool_is_taken():
    with manyhands.Pool(
        processes=0,
        initializer=tasks.set_state,
        initargs=("ready",),
        maxtasksperchild=5,
        context="spawn",
        env={"A": "b"},
        preload=["numpy"],
        exit="wait",
        threads_per_worker=2,
    ) as pool:
        assert pool.apply(tasks.get_state) == "ready"


@pytest.mark.parametrize("ask", [lambda: manyhands.Pool(0), lambda: manyhands.Pool(processes=-1)])
def test_it_is_asked_for_by_name(ask):
    with pytest.raises(ValueError, match=r"processes must be at least 1, not .*processes=0\)"):
        ask()


def test_an_unknown_option_is_refused():
    with pytest.raises(TypeError):
        manyhands.Pool(processes=0, no_such_option=1)


def test_an_exception_leaves_through_its_own_frames(pool):
    calls = (
        lambda: pool.map(tasks.boom, [1]),
        lambda: pool.apply(tasks.boom, (1,)),
        lambda: next(pool.imap(tasks.boom, [1])),
        lambda: pool.apply_async(tasks.boom, (1,)).get(),
    )
    for call in calls:
        with pytest.raises(ValueError, match="item 1") as caught:
            call()
        assert caught.value.__cause__ is None
        frames = traceback.extract_tb(caught.value.__traceback__)
        assert frames[-1].name == "boom"
        assert frames[-1].filename == tasks.__file__


def test_map_does_not_catch_what_a_debugger_waits_for(pool):
    # An exception that passes `map` is not caught and raised again: no frame of ours re-raises it.
    seen = []

    def trace(frame, event, argument):
        if event == "exception" and "_local" in frame.f_code.co_filename:
            seen.append((frame.f_code.co_name, argument[0]))
        return trace

    sys.settrace(trace)
    try:
        with pytest.raises(ValueError, match="item 1"):
            pool.map(tasks.boom, [1])
    finally:
        sys.settrace(None)
    assert [name for name, _ in seen] == ["_map", "map"]


def raising(pool, error):
    """The ways to run a task that raises `error`, and to be told at once."""
    return (
        lambda: pool.map(tasks.raise_it, [error]),
        lambda: pool.starmap(tasks.raise_it, [(error,)]),
        lambda: pool.apply(tasks.raise_it, (error,)),
        lambda: next(pool.imap(tasks.raise_it, [error])),
        lambda: pool.apply_async(tasks.raise_it, (error,)).get(),
        lambda: pool.map_async(tasks.raise_it, [error]).get(),
    )


def test_ctrl_c_passes_straight_through(pool):
    error = KeyboardInterrupt("now")
    for call in (
        *raising(pool, error),
        lambda: pool.map(tasks.raise_it, [error], errors="return"),
    ):
        with pytest.raises(KeyboardInterrupt) as caught:
            call()
        assert caught.value is error
    assert pool.map(tasks.square, [3]) == [9]


class Own(BaseException):
    """An exception that no handler of ordinary errors catches."""


@pytest.mark.parametrize(
    "kind", [SystemExit, GeneratorExit, StopIteration, StopAsyncIteration, Own]
)
def test_what_would_steer_the_program_is_a_task_exit(pool, kind):
    error = kind("now")
    for call in raising(pool, error):
        with pytest.raises(manyhands.TaskExit, match="now") as caught:
            call()
        assert caught.value.__cause__ is error
    (kept,) = pool.map(tasks.raise_it, [error], errors="return")
    assert type(kept) is manyhands.TaskExit
    assert pool.map(tasks.square, [3]) == [9]


def test_an_iterator_ends_after_an_interrupt(pool):
    results = pool.imap(tasks.raise_it, [KeyboardInterrupt(), KeyboardInterrupt()])
    with pytest.raises(KeyboardInterrupt):
        next(results)
    assert list(results) == []


def test_map_runs_item_by_item(pool):
    events = []

    def source():
        for x in range(3):
            events.append(f"pull {x}")
            yield x

    pool.map(lambda x: events.append(f"run {x}"), source())
    assert events == ["pull 0", "run 0", "pull 1", "run 1", "pull 2", "run 2"]


@pytest.mark.parametrize("name", ["imap", "imap_unordered"])
@pytest.mark.parametrize("options", [{}, {"buffersize": 100}, {"chunksize": 7}])
def test_imap_reads_nothing_ahead(pool, name, options):
    events = []

    def source():
        for x in range(9):
            events.append(f"pull {x}")
            yield x

    results = getattr(pool, name)(lambda x: events.append(f"run {x}"), source(), **options)
    assert events == []
    next(results)
    assert events == ["pull 0", "run 0"]
    next(results)
    assert events == ["pull 0", "run 0", "pull 1", "run 1"]
    results.close()


def test_the_initializer_runs_once_and_first(tmp_path):
    log = tmp_path / "journal"
    with manyhands.Pool(processes=0, initializer=tasks.note, initargs=(log, "init")) as pool:
        pool.map(tasks.square, range(5))
        list(pool.imap(tasks.square, range(5)))
        pool.apply_async(tasks.square, (1,))
    assert journal(log) == ["init"]


def test_the_initializer_runs_once_for_all_threads(tmp_path):
    log = tmp_path / "journal"
    with manyhands.Pool(processes=0, initializer=tasks.note, initargs=(log, "init")) as pool:
        threads = [
            threading.Thread(target=pool.map, args=(tasks.square, range(5))) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert journal(log) == ["init"]


def test_nothing_is_copied(pool):
    thing = object()
    assert pool.apply(tasks.identity, (thing,)) is thing
    assert pool.map(tasks.identity, [thing])[0] is thing
    assert next(pool.imap(tasks.identity, [thing])) is thing


def test_async_results_are_ready_at_once(pool):
    assert pool.apply_async(tasks.square, (3,)).ready()
    assert pool.map_async(tasks.square, range(3)).ready()
    assert not pool.apply_async(tasks.square, (3,)).cancel()


def test_worker_is_none(pool):
    assert pool.apply(tasks.worker_identity) is None


def test_a_failing_initializer_keeps_its_traceback():
    with (
        pytest.raises(manyhands.InitializerError) as caught,
        manyhands.Pool(processes=0, initializer=tasks.init_boom, initargs=("x",)) as pool,
    ):
        pool.map(tasks.square, [1])
    assert traceback.extract_tb(caught.value.__cause__.__traceback__)[-1].name == "init_boom"


def test_ctrl_c_in_the_initializer_is_not_swallowed():
    pool = manyhands.Pool(processes=0, initializer=tasks.raise_it, initargs=(KeyboardInterrupt(),))
    with pytest.raises(KeyboardInterrupt):
        pool.apply(tasks.square, (1,))
