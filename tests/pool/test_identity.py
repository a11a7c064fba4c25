"""Who a worker says it is to `multiprocessing`."""

from __future__ import annotations

import multiprocessing
import os

import identity_tasks as tasks
import pytest
from support import run_script

import manyhands


@pytest.mark.parametrize("method", ["template", "fork", "spawn", "forkserver"])
def test_a_worker_has_its_name_its_number_and_its_parent(tmp_path, method):
    source = f"""
    import os
    import identity_tasks as tasks
    import manyhands as mp

    if __name__ == "__main__":
        with mp.Pool(2, context={method!r}) as pool:
            told = set(pool.map(tasks.who, range(40), chunksize=1))
        names = {{(f"manyhands-{{n}}", n + 1, os.getpid(), "MainProcess") for n in range(2)}}
        print(told <= names or told)
    """
    assert run_script(tmp_path, source).lines == ["True"]


def test_an_executor_and_its_replacements_too():
    with manyhands.Executor(1, max_tasks_per_child=1) as executor:
        told = list(executor.map(tasks.who, range(3)))
    assert told == [("manyhands-0", 1, os.getpid(), "MainProcess")] * 3


def test_a_fork_has_no_children_of_its_parents():
    process = multiprocessing.get_context("fork").Process(target=os.getpid)
    process.start()
    with manyhands.Pool(1, context="fork") as pool:
        assert pool.apply(tasks.children) == []
    process.join()


def test_a_worker_that_makes_a_pool_is_the_parent_of_its_workers():
    with manyhands.Pool(1) as pool:
        pid, inner = pool.apply(tasks.who_is_below)
    assert inner == ("manyhands-0", 1, pid, "manyhands-0")


def test_nothing_is_imported_for_it(tmp_path):
    source = """
    import sys
    import manyhands as mp

    def loaded():
        return "multiprocessing" in sys.modules

    def named():
        import multiprocessing
        return multiprocessing.current_process().name, multiprocessing.parent_process().name

    with mp.Pool(1) as pool:
        print(pool.apply(loaded), pool.apply(named))
    print(loaded())
    """
    outcome = run_script(tmp_path, source)
    assert outcome.lines == ["False ('manyhands-0', 'MainProcess')", "False"], outcome.err
