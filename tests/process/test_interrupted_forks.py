"""Signals that come in the middle of a fork, and whose handlers raise: they count after it."""

from __future__ import annotations

import pytest
from support import run_script

# The hook that is registered first runs last: the signal comes while the process forks.
RAISES = """
import functools
import os
import signal
import time

class Late(Exception):
    pass

def complain(number, frame):
    raise Late

signal.signal(signal.SIGALRM, complain)
ring = functools.partial(signal.setitimer, signal.ITIMER_REAL, 1e-6)
os.register_at_fork(before=ring)

import manyhands as mp
"""


def test_the_child_is_known_and_the_exception_comes_after_its_start(tmp_path):
    outcome = run_script(
        tmp_path,
        RAISES
        + """
for turn in range(10):
    process = mp.get_context("fork").Process(target=os._exit, args=(turn,))
    try:
        process.start()
        print("no signal")
    except Late:
        pass
    process.join()
    print(process.exitcode)
""",
    )
    assert outcome.lines == [str(turn) for turn in range(10)], outcome.err
    assert "ignored" not in outcome.err


def test_a_pool_by_fork_starts_whole_or_not_at_all(tmp_path):
    outcome = run_script(
        tmp_path,
        RAISES
        + """
late = 0
for turn in range(10):
    try:
        mp.Pool(2, context="fork")
    except Late:
        late += 1
signal.signal(signal.SIGALRM, lambda *_: None)
with mp.Pool(2, context="fork") as pool:
    print(late, pool.map(abs, [-1, -2]))
""",
    )
    assert outcome.lines == ["10 [1, 2]"], outcome.err
    assert "ignored" not in outcome.err


@pytest.mark.parametrize("times", [1, 5])
def test_logs_come_through_after_a_fork_of_the_users_own(tmp_path, times):
    outcome = run_script(
        tmp_path,
        RAISES
        + f"""
def say(number):
    import logging
    logging.getLogger("worker").warning("item %d", number)

with mp.Pool(2) as pool:
    pool.map(abs, [1])  # without `logging`, whose own hook would meet the signal first
    for turn in range({times}):
        child = 0
        try:
            child = os.fork()
            if child == 0:
                os._exit(0)
            os.waitpid(child, 0)
        except Late:
            pass
    import logging
    records = []
    logging.getLogger("worker").addFilter(records.append)
    began = time.monotonic()
    pool.map(say, range(2, 12))
    print(len(records), time.monotonic() - began < 1.5)
""",
    )
    assert outcome.lines == ["10 True"], outcome.err
