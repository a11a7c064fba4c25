"""Programs whose threads are greenlets: `gevent` and `eventlet` replace what `_thread` holds."""

from __future__ import annotations

import pytest
from support import run_script

# A greenlet that waits outside of its library holds up all others: as if it were called at once.
PATCH = """
import _thread
import threading

def start_new_thread(function, args, kwargs={{}}):
    function(*args, **kwargs)
    return 1

def start_joinable_thread(function, handle=None, daemon=True):
    function()
    return handle

start_new_thread.__module__ = start_joinable_thread.__module__ = "{library}.thread"
for module, prefix in ((_thread, ""), (threading, "_")):
    for function in (start_new_thread, start_joinable_thread):
        if hasattr(module, prefix + function.__name__):
            setattr(module, prefix + function.__name__, function)
"""
PROGRAM = """
import logging

logging.basicConfig(format="%(message)s")

def work(x):
    logging.warning("said %d", x)
    return x + 1

def main():
    for method in ("template", "fork", "spawn"):
        seen = []
        with mp.Pool(2, context=method) as pool:
            print(pool.map(work, [1, 2]), list(pool.imap(work, [3])))
            result = pool.map_async(work, [4], callback=seen.append, progress=lambda *_: None)
            print(result.get(timeout=30), seen)
    queue = mp.Queue()
    process = mp.Process(target=queue.put, args=(7,))
    process.start()
    print(queue.get(timeout=30))
    process.join()

if __name__ == "__main__":
    main()
"""
EXPECTED = ["[2, 3] [4]", "[5] [[5]]"] * 3 + ["7"]


@pytest.mark.parametrize("library", ["gevent", "eventlet.green"])
@pytest.mark.parametrize("order", ["before", "after"])
def test_pools_need_no_thread_of_the_program(tmp_path, library, order):
    parts = [PATCH.format(library=library), "import manyhands as mp"]
    source = "\n".join(parts if order == "before" else parts[::-1])
    outcome = run_script(tmp_path, source + PROGRAM)
    assert outcome.lines == EXPECTED, outcome.err
    said = [f"said {number}" for number in range(1, 5)]
    assert sorted(outcome.err.splitlines()) == sorted(said * 3)


WAITS = """
import concurrent.futures
import manyhands as mp

try:
    mp.Executor(1)
except RuntimeError as error:
    print(error)
with mp.Pool(1) as pool:
    result = pool.apply_async(abs, (-1,))
    try:
        concurrent.futures.wait([result])
    except RuntimeError as error:
        print(error)
    print(result.get())
"""


def test_who_would_never_wake_up_is_told(tmp_path):
    outcome = run_script(tmp_path, PATCH.format(library="eventlet.green") + WAITS)
    assert [line[:30] for line in outcome.lines] == ["eventlet has replaced the lock"] * 2 + ["1"]
