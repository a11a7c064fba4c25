"""`__main__` under the template: it travels, no guard is needed, nothing runs twice."""

from __future__ import annotations

import sys

import pytest
from support import run_python, run_script

PROGRAM = """
import sys
import manyhands as mp

print("main runs", flush=True)
factor = 3

class Base:
    def __init__(self, value):
        self.value = value

class Worker(mp.Process):
    def __init__(self, item):
        super().__init__()
        self.item = item

    def run(self):
        print(type(self.item) is Base, self.item.value * factor, __name__, flush=True)
        sys.exit(4)

def call(function, value):
    print(function(value), isinstance(value, Base), flush=True)

worker = Worker(Base(2))
worker.start()
worker.join()
print(worker.exitcode, flush=True)
process = mp.Process(target=call, args=(lambda base: base.value + factor, Base(4)))
process.start()
process.join()
print(process.exitcode, flush=True)
"""
PRINTED = ["main runs", "True 6 __main__", "4", "7 True", "0"]


def test_a_script_without_a_guard(tmp_path):
    outcome = run_script(tmp_path, PROGRAM)
    assert (outcome.code, outcome.lines) == (0, PRINTED), outcome.err


def test_a_module_that_is_run(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    outcome = run_python(["-m", "program"], cwd=tmp_path)
    assert (outcome.code, outcome.lines) == (0, PRINTED), outcome.err


@pytest.mark.parametrize("flags", [["-"], ["-c", PROGRAM]], ids=["stdin", "command"])
def test_a_program_without_a_file(flags):
    outcome = run_python(flags, stdin=PROGRAM)
    assert (outcome.code, outcome.lines) == (0, PRINTED), outcome.err


def test_fork_warns_nowhere_though_there_are_threads(tmp_path):
    source = """
    import threading
    import manyhands as mp

    event = threading.Event()
    threading.Thread(target=event.wait, daemon=True).start()
    process = mp.get_context("fork").Process(target=print, args=("hello",))
    process.start()
    process.join()
    print(process.exitcode)
    """
    outcome = run_script(tmp_path, source)
    path = tmp_path / "script.py"
    outcome = run_python(["-W", "error", str(path)])
    assert (outcome.code, outcome.lines) == (0, ["hello", "0"]), outcome.err
    assert outcome.err == "", sys.version
