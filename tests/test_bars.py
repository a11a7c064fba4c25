"""Bars over real pools: in a terminal and in a pipe, and tqdm around the results."""

from __future__ import annotations

import io
import re

import pytest
import tasks
from support import run_script
from terminal import Terminal

PROGRAM = """
import manyhands as mp

def work(x):
    print(f"item {x} ", end="")
    print("is done")
    return x * x

with mp.Pool(2) as pool:
    BODY
print("end")
"""
CALLS = {
    "map": "pool.map(work, range(60), progress=True)",
    "imap": "list(pool.imap(work, iter(range(60)), progress=True, total=60))",
    "map_async": "pool.map_async(work, range(60), progress={'desc': 'squares'}).get()",
}


@pytest.mark.parametrize("call", CALLS)
def test_what_workers_print_does_not_tear_the_bar(tmp_path, call):
    with Terminal(tmp_path, PROGRAM.replace("BODY", CALLS[call])) as terminal:
        assert terminal.wait_ended() == 0, terminal.text
        # What the screen shows: of each line what was written after the last return to its begin.
        shown = [re.split(r"\r|\x1b\[K|\x1b\[2K", line)[-1].strip() for line in terminal.lines]
    printed = [line for line in shown if line.startswith("item")]
    assert sorted(printed) == sorted(f"item {x} is done" for x in range(60))
    assert "60/60" in terminal.text
    assert shown[-1] == "end"


@pytest.mark.parametrize("call", CALLS)
def test_in_a_pipe(tmp_path, call):
    outcome = run_script(tmp_path, PROGRAM.replace("BODY", CALLS[call]))
    assert outcome.code == 0, outcome.err
    assert sorted(outcome.lines[:-1]) == sorted(f"item {x} is done" for x in range(60))
    assert outcome.lines[-1] == "end"
    assert "60/60" in outcome.err


@pytest.mark.parametrize("name", ["imap", "imap_unordered"])
def test_tqdm_around_the_results(pool, name):
    tqdm = pytest.importorskip("tqdm").tqdm
    screen = io.StringIO()
    results = getattr(pool, name)(tasks.square, range(500))
    with tqdm(results, total=500, file=screen, mininterval=0) as bar:
        assert sorted(bar) == [x * x for x in range(500)]
        assert bar.n == 500
    assert "100%" in screen.getvalue()
    assert "500/500" in screen.getvalue()
    with tqdm(getattr(pool, name)(tasks.square, range(10**6)), file=screen) as bar:
        for square in bar:
            if square > 100:
                break
    assert pool.map(tasks.square, [3]) == [9]
