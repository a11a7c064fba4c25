"""Ctrl-C where nothing is ever waited for, and no Python code runs between two steps.

Items that take no time, consumers and sources in C: no wait of ours looks for signals, and the
interpreter runs no bytecode at which it would.
"""

from __future__ import annotations

import pytest
from support import run_script

PROLOGUE = """
import collections
import itertools
import os
import resource
import signal
import sys
import manyhands as mp

resource.setrlimit(resource.RLIMIT_AS, (24 << 30, 24 << 30))  # less than it takes if it goes on

def spin(x):
    for _ in range(2000):
        pass
    return x

def use(pool, executor):
    {call}

if __name__ == "__main__":
    pool, executor = mp.Pool(2), mp.Executor(2)
    pool.map(spin, range(100)), executor.submit(abs, 1).result()
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    try:
        use(pool, executor)
    except KeyboardInterrupt:
        print("interrupted")
    pool.terminate()
    executor.kill_workers()
"""

CALLS = {
    "sum": "sum(pool.imap(abs, itertools.count()))",
    "sum, short tasks": "sum(pool.imap(spin, itertools.count()))",
    "unordered": "collections.deque(pool.imap_unordered(spin, itertools.count()), 1)",
    "list of a range": "list(pool.imap(spin, range(10**9)))",
    "map": "pool.map(spin, range(10**9))",
    "map, nothing to do": "pool.map(abs, itertools.count())",
    "map_async": "pool.map_async(spin, itertools.count())",
    "Executor.map": "executor.map(spin, range(10**9))",
    "join": "pool.imap_unordered(spin, itertools.count()); pool.close(); pool.join()",
    "end of with": "with pool: pool.map_async(spin, range(10**9))",
}


@pytest.mark.parametrize("call", CALLS)
def test_a_quick_loop_is_interrupted(tmp_path, call):
    outcome = run_script(tmp_path, PROLOGUE.format(call=CALLS[call]))
    assert outcome.lines == ["interrupted"], outcome.err


OBJECTS = {
    "Queue": "queue = mp.Queue(); queue.put_many(range(1000)); "
    "collections.deque(map(queue.put, iter(queue.get, None)), 1)",
    "put_many": "mp.Queue().put_many(itertools.repeat(1))",
    "Pipe": "here, there = mp.Pipe(); here.send(1); "
    "collections.deque(map(here.send, iter(there.recv, None)), 1)",
}


@pytest.mark.parametrize("call", OBJECTS)
def test_a_loop_of_messages_is_interrupted(tmp_path, call):
    outcome = run_script(tmp_path, PROLOGUE.format(call=OBJECTS[call]))
    assert outcome.lines == ["interrupted"], outcome.err
