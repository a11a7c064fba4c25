"""What workers have started ends with them, whatever starts and ends the worker."""

from __future__ import annotations

import signal

import pytest
from support import assert_no_process, journal, run_script, start_python, wait_until

ENDS = """
import os
import signal
import manyhands as mp
import tasks
from support import gone, wait_until

def die(path):
    tasks.start_child(path)
    os.kill(os.getpid(), signal.SIGKILL)

def leave(path):
    tasks.start_child(path)
    os._exit(3)

def name():
    import multiprocessing
    return multiprocessing.current_process().name

def check(end):
    with open(end) as file:
        child = int(file.read())
    wait_until(lambda: gone(child), f"what a worker has started outlives it: {{end}}")

if __name__ == "__main__":
    method = {method!r}
    pool = mp.Pool(1, context=method)
    for function in (die, leave):
        try:
            pool.apply(function, (function.__name__,))
        except mp.WorkerDied:
            check(function.__name__)
    given = pool.apply(name)
    assert type(given) is str and given, given
    pool.apply(tasks.start_child, ("close",))
    pool.close()
    pool.join()
    check("close")
    pool = mp.Pool(1, context=method)
    pool.apply(tasks.start_child, ("terminate",))
    pool.terminate()
    check("terminate")
    with mp.Pool(1, context=method, maxtasksperchild=1) as pool:
        pool.apply(tasks.start_child, ("maxtasks",))
        check("maxtasks")
    print("done")
"""

IMPORTS = """
import multiprocessing
import subprocess
import time
import manyhands as mp
import tasks

if __name__ != "__main__":
    subprocess.Popen(["sleep", "1000"])
    tasks.note("journal", "imports")
    time.sleep(1000)
else:
    name = {context!r}
    context = multiprocessing.get_context("spawn") if name == "standard" else name
    pool = mp.Pool(2, context=context)
    pool.map(abs, range(4))
"""


@pytest.mark.parametrize("method", ["template", "fork", "spawn", "forkserver"])
def test_offspring_end_with_their_worker(tmp_path, method):
    result = run_script(tmp_path, ENDS.format(method=method))
    assert result.code == 0, result.err
    assert result.out == "done\n"


@pytest.mark.parametrize("context", ["spawn", "forkserver", "standard"])
def test_workers_that_still_import_main_end_with_a_killed_parent(tmp_path, context):
    script = tmp_path / "script.py"
    script.write_text(IMPORTS.format(context=context))
    process, mark = start_python([str(script)], cwd=tmp_path)
    log = tmp_path / "journal"
    try:
        wait_until(lambda: len(journal(log)) == 2, "no worker imports the main file")
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert_no_process(mark)
