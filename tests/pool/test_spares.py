"""The process that is forked ahead for a worker whose share ends, and workers killed at the end."""

from __future__ import annotations

import os
import signal

import pytest
import spare_tasks
import tasks
from support import gone, processes

pytestmark = processes


def test_a_replacement_is_forked_while_the_old_worker_runs(make_pool):
    pool = make_pool(1, maxtasksperchild=1)
    for _ in range(3):
        (spare,) = pool.apply(spare_tasks.await_sibling)
        assert pool.apply(tasks.pid) == spare


def test_a_spare_that_is_killed_costs_nothing(make_pool):
    pool = make_pool(1, initializer=tasks.set_state, initargs=("ready",), maxtasksperchild=1)
    for _ in range(4):
        spare = pool.apply(spare_tasks.kill_sibling)
        assert gone(spare)
        assert pool.map(tasks.get_state, range(3)) == ["ready"] * 3


@pytest.mark.parametrize("end", ["close", "shrink"])
def test_a_worker_killed_before_it_answers_the_stop(make_pool, tmp_path, end):
    pool = make_pool(2)
    places = pool.starmap(tasks.meet, [(tmp_path, n, 2) for n in range(2)], 1)
    pids = {pid for pid, _ in places}
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    if end == "shrink":
        pool.shrink(1)
    else:
        pool.close()
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    if end == "shrink":
        assert pool.map(tasks.square, range(20)) == [x * x for x in range(20)]
        pool.close()
    pool.join()
