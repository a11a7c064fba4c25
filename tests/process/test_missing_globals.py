"""A global of `__main__` that cannot be sent: its reader is told why, at the start if possible."""

from __future__ import annotations

import pytest
from support import run_script

HEAD = """
import threading
import manyhands as mp

guard = threading.Lock()

def start(target, *args, kind=mp.Process):
    process = kind(target=target, args=args)
    try:
        process.start()
    except mp.PicklingError as error:
        print("refused:", error.path)
        return
    process.join(30)
    print(process.exitcode)
"""
WHY = (
    "manyhands.errors.PicklingError: the global 'guard' of __main__ could not be sent to the "
    "workers, and no worker code has set it: global 'guard': cannot pickle '_thread.lock' object"
)


def run(tmp_path, program):
    return run_script(tmp_path, HEAD + program)


@pytest.mark.parametrize(
    ("definition", "target"),
    [
        ("def work(): print(guard)", "work"),
        ("def work():\n    with guard: pass", "work"),
        ("class Cls:\n    def work(self): guard.acquire()", "Cls().work"),
        ("", "lambda: guard"),
        ("def call(f): f()", "call, lambda: guard"),
    ],
)
def test_a_process_that_must_fail_is_refused(tmp_path, definition, target):
    outcome = run(tmp_path, f"\n{definition}\n\nstart({target})\n")
    assert outcome.lines == ["refused: global 'guard'"], outcome.err


def test_the_error_says_what_to_do(tmp_path):
    outcome = run(
        tmp_path, "\ndef work():\n    guard.acquire()\n\nmp.Process(target=work).start()\n"
    )
    assert outcome.code == 1
    assert "the global 'guard' of __main__ is read by work, and cannot be sent to a process" in (
        outcome.err
    )
    assert "cannot pickle '_thread.lock' object. Threads of one process share it" in outcome.err


@pytest.mark.parametrize(
    "work",
    [
        "def work():\n    if len('') > 0: guard.acquire()",
        "def work():\n    for _ in (): guard.acquire()",
        "def work():\n    try: guard.acquire()\n    except NameError: pass",
        "def work():\n    return\n    guard.acquire()",
        "def work():\n    global guard\n    guard = threading.Lock()\n    guard.acquire()",
        "def work(): begin(); guard\ndef begin():\n    global guard\n    guard = mp.Lock()",
        "def work():\n    globals()['guard'] = threading.Lock()\n    guard.acquire()",
        "def work():\n    Other().run_it\nclass Other:\n    def run_it(self): guard.acquire()",
    ],
)
def test_a_process_that_may_work_works(tmp_path, work):
    outcome = run(tmp_path, f"\n{work}\n\nstart(work)\n")
    assert outcome.lines == ["0"], outcome.err


LATE = """
def work(n):
    for _ in range(n):
        guard.acquire()
"""


def test_who_reads_it_later_is_told_instead_of_a_name_error(tmp_path):
    outcome = run(tmp_path, LATE + "\nstart(work, 1)\n")
    assert outcome.lines == ["1"]
    assert WHY in outcome.err


def test_a_function_from_a_queue_is_told_too(tmp_path):
    program = """
def read(queue):
    queue.get()(1)

queue = mp.Queue()
queue.put(work)
start(read, queue)
"""
    outcome = run(tmp_path, LATE + program)
    assert outcome.lines == ["1"]
    assert WHY in outcome.err


def test_another_name_error_stays_one(tmp_path):
    outcome = run(tmp_path, "\ndef work():\n    nowhere\n\nstart(work)\n")
    assert outcome.lines == ["1"]
    assert "NameError: name 'nowhere' is not defined" in outcome.err
    assert "PicklingError" not in outcome.err
