"""How executors and futures end: with the program, by Ctrl-C, in forks, dropped, in callbacks."""

from __future__ import annotations

import concurrent.futures
import gc
import os
import signal
import threading
import weakref

import hang_tasks
import pytest
import tasks
from support import LIMIT, assert_no_process, journal, run_script, start_python, wait_until

import manyhands

PROLOGUE = """
import atexit
import concurrent.futures
import os
import sys
import threading
import time
import manyhands as mp
import tasks

def slow(x):
    time.sleep(0.1)
    return tasks.note("journal", x)
"""

# What `concurrent.futures` promises: what was submitted is done when the program has ended.
ENDS = {
    "nothing": "executor = mp.Executor(2)\nfutures = [executor.submit(slow, x) for x in range(6)]",
    "dropped executor": "executor = mp.Executor(2)\nexecutor.map(slow, range(6))\ndel executor",
    "dropped future": "[mp.Executor(2).submit(slow, x) for x in range(6)].clear()",
    "shutdown without waiting": (
        "executor = mp.Executor(2)\nexecutor.map(slow, range(6))\nexecutor.shutdown(wait=False)"
    ),
    "fork": (
        'executor = mp.Executor(2, "fork")\nfutures = [executor.submit(slow, x) for x in range(6)]'
    ),
    "exit": "executor = mp.Executor(2)\nexecutor.map(slow, range(6))\nsys.exit(0)",
    "an exception": "executor = mp.Executor(2)\nexecutor.map(slow, range(6))\nraise KeyError(1)",
}


@pytest.mark.parametrize("end", ENDS)
def test_submitted_work_is_done_at_exit(tmp_path, end):
    outcome = run_script(tmp_path, PROLOGUE + ENDS[end])
    assert sorted(journal(tmp_path / "journal")) == list("012345")
    assert outcome.code == (1 if end == "an exception" else 0)
    assert (outcome.err == "") == (end != "an exception"), outcome.err


def test_callbacks_run_at_exit(tmp_path):
    outcome = run_script(
        tmp_path,
        PROLOGUE
        + """
executor = mp.Executor(1)
for x in range(5):
    executor.submit(slow, x).add_done_callback(lambda f: print("done", f.result(), flush=True))
""",
    )
    assert outcome.lines == [f"done {x}" for x in range(5)]
    assert outcome.err == ""


def test_a_lazy_map_is_not_pulled_further_at_exit(tmp_path):
    outcome = run_script(
        tmp_path,
        PROLOGUE
        + """
import itertools
executor = mp.Executor(2)
results = executor.map(abs, itertools.count(), buffersize=3)
print(next(results))
""",
    )
    assert (outcome.code, outcome.lines, outcome.err) == (0, ["0"], "")


def test_submitting_when_the_program_has_ended(tmp_path):
    outcome = run_script(
        tmp_path,
        PROLOGUE
        + """
@atexit.register
def last():
    try:
        executor.submit(abs, 1)
    except RuntimeError as error:
        print(error)

executor = mp.Executor(1)
print(executor.submit(abs, -1).result())
""",
    )
    assert outcome.lines == ["1", "cannot schedule new futures after interpreter shutdown"]
    assert outcome.err == ""


INTERRUPTED = {
    "at top level": "futures = [executor.submit(hold) for _ in range(4)]\nfutures[0].result()",
    "with": (
        "with executor:\n    futures = [executor.submit(hold) for _ in range(4)]\n"
        "    futures[0].result()"
    ),
    "end of with": "with executor:\n    futures = [executor.submit(hold) for _ in range(4)]",
    "map": "for x in executor.map(hold, range(4)):\n    print(x)",
    "wait": "concurrent.futures.wait([executor.submit(hold) for _ in range(4)])",
    "shutdown": "futures = [executor.submit(hold) for _ in range(4)]\nexecutor.shutdown()",
    "exit": "futures = [executor.submit(hold) for _ in range(4)]",
}


@pytest.mark.parametrize("where", INTERRUPTED)
def test_ctrl_c(tmp_path, where):
    script = tmp_path / "script.py"
    script.write_text(
        PROLOGUE
        + """
def hold(_=None):
    tasks.note("journal", os.getpid())
    time.sleep(1000)

executor = mp.Executor(2)
"""
        + INTERRUPTED[where]
    )
    process, mark = start_python([str(script)], cwd=tmp_path)
    wait_until(lambda: len(journal(tmp_path / "journal")) == 2, "the tasks do not start")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=LIMIT)
    assert_no_process(mark)
    assert out == ""
    assert err.count("KeyboardInterrupt") == 1, err
    assert process.returncode == (0 if where == "exit" else -signal.SIGINT)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_cannot_use_what_it_inherits(tmp_path):
    with manyhands.Executor(1) as executor:
        future = executor.submit(tasks.await_file, tmp_path / "release")
        child = os.fork()
        if child == 0:
            refused = 0
            uses = [
                future.result,
                future.exception,
                lambda: executor.submit(abs, 1),
                lambda: executor.map(abs, [1]),
            ]
            for use in uses:
                try:
                    use()
                except RuntimeError as error:
                    refused += "parent" in str(error)
            executor.shutdown()
            os._exit(refused)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 4
        tasks.touch(tmp_path / "release")
        assert future.result(LIMIT) is None


def test_a_future_outlives_its_executor(tmp_path):
    executor = manyhands.Executor(1)
    futures = [executor.submit(tasks.await_file, tmp_path / "release")]
    futures += [executor.submit(tasks.square, x) for x in range(20)]
    dropped = weakref.ref(executor)
    del executor
    gc.collect()
    assert dropped() is None
    tasks.touch(tmp_path / "release")
    assert [f.result(LIMIT) for f in futures] == [None, *(x * x for x in range(20))]


def test_arguments_and_results_are_not_kept(tmp_path):
    with manyhands.Executor(1) as executor:
        argument = tasks.Point(1, 2)
        future = executor.submit(tasks.identity, argument)
        kept = [weakref.ref(argument), weakref.ref(future.result(LIMIT)), weakref.ref(future)]
        del argument, future

        def gone():
            gc.collect()
            return [ref() for ref in kept] == [None] * 3

        wait_until(gone, "an executor keeps what its futures had")


def test_shutdown_in_a_callback():
    executor = manyhands.Executor(1)
    errors, called = [], threading.Event()

    def end(_):
        try:
            executor.shutdown()
        except RuntimeError as error:
            errors.append(str(error))
        executor.shutdown(wait=False)
        called.set()

    executor.submit(tasks.square, 3).add_done_callback(end)
    assert called.wait(LIMIT)
    assert "wait=False" in errors[0]
    executor.shutdown()


def test_submit_in_a_callback():
    done = threading.Event()
    with manyhands.Executor(1) as executor:

        def again(future):
            value = future.result()
            if value < 5:
                executor.submit(tasks.add, value, 1).add_done_callback(again)
            else:
                done.set()

        executor.submit(tasks.identity, 0).add_done_callback(again)
        assert done.wait(LIMIT)


def test_a_callback_asks_for_other_futures(tmp_path):
    seen, settled, done = [], [], threading.Event()
    with manyhands.Executor(2) as executor:

        def ask(_):
            later = executor.submit(tasks.square, 5)
            later.add_done_callback(settled.append)
            seen.extend([other.result(), later.result(), type(failing.exception())])
            with pytest.raises(concurrent.futures.TimeoutError):
                held.result(0.05)
            with pytest.raises(RuntimeError, match="wait=False"):
                executor.shutdown()
            (tmp_path / "release").touch()
            seen.append(held.result())
            done.set()

        held = executor.submit(tasks.hold, tmp_path / "started", tmp_path / "release")
        first = executor.submit(tasks.square, 3)
        other = executor.submit(tasks.square, 4)
        failing = executor.submit(tasks.raise_it, KeyError(1))
        for future in (first, other, failing, held):
            future.add_done_callback(settled.append)
        executor.submit(tasks.square, 6).add_done_callback(ask)
        assert done.wait(LIMIT)
    assert seen == [16, 25, KeyError, "held"]
    assert len(settled) == 5 == len(set(settled))


@pytest.mark.parametrize("error", [ValueError, SystemExit, KeyboardInterrupt])
def test_a_callback_that_raises_stops_nobody(error, capsys, caplog):
    with manyhands.Executor(1) as executor:
        future = executor.submit(tasks.square, 3)
        future.add_done_callback(lambda _: tasks.raise_it(error("of a callback")))
        assert future.result(LIMIT) == 9
        assert executor.submit(tasks.square, 4).result(LIMIT) == 16
    assert "of a callback" in capsys.readouterr().err + caplog.text


def test_wait_learns_of_what_is_cancelled(tmp_path):
    with manyhands.Executor(1) as executor:
        held = executor.submit(tasks.hold, tmp_path / "started", tmp_path / "release")
        tasks.await_file(tmp_path / "started")
        futures = [executor.submit(tasks.square, x) for x in range(50)]
        threading.Timer(0.05, lambda: [future.cancel() for future in futures]).start()
        done, pending = concurrent.futures.wait(futures, LIMIT)
        assert (len(done), len(pending)) == (50, 0)
        assert all(future.cancelled() for future in done)
        assert list(concurrent.futures.as_completed(futures, LIMIT))
        assert not held.cancel()
        tasks.touch(tmp_path / "release")
    assert held.result(0) == "held"


def test_many_futures_are_cancelled_at_once(tmp_path):
    executor = manyhands.Executor(1)
    held = executor.submit(tasks.hold, tmp_path / "started", tmp_path / "release")
    tasks.await_file(tmp_path / "started")
    futures = [executor.submit(tasks.square, x) for x in range(20_000)]
    executor.shutdown(wait=False, cancel_futures=True)
    assert len(concurrent.futures.wait(futures, LIMIT).done) == 20_000
    assert not held.cancelled()
    tasks.touch(tmp_path / "release")
    executor.shutdown()
    assert held.result(0) == "held"


@pytest.mark.parametrize(
    ("end", "number"), [("terminate_workers", signal.SIGTERM), ("kill_workers", signal.SIGKILL)]
)
def test_what_ran_when_the_workers_were_ended(tmp_path, end, number):
    executor = manyhands.Executor(1)
    ran = executor.submit(tasks.hold, tmp_path / "started", tmp_path / "never")
    waited = executor.submit(tasks.square, 3)
    tasks.await_file(tmp_path / "started")
    getattr(executor, end)()
    error = ran.exception(LIMIT)
    assert isinstance(error, manyhands.WorkerDied)
    assert (error.signal, error.function) == (number, "hold")
    concurrent.futures.wait([waited], LIMIT)
    assert waited.cancelled()
    executor.shutdown()


def test_every_future_learns_of_a_failed_initializer(tmp_path):
    log = tmp_path / "journal"
    executor = manyhands.Executor(2, initializer=tasks.wait_then_boom, initargs=(log,))
    futures = [executor.submit(tasks.square, x) for x in range(20)]
    tasks.touch(log)
    for future in futures:
        assert isinstance(future.exception(LIMIT), concurrent.futures.process.BrokenProcessPool)
    for use in (lambda: executor.submit(abs, 1), lambda: executor.map(abs, [1])):
        with pytest.raises(manyhands.InitializerError) as caught:
            use()
        assert isinstance(caught.value.__cause__, tasks.OwnError)
    executor.shutdown()


def test_every_future_learns_of_an_initializer_that_hangs():
    hangs = {"initializer": hang_tasks.sleep, "initargs": (1,), "initializer_timeout": 2}
    with manyhands.Executor(2, **hangs) as executor:
        futures = [executor.submit(tasks.square, x) for x in range(20)]
        for future in futures:
            with pytest.raises(manyhands.InitializerError, match="not returned within 2 s"):
                future.result(LIMIT)
        with pytest.raises(manyhands.InitializerError):
            executor.submit(tasks.square, 1).result(LIMIT)
