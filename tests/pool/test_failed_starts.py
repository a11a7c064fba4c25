"""Workers that end before they have begun: the pool goes on, and gives up if that never ends."""

from __future__ import annotations

import errno
import multiprocessing
import os
import time

import pytest
import tasks
from support import run_script

import manyhands


class StillbornContext:
    """A context whose processes end before they have looked for work, all or the first so many."""

    def __init__(self, births):
        self._births = births
        self._fork = multiprocessing.get_context("fork")

    def Process(self, target, args, daemon):  # noqa: N802 - the name that a context has
        self._births -= 1
        if self._births >= 0:
            target, args = os._exit, (7,)
        return self._fork.Process(target=target, args=args, daemon=daemon)


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_workers_that_never_start_fail_the_pool(workers):
    pool = manyhands.Pool(workers, context=StillbornContext(10_000))
    with pytest.raises(manyhands.LaunchError, match=r"before they c(ould|an) run anything"):
        pool.apply(tasks.square, (3,))
    pool.terminate()
    pool.join()
    # Who watches over all pools is well.
    with manyhands.Pool(1) as pool:
        assert pool.apply(tasks.square, (3,)) == 9


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_a_script_without_its_guard_is_told_of_it(tmp_path, method):
    source = f"""
    import manyhands as mp

    with mp.Pool(2, context={method!r}) as pool:
        pool.map(abs, [1])
    """
    outcome = run_script(tmp_path, source)
    assert outcome.code == 1
    assert "panicked" not in outcome.err
    last = outcome.err.strip().splitlines()[-1]
    assert last.startswith("manyhands.errors.LaunchError")
    assert 'must stand under `if __name__ == "__main__":`' in last


def test_a_bad_start_is_survived():
    with manyhands.Pool(1, context=StillbornContext(6)) as pool:
        assert pool.apply(tasks.square, (3,)) == 9


class LastWorkerContext:
    """A context whose first process is late, whose second one ends at once; it makes no more."""

    def __init__(self):
        self._fork = multiprocessing.get_context("fork")
        self._targets = [_late, _end]

    def Process(self, target, args, daemon):  # noqa: N802 - the name that a context has
        if not self._targets:
            raise BlockingIOError(errno.EAGAIN, "no process can be started")
        wrapped = self._targets.pop(0)
        return self._fork.Process(target=wrapped, args=(target, args), daemon=daemon)


def _late(target, args):
    time.sleep(1)
    target(*args)


def _end(_target, _args):
    os._exit(7)


def test_a_worker_on_its_way_is_waited_for_where_no_other_one_can_be_launched():
    with manyhands.Pool(2, context=LastWorkerContext()) as pool:
        assert pool.map(tasks.square, [2, 3]) == [4, 9]
