"""No processes left (RLIMIT_NPROC): an error at the call, and a pool as before once there are some.

Threads count as processes do, so the limit may meet the pool's own threads, its template or a
worker: each number of processes that is left is tried.
"""

from __future__ import annotations

import textwrap

import pytest
from support import TESTS, run_python

PROLOGUE = """
import contextlib
import os
import resource
import signal
import time
import manyhands as mp

mp.WorkerDied

def in_use():
    count = 0
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if os.stat(f"/proc/{pid}").st_uid == os.getuid():
                count += len(os.listdir(f"/proc/{pid}/task"))
    return count

@contextlib.contextmanager
def left(count):
    soft, hard = resource.getrlimit(resource.RLIMIT_NPROC)
    resource.setrlimit(resource.RLIMIT_NPROC, (in_use() + count, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NPROC, (soft, hard))

def pid(x):
    time.sleep(0.01)
    return os.getpid()

def die(x):
    os.kill(os.getpid(), signal.SIGKILL)
"""

NEW = """
for count in {counts}:
    with left(count):
        try:
            with mp.Pool(4, context={method!r}) as pool:
                assert pool.map(abs, range(-9, 0)) == list(range(9, 0, -1))
                print(count, "runs")
        except (OSError, mp.LaunchError) as error:
            assert "RLIMIT_NPROC" in str(error), repr(error)
            print(count, "no pool")
    with mp.Pool(4, context={method!r}) as pool:
        assert pool.map(abs, [-1, -2]) == [1, 2]
"""

GROWING = """
with mp.Pool(2, context={method!r}) as pool:
    assert pool.map(abs, [-1, -2]) == [1, 2]
    with left(0):
        try:
            pool.grow(2)
        except OSError as error:
            assert "RLIMIT_NPROC" in str(error), repr(error)
        assert pool.map(abs, [-3, -4]) == [3, 4]
    pool.grow(1)
    assert pool.map(abs, [-5, -6]) == [5, 6]
print("done")
"""

DYING = """
with mp.Pool(2, context={method!r}) as pool:
    while len(set(pool.map(pid, range(8)))) < 2:  # who is on its way would find no thread
        pass
    with left(-2):
        assert isinstance(pool.apply_async(die, (0,)).exception(), mp.WorkerDied)
        assert pool.map(abs, [-3, -4]) == [3, 4]
    assert pool.map(abs, [-5, -6]) == [5, 6]
print("done")
"""

PROCESS = """
context = mp.get_context({method!r})
with left(0):
    process = context.Process(target=abs, args=(1,))
    try:
        process.start()
        print("started")
    except OSError as error:
        assert "RLIMIT_NPROC" in str(error), repr(error)
        print("no process")
process = context.Process(target=abs, args=(1,))
process.start()
process.join()
print(process.exitcode)
"""

UNWATCHED = "manyhands: a worker has no thread that watches its parent"
METHODS = pytest.mark.parametrize("method", ["template", "fork", "spawn", "forkserver"])


def run(tmp_path, source, method, **values):
    path = tmp_path / "script.py"
    guarded = 'if __name__ == "__main__":\n' + textwrap.indent(
        source.format(method=method, **values), "    "
    )
    path.write_text(PROLOGUE + guarded)
    outcome = run_python([str(TESTS / "scripts" / "unprivileged.py"), str(path)], cwd=tmp_path)
    assert outcome.code == 0, outcome.out + outcome.err
    # A worker that was forked last, and can have no thread of its own, says why it ends.
    assert all(line.startswith(UNWATCHED) for line in outcome.err.splitlines()), outcome.err
    return outcome.lines


@METHODS
def test_a_new_pool_wherever_processes_run_out(tmp_path, method):
    counts = range(12) if method in ("template", "fork") else (0, 1, 4, 6, 11)  # those take long
    lines = run(tmp_path, NEW, method, counts=counts)
    assert len(lines) == len(counts)
    assert lines[0] == "0 no pool"
    assert lines[-1] == "11 runs"


@METHODS
def test_a_pool_that_grows_without_processes(tmp_path, method):
    assert run(tmp_path, GROWING, method) == ["done"]


@METHODS
def test_a_worker_that_cannot_be_replaced(tmp_path, method):
    assert run(tmp_path, DYING, method) == ["done"]


@METHODS
def test_a_process_without_processes(tmp_path, method):
    assert run(tmp_path, PROCESS, method) == ["no process", "0"]
