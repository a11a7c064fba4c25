"""Signals whose handlers raise, at any moment of `Process.start`: no child is lost.

`start` either starts the process, which is known from then on, or leaves none. The short form runs
always; the long one, marked `deep`, has MANYHANDS_TEST_STARTS starts altogether.
"""

from __future__ import annotations

import os

import pytest
from support import run_script

METHODS = ("template", "fork", "spawn", "forkserver")

STARTS = """
import multiprocessing.process
import os
import random
import signal
import time
from pathlib import Path

import manyhands as mp

METHOD, TIMES = {method!r}, {times}

class Late(KeyboardInterrupt):  # anything else counts as a failure of the pickling that it meets
    pass

def complain(number, frame):
    # Only out of `start`: elsewhere the script itself would be lost.
    while frame is not None:
        if frame.f_code is START:
            raise Late
        frame = frame.f_back

START = mp.process.BaseProcess.start.__code__

def be_brief():
    pass

def park():
    Path("/proc/self/comm").write_text("parked")
    time.sleep(600)

def descendants():
    parents = {{}}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            head, _, tail = (path / "stat").read_text().rpartition(")")
        except OSError:
            continue
        state, parent = tail.split()[:2]
        parents.setdefault(int(parent), []).append((int(path.name), head.partition("(")[2], state))
    found, queue = [], [os.getpid()]
    while queue:
        for child in parents.get(queue.pop(), ()):
            found.append(child)
            queue.append(child[0])
    return found

def main():
    context = mp.get_context(METHOD)
    # It imports what is to be imported: of an exception there CPython may say that it ignores it.
    first = context.Process(target=be_brief)
    first.start()
    first.join()
    signal.signal(signal.SIGALRM, complain)
    known, late, span = [], 0, 0.002
    for _ in range(TIMES):
        process = context.Process(target=park)
        began = time.perf_counter()
        signal.setitimer(signal.ITIMER_REAL, max(random.random() * span * 1.2, 1e-6))
        try:
            process.start()
        except Late:
            late += 1
        took = time.perf_counter() - began
        signal.setitimer(signal.ITIMER_REAL, 0)
        span = 0.8 * span + 0.2 * took
        if process.pid is not None:
            known.append(process)
        if len(known) == 8:
            end(known)
    end(known)
    time_out = time.monotonic() + 20
    while lost := [each for each in descendants() if each[1] == "parked" or each[2] == "Z"]:
        if time.monotonic() > time_out:
            break
        time.sleep(0.01)
    print("late", late > 0)
    print("lost", lost, mp.active_children())
    print("fds", len(os.listdir("/proc/self/fd")) < 40, flush=True)

def end(known):
    for process in known:
        assert process in mp.active_children()
        process.kill()
    for process in known:
        process.join()
        process.close()
    known.clear()

if __name__ == "__main__":
    main()
"""


def try_starts(tmp_path, method, times):
    outcome = run_script(tmp_path, STARTS.format(method=method, times=times), limit=60 + times)
    assert outcome.lines == ["late True", "lost [] []", "fds True"], outcome.err
    assert "ignored" not in outcome.err


@pytest.mark.parametrize("method", METHODS)
def test_no_child_is_lost_by_a_signal_during_its_start(tmp_path, method):
    try_starts(tmp_path, method, 40)


@pytest.mark.deep
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("method", METHODS)
def test_no_child_is_lost_in_many_starts(tmp_path, method):
    try_starts(tmp_path, method, int(os.environ.get("MANYHANDS_TEST_STARTS", "4000")) // 4)


NESTED = """
import multiprocessing
import signal

import manyhands as mp

class Rings:
    def __reduce__(self):
        signal.raise_signal(signal.SIGUSR2)
        return str, ()

def use(_, lock):
    with lock:
        pass

def begin(number, frame):
    if {pool}:
        with mp.Pool(1, initializer=str, initargs=(lock,), context={method!r}) as pool:
            print(pool.apply(abs, (-3,)))
    else:
        inner = context.Process(target=use, args=(None, lock))
        inner.start()
        inner.join()
        print(inner.exitcode)

if __name__ == "__main__":
    context = mp.get_context({method!r})
    lock = multiprocessing.get_context("spawn").Lock()
    signal.signal(signal.SIGUSR2, begin)
    outer = context.Process(target=use, args=(Rings(), lock))
    outer.start()
    outer.join()
    print(outer.exitcode)
    with mp.Pool(1, initializer=use, initargs=(Rings(), lock), context={method!r}) as pool:
        print(pool.apply(abs, (-4,)))
"""


@pytest.mark.parametrize("pool", [False, True], ids=["process", "pool"])
@pytest.mark.parametrize("method", ["template", "spawn", "forkserver"])
def test_a_handler_starts_something_in_the_middle_of_a_start(tmp_path, method, pool):
    source = NESTED.replace("{method!r}", repr(method)).replace("{pool}", str(pool))
    outcome = run_script(tmp_path, source)
    inner = "3" if pool else "0"
    assert outcome.lines == [inner, "0", inner, "4"], outcome.err
