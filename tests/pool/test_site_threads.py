"""A `sitecustomize` that starts a thread, as those of tracers and profilers do."""

from __future__ import annotations

from support import run_python

SITE = """
import sys
import threading
sys.traced = True
threading.Thread(target=threading.Event().wait, daemon=True).start()
"""

SOURCE = """
import multiprocessing
import sys
import threading
import manyhands as mp

def look(x):
    return sys.traced, threading.active_count() > 1, exit is not None, x

def tell(queue):
    queue.put(look(2))

if __name__ == "__main__":
    with mp.Pool(2, maxtasksperchild=1) as pool:
        print(set(pool.map(look, [1] * 4, 1)))
    queue = mp.Queue()
    process = mp.Process(target=tell, args=(queue,))
    process.start()
    print(queue.get(timeout=30))
    process.join()
"""


def test_workers_and_processes_have_it(tmp_path):
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(SITE)
    (tmp_path / "script.py").write_text(SOURCE)
    outcome = run_python(["script.py"], cwd=tmp_path, env={"PYTHONPATH": str(folder)})
    assert outcome.lines == ["{(True, True, True, 1)}", "(True, True, True, 2)"], outcome.err
    assert outcome.err == ""
