"""The keys of a terminal: Ctrl-C, Ctrl-Z and `fg`, Ctrl-\\, and the closed window."""

from __future__ import annotations

import os
import signal

import pytest
from support import assert_no_process, gone, journal, state_of, wait_until
from terminal import CTRL_BACKSLASH, CTRL_C, CTRL_Z, Terminal

PROLOGUE = """
import os
import signal
import sys
import time
import manyhands as mp
import tasks

def hold(x):
    tasks.note("journal", os.getpid())
    time.sleep(1000)

def compute(x):
    tasks.note("journal", os.getpid())
    return sum(range(10**15))  # in C: no Python code runs, no signal handler either

def stubborn(x):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    tasks.note("journal", os.getpid())
    while True:
        try:
            time.sleep(1000)
        except BaseException:
            pass
"""

CALLS = {
    "map": "pool.map(TASK, range(4), 1)",
    "map-progress": "pool.map(TASK, range(4), 1, progress=lambda done, total: None)",
    "starmap": "pool.starmap(TASK, [(x,) for x in range(4)], 1)",
    "imap": "next(pool.imap(TASK, range(4), 1))",
    "imap-loop": "[x for x in pool.imap_unordered(TASK, range(4), 1)]",
    "next-timeout": "pool.imap(TASK, range(4), 1).next(1000)",
    "apply": "pool.apply_async(TASK, (1,)), pool.apply(TASK, (1,))",
    "get": "[r.get() for r in [pool.apply_async(TASK, (x,)) for x in range(4)]]",
    "get-timeout": "[r.get(1000) for r in [pool.apply_async(TASK, (x,)) for x in range(4)]]",
    "wait": "pool.map_async(TASK, range(4), 1).wait()",
    "exit-of-with": "kept = [pool.apply_async(TASK, (x,)) for x in range(4)]",
    "join": "kept = pool.map_async(TASK, range(4), 1); pool.close(); pool.join()",
    "elsewhere": "kept = pool.map_async(TASK, range(4), 1); time.sleep(1000)",
}


def script(call, task="hold", pool="mp.Pool(2)"):
    return f"""{PROLOGUE}
try:
    with {pool} as pool:
        {call.replace("TASK", task)}
except KeyboardInterrupt:
    print("INTERRUPTED")
print("END")
"""


def workers(directory):
    """The pids of two workers, once both run a task."""
    log = directory / "journal"
    wait_until(lambda: len(set(journal(log))) == 2, lambda: f"no tasks run: {journal(log)}")
    return [int(pid) for pid in set(journal(log))]


@pytest.mark.parametrize("call", CALLS)
def test_ctrl_c_is_one_interrupt_and_leaves_no_worker(tmp_path, call):
    with Terminal(tmp_path, script(CALLS[call])) as terminal:
        pids = workers(tmp_path)
        terminal.press(CTRL_C)
        assert terminal.wait_ended() == 0, terminal.text
        assert terminal.lines == ["INTERRUPTED", "END"]
        assert all(gone(pid) for pid in pids)


@pytest.mark.parametrize("task", ["compute", "stubborn"])
@pytest.mark.parametrize("call", ["map", "get"])
def test_ctrl_c_ends_tasks_that_do_not_listen(tmp_path, call, task):
    with Terminal(tmp_path, script(CALLS[call], task)) as terminal:
        pids = workers(tmp_path)
        terminal.press(CTRL_C)
        assert terminal.wait_ended() == 0, terminal.text
        assert terminal.lines == ["INTERRUPTED", "END"]
        assert all(gone(pid) for pid in pids)


def test_ctrl_c_during_the_initializer(tmp_path):
    source = script("pool.map(abs, [1])", pool="mp.Pool(2, hold, (1,))")
    with Terminal(tmp_path, source) as terminal:
        pids = workers(tmp_path)
        terminal.press(CTRL_C)
        assert terminal.wait_ended() == 0, terminal.text
        assert terminal.lines == ["INTERRUPTED", "END"]
        assert all(gone(pid) for pid in pids)


@pytest.mark.parametrize("method", ["template", "fork", "spawn", "forkserver"])
def test_ctrl_c_by_every_start_method(tmp_path, method):
    source = f"""{PROLOGUE}
if __name__ == "__main__":
    try:
        with mp.Pool(2, context={method!r}) as pool:
            pool.map(hold, range(4), 1)
    except KeyboardInterrupt:
        print("INTERRUPTED")
"""
    with Terminal(tmp_path, source) as terminal:
        pids = workers(tmp_path)
        terminal.press(CTRL_C)
        assert terminal.wait_ended() == 0, terminal.text
        assert terminal.lines == ["INTERRUPTED"]
        assert all(gone(pid) for pid in pids)


def test_ctrl_c_that_nobody_catches_is_one_traceback(tmp_path):
    source = f"{PROLOGUE}\nwith mp.Pool(2) as pool:\n    pool.map(hold, range(4), 1)\n"
    with Terminal(tmp_path, source) as terminal:
        workers(tmp_path)
        terminal.press(CTRL_C)
        assert terminal.wait_ended() == -signal.SIGINT
        assert terminal.text.count("Traceback (most recent call last)") == 1, terminal.text
        assert terminal.text.count("KeyboardInterrupt") == 1, terminal.text
        assert terminal.lines[0].startswith("Traceback")


def test_ctrl_c_without_with(tmp_path):
    source = f"{PROLOGUE}\npool = mp.Pool(2)\npool.map(hold, range(4), 1)\n"
    with Terminal(tmp_path, source) as terminal:
        workers(tmp_path)
        terminal.press(CTRL_C)
        assert terminal.wait_ended() == -signal.SIGINT
        assert terminal.text.count("KeyboardInterrupt") == 1, terminal.text


def test_ctrl_c_while_nothing_runs(tmp_path):
    source = f"""{PROLOGUE}
try:
    with mp.Pool(2) as pool:
        print(pool.map(abs, [-1]), flush=True)
        tasks.note("journal", 1), tasks.note("journal", 2)
        time.sleep(1000)
except KeyboardInterrupt:
    print("INTERRUPTED")
"""
    with Terminal(tmp_path, source) as terminal:
        workers(tmp_path)
        terminal.press(CTRL_C)
        assert terminal.wait_ended() == 0, terminal.text
        assert terminal.lines == ["[1]", "INTERRUPTED"]


def test_ctrl_c_in_the_source_of_a_map(tmp_path):
    source = f"""{PROLOGUE}
def source():
    yield 1
    yield 2
    time.sleep(1000)

try:
    with mp.Pool(2) as pool:
        pool.map(hold, source(), 1)
except KeyboardInterrupt:
    print("INTERRUPTED")
"""
    with Terminal(tmp_path, source) as terminal:
        workers(tmp_path)
        terminal.press(CTRL_C)
        assert terminal.wait_ended() == 0, terminal.text
        assert terminal.lines == ["INTERRUPTED"]


def test_a_signal_handler_of_the_program_runs_during_a_call(tmp_path):
    source = f"""{PROLOGUE}
def handler(number, frame):
    print("HANDLED", flush=True)
    tasks.touch("release")

signal.signal(signal.SIGINT, handler)

def hold_for_release(x):
    tasks.note("journal", os.getpid())
    tasks.await_file("release")
    return x

with mp.Pool(2) as pool:
    print(pool.map(hold_for_release, range(2), 1))
"""
    with Terminal(tmp_path, source) as terminal:
        workers(tmp_path)
        terminal.press(CTRL_C)
        assert terminal.wait_ended() == 0, terminal.text
        assert terminal.lines == ["HANDLED", "[0, 1]"]


def test_ctrl_z_stops_the_workers_and_fg_continues_them(tmp_path):
    source = f"""{PROLOGUE}
def work(x):
    tasks.note("journal", os.getpid())
    tasks.await_file("release")
    return x * x

with mp.Pool(2) as pool:
    print(pool.map(work, range(20)))
"""
    with Terminal(tmp_path, source) as terminal:
        pids = workers(tmp_path)
        for _ in range(2):
            terminal.press(CTRL_Z)
            terminal.wait_stopped()
            wait_until(
                lambda: all(state_of(pid) == "T" for pid in pids),
                lambda: f"workers run on: {[state_of(pid) for pid in pids]}",
            )
            terminal.foreground()
            wait_until(
                lambda: all(state_of(pid) != "T" for pid in pids), "workers are not continued"
            )
        (tmp_path / "release").touch()
        assert terminal.wait_ended() == 0, terminal.text
        assert terminal.lines == [str([x * x for x in range(20)])]


def test_ctrl_z_then_ctrl_c(tmp_path):
    with Terminal(tmp_path, script(CALLS["map"])) as terminal:
        pids = workers(tmp_path)
        terminal.press(CTRL_Z)
        terminal.wait_stopped()
        terminal.foreground()
        terminal.press(CTRL_C)
        assert terminal.wait_ended() == 0, terminal.text
        assert terminal.lines == ["INTERRUPTED", "END"]
        assert all(gone(pid) for pid in pids)


@pytest.mark.parametrize("task", ["hold", "compute", "stubborn"])
def test_ctrl_backslash_leaves_no_worker(tmp_path, task):
    with Terminal(tmp_path, script(CALLS["map"], task)) as terminal:
        workers(tmp_path)
        terminal.press(CTRL_BACKSLASH)
        assert terminal.wait_ended() == -signal.SIGQUIT
        assert terminal.lines == []
        assert_no_process(terminal.mark)


def test_a_closed_window_leaves_no_worker(tmp_path):
    with Terminal(tmp_path, script(CALLS["map"])) as terminal:
        pids = workers(tmp_path)
        terminal.hang_up()
        wait_until(lambda: all(gone(pid) for pid in pids), "workers outlive their terminal")


def test_ctrl_c_does_not_reach_the_workers(tmp_path):
    # The task goes on when the program decides to ignore the key.
    source = f"""{PROLOGUE}
signal.signal(signal.SIGINT, signal.SIG_IGN)

def work(x):
    tasks.note("journal", os.getpid())
    tasks.await_file("release")
    return x

with mp.Pool(2) as pool:
    print(pool.map(work, range(2), 1))
"""
    with Terminal(tmp_path, source) as terminal:
        workers(tmp_path)
        terminal.press(CTRL_C)
        (tmp_path / "release").touch()
        assert terminal.wait_ended() == 0, terminal.text
        assert terminal.lines == ["[0, 1]"]


def test_workers_do_not_compete_for_the_keyboard(tmp_path):
    source = f"""{PROLOGUE}
def read(x):
    tasks.note("journal", os.getpid())
    return sys.stdin.readline()

with mp.Pool(2) as pool:
    print(pool.map(read, range(2)), repr(input()))
"""
    with Terminal(tmp_path, source) as terminal:
        wait_until(lambda: journal(tmp_path / "journal"), "the program does not start")
        terminal.press(b"typed\n")
        assert terminal.wait_ended() == 0, terminal.text
        assert terminal.lines == ["['', ''] 'typed'"]


def test_sigint_from_elsewhere_to_the_whole_session(tmp_path):
    # As `timeout` or a batch system does it: every process gets the signal, the workers too.
    with Terminal(tmp_path, script(CALLS["map"])) as terminal:
        pids = workers(tmp_path)
        for pid in pids:
            os.kill(pid, signal.SIGINT)
        terminal.press(CTRL_C)
        assert terminal.wait_ended() == 0, terminal.text
        assert terminal.lines == ["INTERRUPTED", "END"]
        assert all(gone(pid) for pid in pids)
