"""The doctor: what workers do, who waits for whom, and the circle if there is one."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time

import doctor_tasks
import pytest

import manyhands
from manyhands._doctor import ObjectState, find_cycle
from manyhands._threads_of import descendants

SECONDS = 50


def wait_for(look, wanted):
    """What `look()` gives, once it is `wanted`."""
    deadline = time.monotonic() + 20
    while True:
        found = look()
        if wanted(found):
            return found
        assert time.monotonic() < deadline, f"it never came to that:\n{found}"


def test_what_a_worker_runs_and_what_waits():
    event, started = manyhands.Event(), manyhands.Event()
    with manyhands.Pool(1, initializer=_set_up, initargs=(event, started)) as pool:
        result = pool.map_async(_wait_for_it, range(5), 1)
        assert started.wait(20)
        seen = wait_for(pool.doctor, lambda seen: seen.workers[0].waiting)
        (worker,) = seen.workers
        assert worker.state == "busy"
        assert worker.function == "_wait_for_it"
        assert worker.index == 0
        assert 0 <= worker.seconds < SECONDS
        assert f"(pid {worker.pid}): busy" in str(seen)
        assert "item 0 of _wait_for_it" in str(seen)
        assert "in wait_for_event" in worker.stacks
        assert "in wait_for_event" in str(seen)
        waited = [one for one in seen.objects if one.kind == "Event" and one.waiters]
        event.set()
        result.get()
        assert worker.pid in waited[0].waiters
        idle = wait_for(pool.doctor, lambda seen: seen.workers[0].state == "idle")
    assert idle.workers[0].function is None
    assert idle.cycle == ()


def _set_up(event, started):
    global _event, _started
    _event, _started = event, started


def _wait_for_it(_x):
    doctor_tasks.wait_for_event(_event, _started)


def test_a_deadlock_of_two_workers_is_named():
    one, two, both = manyhands.Lock(), manyhands.Lock(), manyhands.Barrier(2)
    with manyhands.Pool(2) as pool:
        calls = [
            pool.apply_async(doctor_tasks.hold_then_wait, (one, two, both, 1)),
            pool.apply_async(doctor_tasks.hold_then_wait, (two, one, both, 2)),
        ]
        seen = wait_for(pool.doctor, lambda seen: seen.cycle)
        assert sorted(seen.cycle) == sorted(worker.pid for worker in seen.workers)
        assert "DEADLOCK" in str(seen)
        locks = [state for state in seen.objects if state.kind == "Lock" and state.owner]
        assert len(locks) == 2
        assert {state.owner for state in locks} == {state.waiters[0] for state in locks}
        pool.terminate()
    del calls


def test_queues_are_shown_while_they_hold_something():
    queue = manyhands.Queue(7)
    queue.put("x")
    with manyhands.Pool(1) as pool:
        pool.map(abs, [1])
        (shown,) = [one for one in pool.doctor().objects if one.facts.get("most") == 7]
        assert (shown.kind, shown.facts["items"]) == ("Queue", 1)
        queue.get()
        assert not [one for one in pool.doctor().objects if one.facts.get("most") == 7]


def test_the_stacks_of_the_program_itself(make_pool):
    text = str(make_pool().doctor())
    assert "test_the_stacks_of_the_program_itself" in text
    assert str(os.getpid()) in text


# Circles


def lock(name, owner, *waiters):
    return ObjectState("Lock", name, {}, owner, waiters)


def test_a_circle_is_found_in_its_order():
    assert find_cycle([lock(1, 11, 12), lock(2, 12, 13), lock(3, 13, 11)]) == (11, 13, 12)
    assert find_cycle([lock(1, 11, 11)]) == (11,)
    tail = [lock(1, 11, 12), lock(2, 12, 11), lock(3, 11, 9), lock(4, 9, 8)]
    assert find_cycle(tail) == (11, 12)


def test_what_is_no_circle():
    assert find_cycle([]) == ()
    assert find_cycle([lock(1, 11, 12, 13), lock(2, 12, 13)]) == ()
    assert find_cycle([lock(1, None, 12), lock(2, 12, 11)]) == ()


# From outside


def command(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "manyhands", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def test_the_report_of_the_machine():
    done = command("doctor")
    assert done.returncode == 0, done.stderr
    for word in ("manyhands ", "python: CPython", "cores: ", "memory: ", "open files", "gpus: "):
        assert word in done.stdout
    assert "started, worked and ended" in done.stdout
    assert "not known" not in done.stdout


def test_a_program_that_does_not_move_is_seen_from_outside():
    script = """
        import manyhands, doctor_tasks
        one, two, both = manyhands.Lock(), manyhands.Lock(), manyhands.Barrier(2)
        with manyhands.Pool(2) as pool:
            calls = [
                pool.apply_async(doctor_tasks.hold_then_wait, (one, two, both, 1)),
                pool.apply_async(doctor_tasks.hold_then_wait, (two, one, both, 2)),
            ]
            print("there", flush=True)
            for call in calls:
                call.wait()
    """
    folder = os.path.dirname(doctor_tasks.__file__)  # noqa: PTH120 - a path for the environment
    program = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": folder},
    )
    try:
        assert program.stdout.readline() == "there\n"
        done = wait_for(
            lambda: command("stacks", program.pid),
            # On a busy machine a worker may be too late with its stack.
            lambda done: "DEADLOCK" in done.stdout and done.stdout.count("in hold_then_wait") == 2,
        )
        assert done.returncode == 0
        workers = [pid for pid in descendants(program.pid) if f"(pid {pid}): busy" in done.stdout]
        assert len(workers) == 2
    finally:
        program.kill()
        program.communicate()


@pytest.mark.parametrize("pid", [2**22, 0])
def test_a_process_that_is_not_there(pid):
    done = command("stacks", pid)
    assert done.returncode == 1
    assert "there is no process" in done.stderr


def test_a_process_without_manyhands():
    sleeper = subprocess.Popen(["sleep", "60"])
    try:
        done = command("stacks", sleeper.pid)
    finally:
        sleeper.kill()
        sleeper.wait()
    assert done.returncode == 0, done.stderr
    assert "nothing of manyhands is in use" in done.stdout
    assert "sleep 60" in done.stdout
