"""The user's own fork while processes run: the copy is no parent of them, and both go on."""

from __future__ import annotations

import pytest
from support import run_script

# From 3.12 on Python warns of a fork beside threads, which is what is tried here.
FORK_BESIDE_THREADS = """
import warnings

warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
"""

# A thread of the parent is in the middle of burying a process while the main thread forks.
IN_THE_MIDDLE = """
import os
import signal
import threading
import time

import manyhands as mp

def leave(code):
    os._exit(code)

def in_a_copy(work):
    pid = os.fork()
    if pid == 0:
        signal.alarm(8)  # it ends a copy that hangs
        code = 99
        try:
            code = work()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

if __name__ == "__main__":
    context = mp.get_context({method!r})
    process = context.Process(target=time.sleep, args=(60,))
    process.start()
    held, over = threading.Event(), threading.Event()
    popen = process._popen

    def reap(timeout, own=popen._reap):
        held.set()
        over.wait(60)
        return own(timeout)

    popen._reap = reap
    thread = threading.Thread(target=process.join)
    thread.start()
    process.kill()
    held.wait(20)

    def start_another():
        other = context.Process(target=leave, args=(7,))
        other.start()
        other.join()
        return other.exitcode

    print(in_a_copy(lambda: isinstance(mp.active_children(), list)))
    print(in_a_copy(start_another))
    print(in_a_copy(lambda: 0 if process.exitcode is None else 1))
    over.set()
    thread.join()
    print(process.exitcode)
"""


def test_a_copy_starts_processes_though_a_thread_was_joining_one(tmp_path, method):
    source = FORK_BESIDE_THREADS + IN_THE_MIDDLE.replace("{method!r}", repr(method))
    outcome = run_script(tmp_path, source)
    assert outcome.lines == ["1", "7", "0", "-9"], outcome.err
    assert outcome.err == ""


ENDS_NORMALLY = """
import os
import sys
import time
import multiprocessing

import manyhands as mp

if __name__ == "__main__":
    ours = mp.get_context({method!r}).Process(target=time.sleep, args=(60,), daemon={daemon})
    theirs = multiprocessing.get_context("fork").Process(
        target=time.sleep, args=(60,), daemon={daemon}
    )
    processes = [ours, theirs]
    for process in processes:
        process.start()
    pid = os.fork()
    if pid == 0:
        print(len(mp.active_children()))
        try:
            ours.terminate()
        except AssertionError as error:
            print(error)
        sys.exit(3)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    time.sleep(0.1)
    print(len(mp.active_children()), *[process.exitcode for process in processes])
    for process in processes:
        process.kill()
        process.join()
        print(process.exitcode)
"""


@pytest.mark.parametrize("daemon", [True, False], ids=["daemon", "ordinary"])
def test_a_copy_that_ends_leaves_its_parents_processes_alone(tmp_path, method, daemon):
    source = ENDS_NORMALLY.replace("{method!r}", repr(method)).replace("{daemon}", str(daemon))
    outcome = run_script(tmp_path, source)
    copy = ["0", "can only signal a child process"]
    assert outcome.lines == [*copy, "3", "2 None None", "-9", "-9"], outcome.err
    assert outcome.err == ""


TASK_FORKS = """
import os
import sys

import manyhands as mp

def fork(code):
    pid = os.fork()
    if pid == 0:
        sys.exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

if __name__ == "__main__":
    with mp.Pool(1) as pool:
        print(*[pool.apply(fork, (code,)) for code in (5, 2**40 + 6, -1, None)])
"""


def test_a_fork_of_a_task_ends_with_any_code(tmp_path):
    outcome = run_script(tmp_path, TASK_FORKS)
    assert (outcome.lines, outcome.err) == (["5 6 255 0"], "")


ESCAPES = """
import os

import manyhands as mp
from manyhands import popen_fork

def fail(*_):
    raise RuntimeError("in the child")

program = os.getpid()
process = mp.get_context("fork").Process(target=print, args=("it runs",))
popen_fork._half_imported = type("Broken", (), {"forget": fail})
try:
    process.start()
finally:
    print("here", os.getpid() == program, flush=True)
process.join()
print(process.exitcode)
"""


def test_a_child_never_goes_on_as_the_program_whatever_goes_wrong(tmp_path):
    outcome = run_script(tmp_path, ESCAPES)
    assert outcome.lines == ["here True", "1"], outcome.err


SENDS = """
import os
import signal

import manyhands as mp

queue = mp.Queue()

def send():
    near, far = mp.Pipe()
    queue.put(far)
    return near, queue.get(timeout=20)

ends = [send()]  # the thread that hands out descriptors runs
into, out = mp.Pipe()
pid = os.fork()
if pid == 0:
    signal.alarm(20)
    near, far = mp.Pipe()
    into.send(far)
    print(near.recv(), flush=True)
    os._exit(0)
out.recv().send("hello")
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
ends.append(send())
ends[1][0].send("still here")
print(ends[1][1].recv())
"""


def test_a_copy_sends_connections_of_its_own(tmp_path):
    outcome = run_script(tmp_path, FORK_BESIDE_THREADS + SENDS)
    assert (outcome.lines, outcome.err) == (["hello", "0", "still here"], "")
