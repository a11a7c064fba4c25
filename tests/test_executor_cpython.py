"""CPython's own tests of its executors, run on ours, where this Python carries them.

They are a package since 3.11.5, which `make install` leaves out before 3.13.

The classes are the standard library's, bound to `manyhands.Executor`. What is left out stands
below, each with its reason: it reads private attributes, or asks for what we do otherwise on
purpose (docs/compatibility.md).
"""

from __future__ import annotations

import multiprocessing
import time
import unittest
from multiprocessing import resource_tracker

import pytest

import manyhands

pytest.importorskip("test", reason="this Python has no test package")
pytest.importorskip(
    "test.test_concurrent_futures",
    reason="this Python's test package was installed without test_concurrent_futures",
)

from test import support
from test.test_concurrent_futures import (
    executor,
    test_as_completed,
    test_deadlock,
    test_init,
    test_process_pool,
    test_shutdown,
    test_wait,
    util,
)

METHODS = ("template", "fork")

PROCESSES = "reads the private _processes"
THREAD = "reads the private _executor_manager_thread"
ONE_CALL = "fails one call, not the executor"
EXIT = "a task's SystemExit arrives as TaskExit"
NAMED = "imports the executor by name from concurrent.futures: see tests/test_executor_life.py"
PATCHED = "patches private threads of the standard executor"

LEFT_OUT = {
    "test_killed_child": PROCESSES,
    "test_saturation": PROCESSES,
    "test_idle_process_reuse_one": PROCESSES,
    "test_idle_process_reuse_multiple": PROCESSES,
    "test_max_tasks_per_child": PROCESSES,
    "test_processes_terminate": PROCESSES,
    "test_context_manager_shutdown": "makes the standard executor",
    "test_del_shutdown": "makes the standard executor",
    "test_shutdown_no_wait": "makes the standard executor",
    "test_shutdown_deadlock_pickle": THREAD,
    "test_python_finalization_error": PATCHED,
    "test_gh105829_should_not_deadlock_if_wakeup_pipe_full": PATCHED,
    "test_max_tasks_per_child_defaults_to_spawn_context": "every start method can replace workers",
    "test_traceback": "the cause is a manyhands.RemoteTraceback",
    "test_max_workers_too_large": "a limit of Windows",
    "test_cancel_futures": "expects that some have started: what has not is cancelled here",
    "test_interpreter_shutdown": NAMED,
    "test_submit_after_interpreter_shutdown": NAMED,
    "test_hang_gh83386": NAMED,
    "test_exit_during_func_exec_on_worker": EXIT,
    "test_exit_during_result_pickle_on_worker": EXIT,
    "test_error_at_task_unpickle": ONE_CALL,
    "test_exit_at_task_unpickle": ONE_CALL,
    "test_error_during_result_unpickle_in_result_handler": ONE_CALL,
    "test_exit_during_result_unpickle_in_result_handler": ONE_CALL,
}

CASES = {
    "Submit": test_process_pool.ProcessPoolExecutorTest,
    "Wait": test_wait.WaitTests,
    "AsCompleted": test_as_completed.AsCompletedTests,
    "Initializer": test_init.InitializerMixin,
    "Shutdown": test_shutdown.ProcessPoolShutdownTest,
    "Deadlock": test_deadlock.ExecutorDeadlockTest,
}


class Ours(util.ExecutorMixin):
    """Makes our executor where the tests want theirs; locks are the standard library's."""

    executor_type = manyhands.Executor
    method: str

    def setUp(self):
        unittest.TestCase.setUp(self)
        self.t1 = time.monotonic()
        self.executor = manyhands.Executor(self.worker_count, self.method, **self.executor_kwargs)

    def get_context(self):
        return multiprocessing.get_context("spawn")


def bound(case, method):
    """The class of tests `case`, bound to our executor with this start method."""
    body = {name: None for name in LEFT_OUT if hasattr(case, name)}
    return type(case.__name__, (case, Ours, unittest.TestCase), {**body, "method": method})


for method in METHODS:
    for name, case in CASES.items():
        globals()[f"Test{name}{method.capitalize()}"] = bound(case, method)


@pytest.fixture(scope="module", autouse=True)
def tracker():
    """The standard library's helper process, which its locks start, is there before each test."""
    resource_tracker.ensure_running()


def test_nothing_is_left_out_that_is_not_there():
    known = {name for case in CASES.values() for name in dir(case)}
    not_everywhere = {name for name, why in LEFT_OUT.items() if why in (NAMED, PATCHED)}
    assert LEFT_OUT.keys() - known <= not_everywhere
    assert issubclass(test_process_pool.ProcessPoolExecutorTest, executor.ExecutorTest)
    assert support.use_resources is None
