"""A module that makes a pool, or a process, as soon as it is imported.

Nothing comes of it that goes on without an end: an error says where it belongs. By `fork` it works.
"""

from __future__ import annotations

import pytest
from support import run_python

LOOPS = {
    "pool": "with mp.Pool(2) as pool:\n    pool.map(own, [1])",
    "an item": "with mp.Pool(2) as pool:\n    pool.map(id, [Own()])",
    "initializer": "with mp.Pool(2, own, (1,)) as pool:\n    pool.map(abs, [1])",
    "initargs": "with mp.Pool(2, print, (Own(),)) as pool:\n    pool.map(abs, [1])",
    "spawn": "with mp.get_context('spawn').Pool(1) as pool:\n    pool.map(own, [1])",
    "executor": "with mp.Executor(2) as executor:\n    executor.submit(own, 1).result()",
    "process": "process = mp.Process(target=own, args=(1,))\nprocess.start()\nprocess.join()\n"
    "if process.exitcode:\n    sys.exit(process.exitcode)",
}

DEFINITIONS = """
import os
import sys
import manyhands as mp

with open("journal", "a") as file:
    file.write("imported\\n")

class Own:
    pass

def own(x):
    return x

def end(x):
    os._exit(3)

"""


@pytest.mark.parametrize("kind", LOOPS)
def test_it_is_refused_where_it_would_go_on_without_an_end(tmp_path, kind):
    (tmp_path / "greedy.py").write_text(DEFINITIONS + LOOPS[kind])
    outcome = run_python(["-c", "import greedy"], cwd=tmp_path)
    assert outcome.code == 1
    assert "the module 'greedy' makes a p" in outcome.err
    assert "Make it in a function, or under `if __name__" in outcome.err
    # Once here, and once in the template and in each worker, of which one may be started anew.
    assert 2 <= len((tmp_path / "journal").read_text().splitlines()) <= 6


def test_by_fork_it_works(tmp_path):
    body = (
        "pool = mp.Pool(2, maxtasksperchild=2, context='fork')\n"
        "print(pool.map(own, range(9), 1))\n"
        "print(*map(type, pool.map(end, range(2), errors='return')))\n"
        "print(pool.map(own, range(4)))\n"
    )
    (tmp_path / "greedy.py").write_text(DEFINITIONS + body)
    outcome = run_python(
        ["-c", "import greedy; print(greedy.pool.map(greedy.own, 'ab'))"], cwd=tmp_path
    )
    died = "<class 'manyhands.errors.WorkerDied'>"
    assert outcome.lines == [
        str(list(range(9))),
        f"{died} {died}",
        "[0, 1, 2, 3]",
        "['a', 'b']",
    ], outcome.err
    assert (tmp_path / "journal").read_text() == "imported\n"


def test_a_task_may_import_such_a_module(tmp_path):
    (tmp_path / "greedy.py").write_text(
        "import manyhands as mp\nwith mp.Pool(2) as pool:\n    value = pool.map(abs, [-1, -2])\n"
    )
    source = (
        "import manyhands as mp\n"
        "def task(x):\n"
        "    import greedy\n"
        "    return greedy.value[x]\n"
        "with mp.Pool(1) as pool:\n"
        "    print(pool.map(task, range(2)))\n"
    )
    outcome = run_python(["-c", source], cwd=tmp_path)
    assert (outcome.lines, outcome.err) == (["[1, 2]"], "")
