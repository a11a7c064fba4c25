"""The normal end of a worker, by each start method; and what dropping an iterator may raise."""

from __future__ import annotations

import pytest
from support import run_script

WAITS = """
import os
import threading
import time
import manyhands as mp

def late(path):
    time.sleep(0.3)
    open(path, "w").close()

def begin():
    threading.Thread(target=late, args=(f"thread-{{os.getpid()}}",)).start()
    mp.Process(target=late, args=(f"process-{{os.getpid()}}",)).start()

def place(x):
    return os.getpid()

if __name__ == "__main__":
    with mp.Pool(2, begin, context={method!r}) as pool:
        pids = set(pool.map(place, range(4)))
    for pid in pids:
        assert os.path.exists(f"thread-{{pid}}"), "the thread was not waited for"
        assert os.path.exists(f"process-{{pid}}"), "the process was not waited for"
    print("done")
"""

OTHERS = """
import time
import manyhands as mp
import multiprocessing

if __name__ == "__main__":
    daemon = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,), daemon=True)
    daemon.start()
    with mp.Pool(2, context="fork") as pool:
        assert pool.map(abs, range(4)) == list(range(4))
    assert daemon.is_alive(), "a worker has ended what is its parent's"
    daemon.kill()
    daemon.join()
    print("done")
"""

NO_THREAD = """
import manyhands as mp
from manyhands import _start

def fail(parent):
    raise BlockingIOError(11, "Resource temporarily unavailable")

if __name__ == "__main__":
    _start.tie = fail
    try:
        with mp.Pool(2, context="fork") as pool:
            pool.map(abs, range(4))
    except mp.LaunchError as error:
        print(error)
"""

DROPS = """
import manyhands as mp

def source():
    try:
        yield from range(1000)
    finally:
        raise ValueError("in finally")

if __name__ == "__main__":
    for kind in (mp.Pool, mp.ThreadPool):
        with kind(2) as pool:
            results = pool.imap(abs, source())
            next(results)
            del results
"""


@pytest.mark.parametrize("method", ["template", "fork", "spawn", "forkserver"])
def test_a_worker_waits_for_what_is_its_own(tmp_path, method):
    result = run_script(tmp_path, WAITS.format(method=method))
    assert result.code == 0, result.err
    assert result.out == "done\n"


def test_a_forked_worker_ends_nothing_of_its_parents(tmp_path):
    result = run_script(tmp_path, OTHERS)
    assert result.code == 0, result.err
    assert result.out == "done\n"


def test_workers_without_a_thread_say_so_in_a_line(tmp_path):
    result = run_script(tmp_path, NO_THREAD)
    assert result.code == 0, result.err
    assert "ended before they could run anything" in result.out
    assert "RLIMIT_NPROC" in result.err
    assert "Traceback" not in result.err


def test_what_a_dropped_source_raises_has_a_heading(tmp_path):
    result = run_script(tmp_path, DROPS)
    assert result.code == 0, result.err
    assert result.err.count("Exception ignored in") == 2, result.err
    assert result.err.count("ValueError: in finally") == 2, result.err
