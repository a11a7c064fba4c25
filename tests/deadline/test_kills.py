"""Workers and templates are killed while items are over their deadlines: each has one end."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
from pathlib import Path

import hang_tasks
import pytest
from support import LIMIT, journal, processes, wait_until

import manyhands

SHORT = 0.3
ENDED = (manyhands.TaskTimeout, manyhands.WorkerDied)


def template_of(pool):
    """The template's pid: the parent of the workers."""
    worker = pool.apply(hang_tasks.pid)
    return int(Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()[1])


def workers_of(pool):
    return [pid for _, pid in pool._crew.engine.pids() if pid is not None]


def kill(pid, number=signal.SIGKILL):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


@processes
@pytest.mark.parametrize("moment", ["before", "in the grace", "when it is over"])
@pytest.mark.parametrize("victim", ["template", "worker"])
def test_a_kill_beside_a_deadline(make_pool, tmp_path, victim, moment):
    pool, log = make_pool(2), tmp_path / "journal"
    template = template_of(pool)
    results = [pool.apply_async(hang_tasks.swallow, (1,), timeout=SHORT) for _ in range(2)]
    items = [(x, "", -1, log) for x in range(50)]
    behind = pool.starmap_async(hang_tasks.one, items, errors="return")
    wait_until(lambda: all(result.running() for result in results), "the tasks did not begin")
    time.sleep({"before": 0, "in the grace": SHORT + 0.1, "when it is over": SHORT + 0.3}[moment])
    for pid in [template] if victim == "template" else workers_of(pool):
        kill(pid)
    for result in results:
        error = result.exception(LIMIT)
        assert isinstance(error, ENDED), repr(error)
    ran = journal(log)
    for x, value in enumerate(behind.get(LIMIT)):
        # The kill may have met one of these.
        assert value == hang_tasks.answer(x) or isinstance(value, manyhands.WorkerDied)
    assert len(ran) == len(set(ran)), "an item ran twice"


@processes
def test_a_worker_killed_in_the_grace_is_a_timeout(make_pool):
    pool = make_pool(1)
    pid = pool.apply(hang_tasks.pid)
    result = pool.apply_async(hang_tasks.swallow, (1,), timeout=SHORT)
    wait_until(result.running, "the task did not begin")
    time.sleep(SHORT + 0.15)
    kill(pid)
    assert isinstance(result.exception(LIMIT), manyhands.TaskTimeout)


@processes
def test_a_stopped_worker_is_ended(make_pool):
    pool = make_pool(1)
    pid = pool.apply(hang_tasks.pid)
    result = pool.apply_async(hang_tasks.sleep, (1,), timeout=SHORT)
    wait_until(result.running, "the task did not begin")
    kill(pid, signal.SIGSTOP)
    error = result.exception(LIMIT)
    assert isinstance(error, manyhands.TaskTimeout)
    assert error.killed
    assert pool.apply(hang_tasks.answer, (1,)) == 4


def storm(pool, log, seed, items):
    """Random kills of workers while one item in twenty hangs; what each item came to."""
    stop = threading.Event()

    def killer():
        rng = random.Random(seed)
        # Not so often that a dozen workers in a row are killed before they have begun anything.
        while not stop.wait(rng.uniform(0.05, 0.25)):
            alive = workers_of(pool)
            if alive:
                kill(rng.choice(alive))

    thread = threading.Thread(target=killer)
    thread.start()
    try:
        ways = sorted(hang_tasks.HANGS)
        arguments = [(x, ways[x // 20 % len(ways)], x if x % 20 == 3 else -1, log) for x in items]
        return list(pool.istarmap(hang_tasks.one, arguments, timeout=0.1, errors="return"))
    finally:
        stop.set()
        thread.join()


def check_storm(got, log):
    ran = journal(log)
    assert len(ran) == len(set(ran)), "an item ran twice"
    lost = 0
    for x, value in enumerate(got):
        if isinstance(value, manyhands.WorkerDied):
            lost += 1
        elif x % 20 == 3:
            assert isinstance(value, manyhands.TaskTimeout), repr(value)
        elif not isinstance(value, manyhands.TaskTimeout):
            assert value == hang_tasks.answer(x)
    return lost


@processes
def test_random_kills_beside_deadlines(make_pool, tmp_path):
    log = tmp_path / "journal"
    check_storm(storm(make_pool(4), log, 5, range(300)), log)


@pytest.mark.deep
@pytest.mark.timeout(900)
@processes
@pytest.mark.parametrize("seed", range(5))
def test_many_random_kills_beside_deadlines(make_pool, tmp_path, seed):
    log = tmp_path / "journal"
    check_storm(storm(make_pool(8), log, seed, range(5000)), log)


@pytest.mark.deep
@pytest.mark.timeout(1800)
@processes
def test_a_hundred_thousand_items_of_which_three_in_a_hundred_hang(make_pool):
    """Each of those fails in its deadline and the grace; all the others are right."""
    pool = make_pool(8)
    limit, items = 0.25, 100_000
    began = time.monotonic()
    got = pool.map(hang_tasks.mixed, range(items), timeout=limit, errors="return")
    spent = time.monotonic() - began
    wrong, times, kills, without = [], [], 0, 0
    for x, value in enumerate(got):
        if x % 100 in (7, 37, 67):
            if not isinstance(value, manyhands.TaskTimeout) or value.index != x:
                wrong.append((x, value))
                continue
            times.append(value.seconds)
            kills += value.killed
            without += "in mixed" not in (value.stacks or "")
        elif value != hang_tasks.answer(x):
            wrong.append((x, value))
    assert not wrong, wrong[:5]
    assert len(times) == 3 * items // 100
    times.sort()
    print(
        f"{items} items, {len(times)} timeouts in {spent:.0f} s; seconds that they ran: "
        f"median {times[len(times) // 2]:.3f}, 99 % {times[len(times) * 99 // 100]:.3f}, "
        f"longest {times[-1]:.3f}; {kills} workers ended, {without} without stacks"
    )
