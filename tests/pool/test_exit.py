"""However a program ends, nothing of its pool is left, and nothing strange is printed."""

from __future__ import annotations

import contextlib
import signal
import subprocess

import pytest
from support import (
    assert_no_names,
    assert_no_process,
    journal,
    named_objects,
    run_script,
    start_python,
    wait_until,
)

PROLOGUE = """
import os
import sys
import threading
import time
import manyhands as mp
import tasks

def hold(x):
    tasks.note("journal", os.getpid())
    time.sleep(1000)

def square(x):
    return x * x
"""


def run(tmp_path, body, **options):
    return run_script(tmp_path, PROLOGUE + body, **options)


QUIET_ENDS = {
    "open pool": "pool = mp.Pool(2)\nprint(pool.map(square, [3]))",
    "unused pool": "pool = mp.Pool(2)\nprint([9])",
    "dropped pool": "mp.Pool(2)\npool = mp.Pool(2)\nprint(pool.map(square, [3]))\ndel pool",
    "pool in a circle": (
        "pool = mp.Pool(2)\npool.me = [pool] if hasattr(pool, '__dict__') else None\n"
        "print(pool.map(square, [3]))\ndel pool"
    ),
    "closed pool": "pool = mp.Pool(2)\nprint(pool.map(square, [3]))\npool.close()",
    "live iterator": (
        "pool = mp.Pool(2)\nresults = pool.imap(square, iter([3] * 10**6), buffersize=9)\n"
        "print([next(results)])"
    ),
    "results never fetched": (
        "pool = mp.Pool(2)\n"
        "kept = [pool.apply_async(square, (x,)) for x in range(1000)]\nprint([9])"
    ),
    "pool of a module": (
        "import types\nmodule = sys.modules['extra'] = types.ModuleType('extra')\n"
        "module.pool = mp.Pool(2)\nprint(module.pool.map(square, [3]))"
    ),
    "pool made in a thread": (
        "made = []\nthread = threading.Thread(target=lambda: made.append(mp.Pool(2)))\n"
        "thread.start()\nthread.join()\nprint(made[0].map(square, [3]))"
    ),
    "pool ended by atexit": (
        "import atexit\npool = mp.Pool(2)\natexit.register(pool.join)\n"
        "atexit.register(pool.close)\nprint(pool.map(square, [3]))"
    ),
    "sys.exit in with": (
        "with mp.Pool(2) as pool:\n    print(pool.map(square, [3]))\n    sys.exit(0)"
    ),
    "callback waiting": (
        "pool = mp.Pool(2)\npool.apply_async(square, (3,), callback=print)\nprint([9])"
    ),
}


@pytest.mark.parametrize("end", QUIET_ENDS)
def test_a_quiet_end(tmp_path, end):
    outcome = run(tmp_path, QUIET_ENDS[end])
    assert outcome.code == 0, outcome.err
    assert "[9]" in outcome.lines
    assert outcome.err == ""


def test_an_open_pool_whose_tasks_run(tmp_path):
    body = """
pool = mp.Pool(2)
kept = pool.map_async(hold, range(4), 1)
while not os.path.exists("journal"):
    time.sleep(0.002)
print("end")
"""
    outcome = run(tmp_path, body)
    assert (outcome.code, outcome.lines, outcome.err) == (0, ["end"], "")


def test_an_exception_in_with(tmp_path):
    body = """
with mp.Pool(2) as pool:
    kept = pool.map_async(hold, range(4), 1)
    while not os.path.exists("journal"):
        time.sleep(0.002)
    raise LookupError("mine")
"""
    outcome = run(tmp_path, body)
    assert outcome.code == 1
    assert outcome.err.count("Traceback") == 1
    assert outcome.err.rstrip().endswith("LookupError: mine")


def test_an_exception_beside_an_open_pool(tmp_path):
    outcome = run(tmp_path, "pool = mp.Pool(2)\npool.map(square, [1])\nraise LookupError('mine')")
    assert outcome.code == 1
    assert outcome.err.count("Traceback") == 1


def test_sys_exit_with_a_code_in_with(tmp_path):
    body = """
with mp.Pool(2) as pool:
    kept = pool.map_async(hold, range(4), 1)
    sys.exit(7)
"""
    outcome = run(tmp_path, body)
    assert (outcome.code, outcome.err) == (7, "")


def test_os_exit_of_the_parent(tmp_path):
    body = """
pool = mp.Pool(2)
kept = pool.map_async(hold, range(4), 1)
while not os.path.exists("journal"):
    time.sleep(0.002)
os._exit(6)
"""
    outcome = run(tmp_path, body)
    assert (outcome.code, outcome.err) == (6, "")


@pytest.mark.parametrize("method", ["template", "fork", "spawn", "forkserver"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGABRT])
def test_a_signal_kills_the_parent(tmp_path, number, method):
    script = tmp_path / "script.py"
    script.write_text(
        PROLOGUE
        + f"""
def child(x):
    import subprocess
    subprocess.Popen(["sleep", "1000"])
    hold(x)

if __name__ == "__main__":
    import resource
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with mp.Pool(2, context={method!r}) as pool:
        pool.map(child, range(2), 1)
"""
    )
    process, mark = start_python([str(script)], cwd=tmp_path)
    log = tmp_path / "journal"
    try:
        wait_until(lambda: len(set(journal(log))) == 2, "the tasks do not start")
    finally:
        process.send_signal(number)
        process.communicate()
    assert process.returncode == -number
    assert_no_process(mark)


@pytest.mark.parametrize("method", ["template", "fork", "spawn", "forkserver"])
def test_the_parent_dies_whose_pool_was_made_by_a_thread_that_has_ended(tmp_path, method):
    """The kernel's signal for a parent's death would come at the thread's end, and no more then."""
    script = tmp_path / "script.py"
    script.write_text(
        PROLOGUE
        + f"""
if __name__ == "__main__":
    made = []

    def make():
        made.append(mp.Pool(2, context={method!r}))
        made[0].map(square, [1, 2])

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    made[0].map(hold, range(2), 1)
"""
    )
    process, mark = start_python([str(script)], cwd=tmp_path)
    log = tmp_path / "journal"
    try:
        wait_until(lambda: len(set(journal(log))) == 2, "the tasks do not start")
    finally:
        process.kill()
        process.communicate()
    assert_no_process(mark)


def test_the_parent_is_killed_while_workers_start(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        PROLOGUE
        + """
print("ready", flush=True)
while True:
    pool = mp.Pool(4, maxtasksperchild=1)
    pool.map(square, range(20))
    pool.terminate()
"""
    )
    for n in range(8):
        process, mark = start_python([str(script)], cwd=tmp_path)
        assert process.stdout.readline() == "ready\n"
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.013 * n)  # another moment of the loop in each round
        process.kill()
        process.communicate()
        assert_no_process(mark)


def test_workers_of_a_killed_pool_inside_a_worker(tmp_path):
    # A nested pool whose owner, a worker, is killed: its workers end too.
    body = """
def inner(x):
    with mp.Pool(2) as pool:
        pool.map(hold, range(2), 1)

with mp.Pool(1) as pool:
    result = pool.apply_async(inner, (1,))
    while not os.path.exists("journal") or len(set(open("journal"))) < 2:
        time.sleep(0.002)
    print("end")
    raise SystemExit
"""
    outcome = run(tmp_path, body)
    assert (outcome.code, outcome.lines, outcome.err) == (0, ["end"], "")


@pytest.mark.parametrize("method", ["template", "fork"])
def test_pools_in_workers_of_pools_in_workers_end_with_the_program(tmp_path, method):
    # Three levels, eight at work in the last one; what kills the first reaches all.
    body = f"""
def deep(level):
    if not level:
        tasks.note("journal", os.getpid())
        time.sleep(1000)
    with mp.Pool(2, context="{method}") as pool:
        pool.map(deep, [level - 1] * 2, 1)

if __name__ == "__main__":
    deep(3)
"""
    script = tmp_path / "script.py"
    script.write_text(PROLOGUE + body)
    program, mark = start_python([str(script)], cwd=tmp_path)
    try:
        wait_until(lambda: len(set(journal(tmp_path / "journal"))) == 8, "they do not all run")
        program.send_signal(signal.SIGKILL)
        program.communicate(timeout=20)
    finally:
        program.kill()
        program.communicate()
    assert_no_process(mark)


@pytest.mark.parametrize(("logs", "threads"), [(False, 1), (True, 2)])
def test_the_last_pool_takes_threads_and_files_with_it(tmp_path, logs, threads):
    """But for the one thread, `manyhands-logs`, that waits for records of workers."""
    body = f"""
def facts():
    return len(os.listdir("/proc/self/task")), len(os.listdir("/proc/self/fd"))

def use():
    with mp.Pool(2, logs={logs}) as pool:
        pool.map(square, range(100))
        pool.apply_async(square, (1,), callback=square).get()
        list(pool.imap(square, range(100)))

deadline = time.monotonic() + 20
use()  # the shared memory of the process stays
while facts()[0] > {threads} and time.monotonic() < deadline:
    time.sleep(0.01)
before = facts()
for _ in range(5):
    use()
while facts() != before and time.monotonic() < deadline:
    time.sleep(0.01)
print(facts() == before and before[0] == {threads}, facts(), before)
"""
    outcome = run(tmp_path, body)
    assert outcome.out.startswith("True"), outcome.out + outcome.err


def test_nothing_is_left_in_shared_memory_or_temporary_files(tmp_path):
    before = named_objects()
    own = tmp_path / "tmp"
    own.mkdir()
    body = """
with mp.Pool(2) as pool:
    pool.map(len, [b"x" * 1_000_000] * 20)
pool = mp.Pool(2)
pool.map(len, [b"x" * 1_000_000] * 20)
os.kill(os.getpid(), 9)
"""
    outcome = run(tmp_path, body, env={"TMPDIR": str(own)})
    assert outcome.code == -signal.SIGKILL
    assert_no_names(before)
    assert list(own.iterdir()) == []


def test_standard_output_that_is_closed(tmp_path):
    body = """
sys.stdout.close()
sys.stderr.close()
os.close(1)
os.close(2)
with mp.Pool(2) as pool:
    assert pool.map(square, [3]) == [9]
os._exit(3)
"""
    outcome = run(tmp_path, body)
    assert outcome.code == 3
