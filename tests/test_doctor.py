"""The doctor: what workers do, who waits for whom, and the circle if there is one."""

from __future__ import annotations

import contextlib
import mmap
import os
import signal
import subprocess
import sys
import textwrap
import time

import doctor_tasks
import pytest

import manyhands
from manyhands._deadlock import Wait, Waiting, arrows, explain, find_cycle
from manyhands._threads_of import command_of, descendants, is_over, user_of

SECONDS = 50

pytestmark = pytest.mark.usefixtures("template_up")


@pytest.fixture(scope="module")
def template_up(warmed_up):
    """The template of processes stays for the next one: it is there before the first test looks."""
    process = manyhands.Process(target=abs, args=(1,))
    process.start()
    process.join()


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


@pytest.mark.parametrize("method", ["template", "fork"])
def test_a_task_without_handlers_of_signals_goes_on(tmp_path, method):
    event, log = manyhands.Event(), tmp_path / "log"
    with manyhands.Pool(1, context=method) as pool:
        result = pool.apply_async(doctor_tasks.reset_signals, (log, event))
        wait_for(log.exists, bool)
        (worker,) = pool.doctor().workers
        assert worker.state == "busy"
        assert worker.stacks is None
        event.set()
        assert result.get(20) == "done"


def test_a_worker_that_runs_another_program_goes_on(tmp_path):
    log = tmp_path / "log"
    with manyhands.Pool(1) as pool:
        result = pool.apply_async(doctor_tasks.become_another_program, (log,))
        pid = wait_for(lambda: log.exists() and log.read_text(), bool)
        wait_for(lambda: command_of(int(pid)), lambda found: found.startswith("sh -c"))
        assert pool.doctor().workers[0].stacks is None
        log.unlink()
        with pytest.raises(manyhands.WorkerDied) as caught:
            result.get(20)
    assert caught.value.exitcode == 7


def test_the_stacks_of_the_program_itself(make_pool):
    text = str(make_pool().doctor())
    assert "test_the_stacks_of_the_program_itself" in text
    assert str(os.getpid()) in text


def test_an_import_that_makes_forking_unsafe_is_named(tmp_path, monkeypatch):
    (tmp_path / "starts_a_thread.py").write_text(
        "import threading, time\n"
        "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
        "def answer(x): return x + 1\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    preload = ["starts_a_thread", "not_there_at_all"]
    with manyhands.Pool(1, preload=preload) as pool:
        assert pool.apply(abs, (-1,)) == 1
        diagnosis = pool.doctor()
    notes = diagnosis.notes
    assert (
        "each worker imports starts_a_thread, and not their template: it starts a thread" in notes
    )
    assert any(note.startswith("not_there_at_all could not be imported early: ") for note in notes)
    assert notes[0] in str(diagnosis)


def test_processes_show_what_they_do():
    event, started = manyhands.Event(), manyhands.Event()
    process = manyhands.Process(target=doctor_tasks.wait_for_event, args=(event, started))
    with manyhands.Pool(1) as pool:
        process.start()
        assert started.wait(20)
        look = lambda: [one for one in pool.doctor().processes if one.pid == process.pid]  # noqa: E731
        (shown,) = wait_for(look, lambda shown: shown and shown[0].stacks)
        assert "in wait_for_event" in shown.stacks
        assert f"process {process.pid}: " in str(pool.doctor())
        event.set()
        process.join()
        assert not look()


def test_who_has_a_queue_may_put_something():
    ask, answer, both = manyhands.Queue(), manyhands.Queue(), manyhands.Barrier(2)
    one = manyhands.Process(target=doctor_tasks.get_then_put, args=(ask, answer, both))
    two = manyhands.Process(target=doctor_tasks.get_then_put, args=(answer, ask, both))
    with manyhands.Pool(1) as pool:
        for process in (one, two):
            process.start()
        seen = wait_for(pool.doctor, lambda seen: len(_waited_for(seen)) == 2)
    waited = {state.waiters: state for state in _waited_for(seen)}
    assert waited[one.pid,].holders == tuple(sorted((os.getpid(), one.pid, two.pid)))
    # They wait for each other, and for this process, which does something else.
    assert not seen.cycle
    ask.put("an item")
    for process in (one, two):
        process.join(20)
        assert process.exitcode == 0


def _waited_for(seen):
    return [state for state in seen.objects if state.kind == "Queue" and state.waiters]


# Circles


def lock(owner):
    return Wait("a lock, which GIVER holds", frozenset((owner,)), owned=True)


def either(*givers):
    return Wait("an item, which GIVER could put", frozenset(givers))


def found(only=True, **waits):
    """The arrows, to look for a circle in; `_11` is process 11."""
    return arrows({int(name[1:]): Waiting(tuple(these), only) for name, these in waits.items()})


def test_a_circle_is_found_in_its_order():
    seen = found(_12=[lock(11)], _13=[lock(12)], _11=[lock(13)])
    assert find_cycle(seen) == (11, 13, 12)
    assert explain((11, 13, 12), seen)[1] == "13 waits for a lock, which 12 holds"
    assert find_cycle(found(_11=[lock(11)])) == (11,)
    assert find_cycle(found(_12=[lock(11)], _11=[lock(12), lock(9)], _8=[lock(9)])) == (11, 12)


def test_what_is_no_circle():
    assert find_cycle({}) == ()
    assert find_cycle(found(_12=[lock(11)], _13=[lock(11), lock(12)])) == ()


def test_a_wait_that_anybody_may_end_is_hopeless_only_if_all_of_them_wait():
    seen = found(_11=[either(12, 13)], _12=[either(11)], _13=[lock(11)])
    assert find_cycle(seen) in ((11, 12), (11, 13))
    assert sorted(seen[11]) == [12, 13]
    assert find_cycle(found(_11=[either(12, 13)], _12=[either(11)])) == ()
    assert find_cycle(found(_11=[either()])) == ()
    # A lock and a queue in one circle.
    assert find_cycle(found(_11=[either(12)], _12=[lock(11)])) == (11, 12)


def test_who_does_something_else_as_well_may_end_a_wait():
    assert find_cycle(found(only=False, _11=[either(12)], _12=[either(11)])) == ()
    # But not that for a lock: that circle is told all the same.
    assert find_cycle(found(only=False, _11=[lock(12)], _12=[lock(11)])) == (11, 12)


# From outside


def command(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "manyhands", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


@contextlib.contextmanager
def another_program(script, stdin=None):
    folder = os.path.dirname(doctor_tasks.__file__)  # noqa: PTH120 - a path for the environment
    program = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)],
        stdin=stdin,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": folder},
    )
    try:
        yield program
    finally:
        program.kill()
        program.communicate()


def test_the_report_of_the_machine():
    done = command("doctor")
    assert done.returncode == 0, done.stderr
    for word in ("manyhands ", "python: CPython", "cores: ", "memory: ", "open files", "gpus: "):
        assert word in done.stdout
    assert "started, worked and ended" in done.stdout
    assert "not known" not in done.stdout


def test_a_circle_by_queues_and_a_pool_is_seen_from_outside():
    script = """
        import manyhands, doctor_tasks
        ask, answer, both = manyhands.Queue(), manyhands.Queue(), manyhands.Barrier(2)
        with manyhands.Pool(2) as pool:
            print("there", flush=True)
            pool.starmap(doctor_tasks.get_then_put, [(ask, answer, both), (answer, ask, both)], 1)
    """
    with another_program(script) as program:
        assert program.stdout.readline() == "there\n"
        done = wait_for(
            lambda: command("stacks", program.pid), lambda done: "DEADLOCK" in done.stdout
        )
        assert done.returncode == 0
        verdict = next(line for line in done.stdout.splitlines() if "DEADLOCK" in line)
        assert f"{program.pid} waits for a pool's results, which " in verdict
        assert "waits for an item of Queue 0x" in verdict


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
    with another_program(script) as program:
        assert program.stdout.readline() == "there\n"
        done = wait_for(
            lambda: command("stacks", program.pid),
            # On a busy machine a worker may be too late with its stack.
            lambda done: "DEADLOCK" in done.stdout and done.stdout.count("in hold_then_wait") == 2,
        )
        assert done.returncode == 0
        # The program itself, in C.
        assert '"<string>"' in done.stdout
        workers = [pid for pid in descendants(program.pid) if f"(pid {pid}): busy" in done.stdout]
        assert len(workers) == 2


def test_a_task_without_handlers_of_signals_goes_on_when_it_is_seen_from_outside(tmp_path):
    script = f"""
        import manyhands, doctor_tasks
        from pathlib import Path
        event = manyhands.Event()
        with manyhands.Pool(1) as pool:
            log = Path({str(tmp_path / "log")!r})
            result = pool.apply_async(doctor_tasks.reset_signals, (log, event))
            while not log.exists():
                result.wait(0.01)
            print("there", flush=True)
            input()
            event.set()
            print(result.get(20), flush=True)
    """
    with another_program(script, stdin=subprocess.PIPE) as program:
        assert program.stdout.readline() == "there\n"
        done = command("stacks", program.pid)
        assert done.returncode == 0, done.stderr
        assert "busy" in done.stdout
        program.stdin.write("\n")
        program.stdin.flush()
        assert program.stdout.readline() == "done\n"


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


def test_a_process_that_has_ended_and_is_not_waited_for():
    over = subprocess.Popen(["true"])
    wait_for(lambda: is_over(over.pid), bool)
    done = command("stacks", over.pid)
    over.wait()
    assert done.returncode == 1
    assert "has ended" in done.stderr


def test_a_copy_of_a_program_whose_workers_are_gone():
    script = """
        import os, time, manyhands
        pool = manyhands.Pool(2)
        workers = pool.map(lambda _: os.getpid(), range(2))
        copy = os.fork()
        if not copy:
            time.sleep(60)
            os._exit(0)
        pool.terminate()
        pool.join()
        print(copy, flush=True)
        time.sleep(60)
    """
    with another_program(script) as program:
        copy = int(program.stdout.readline())
        done = command("stacks", copy)
        os.kill(copy, signal.SIGKILL)
    assert done.returncode == 0, done.stderr
    assert ": has ended, or may not be looked into" in done.stdout


def test_the_signal_goes_only_to_who_has_the_lane():
    sleeper = subprocess.Popen(["sleep", "60"])
    try:
        with os.fdopen(os.memfd_create("lane"), "w+b") as file:
            file.truncate(4096)
            inode = os.fstat(file.fileno()).st_ino
            among = (os.getpid(), sleeper.pid)
            assert user_of(sleeper.pid, inode, among) is None
            with mmap.mmap(file.fileno(), 4096):
                assert user_of(os.getpid(), inode, among) == os.getpid()
                assert user_of(sleeper.pid, inode, among) is None
    finally:
        sleeper.kill()
        sleeper.wait()


def test_processes_of_another_program():
    script = """
        import manyhands, doctor_tasks
        event, started = manyhands.Event(), manyhands.Event()
        process = manyhands.Process(target=doctor_tasks.wait_for_event, args=(event, started))
        process.start()
        started.wait()
        print(process.pid, flush=True)
        process.join()
    """
    with another_program(script) as program:
        child = int(program.stdout.readline())
        wanted = (f"process {child}: ", "in wait_for_event", "in join", "Event 0x")
        done = wait_for(
            lambda: command("stacks", program.pid),
            lambda done: all(text in done.stdout for text in wanted),
        )
        assert done.returncode == 0
