"""What functions of `__main__` use is imported once, in the template, and not in each child."""

from __future__ import annotations

import pytest
from support import run_script

NOISY = """
import os
with open("imported", "a") as log:
    print(os.getpid(), file=log)
COLOUR = os.environ.get("COLOUR")
{more}

def name():
    return "noisy"

class Thing:
    pass
"""
COUNT = """
import os
import manyhands as mp

def imports():
    with open("imported") as log:
        return [int(line) for line in log]

def run(function, *args):
    process = mp.Process(target=function, args=args)
    process.start()
    process.join()
    assert process.exitcode == 0
"""


def outcome_of(tmp_path, program, more=""):
    (tmp_path / "noisy.py").write_text(NOISY.format(more=more))
    (tmp_path / "common.py").write_text(COUNT)
    return run_script(tmp_path, "from common import *\n" + program)


@pytest.mark.parametrize(
    ("how", "use"),
    [
        ("import noisy", "noisy.name()"),
        ("from noisy import name", "name()"),
        ("import noisy; thing = noisy.Thing()", "type(thing).__name__"),
        ("import noisy; call = lambda: noisy.name()", "call()"),
    ],
)
def test_a_module_is_imported_by_the_template_alone(tmp_path, how, use):
    program = f"""
{how}

def work(_=None):
    return {use}

for _ in range(3):
    run(work)
print(len(imports()))
for _ in range(2):
    with mp.Pool(2) as pool:
        pool.map(work, range(4), chunksize=1)
print(len(imports()), imports()[0] == os.getpid())
"""
    outcome = outcome_of(tmp_path, program)
    # Here, in the template of the processes, and in that of each pool.
    assert outcome.lines == ["2", "4 True"], outcome.err


def test_what_an_initializer_and_the_arguments_need_is_imported_early(tmp_path):
    program = """
import noisy

def begin():
    global kept
    kept = noisy.name()

def work(_):
    return kept

with mp.Pool(2, initializer=begin) as pool:
    pool.map(work, range(4))
print(len(imports()))
for _ in range(3):
    run(print, noisy.Thing)
print(len(imports()))
"""
    outcome = outcome_of(tmp_path, program)
    assert [line for line in outcome.lines if line.isdigit()] == ["2", "3"], outcome.err


def test_what_is_imported_late_on_purpose_stays_late(tmp_path):
    program = """
def work(_=None):
    import noisy
    assert noisy.__name__ == "noisy"
    return os.getpid()

run(work)
with mp.Pool(1) as pool:
    children = {pool.apply(work)}
print(len(imports()), os.getpid() in imports(), children <= {*imports()})
"""
    assert outcome_of(tmp_path, program).lines == ["2 False True"]


def test_a_module_that_starts_a_thread_is_imported_after_the_fork(tmp_path):
    program = """
import noisy

def work(_=None):
    import threading
    return noisy.name(), [thread.name for thread in threading.enumerate()]

def check():
    assert work() == ("noisy", ["MainThread", "noisy"]), work()

run(check)
run(check)
with mp.Pool(1) as pool:
    print(pool.apply(work))
"""
    more = "import threading\nthreading.Thread(target=threading.Event().wait, name='noisy', "
    outcome = outcome_of(tmp_path, program, more + "daemon=True).start()")
    assert outcome.lines == ["('noisy', ['MainThread', 'noisy'])"], outcome.err


def test_a_module_sees_the_environment_of_the_moment(tmp_path):
    program = """
import noisy

def work(colour):
    assert noisy.COLOUR == colour, (noisy.COLOUR, colour)

for colour in ("red", "red", "blue", "green", "green", "green", "red"):
    os.environ["COLOUR"] = colour
    run(work, colour)
before = len(imports())
run(work, "red")
run(work, "red")
print(len(imports()) - before)
with mp.Pool(1) as pool:
    os.environ["COLOUR"] = "white"
    pool.apply(work, ("white",))
"""
    outcome = outcome_of(tmp_path, program)
    assert (outcome.code, outcome.lines) == (0, ["1"]), outcome.err
