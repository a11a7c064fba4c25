"""Every history of a queue can be told as one sequence of its operations.

Processes put, take and count, and note when each operation began and ended, by a clock that they
share, and what it said. Then the history is held against what a queue may do:

- an item is taken after its put began, once;
- of two items, if one was put before the other's put began, it is not taken after the other's get
  has ended;
- a count, an Empty and a Full must hold at one moment between begin and end of the operation.

For the last: at each moment at most so many items can be in the queue as puts have begun and gets
have ended, and at least so many as puts have ended and gets have begun.
"""

from __future__ import annotations

import bisect
import queue as standard
import random
import time

import pytest

from manyhands.queues import Queue

PROCESSES = 8


def act(queue, results, go, number, steps):
    """Does random things; notes (what, begin, end, item or count)."""
    dice, history, clock = random.Random(number), [], time.monotonic_ns
    go.get()
    for step in range(steps):
        kind = dice.choice(["put", "put", "get", "get", "size", "empty"])
        begin = clock()
        try:
            if kind == "put":
                said = (number, step)
                queue.put_nowait(said)
            elif kind == "get":
                said = queue.get_nowait()
            elif kind == "size":
                said = queue.qsize()
            else:
                kind, said = "size0", queue.empty()
        except standard.Empty:
            kind, said = "size0", True
        except standard.Full:
            kind, said = "full", True
        history.append((kind, begin, clock(), said))
    results.put(history)


class Curve:
    """How many of some moments have passed at a time."""

    def __init__(self, moments):
        self.moments = sorted(moments)

    def until(self, time):
        return bisect.bisect_right(self.moments, time)

    def before(self, time):
        return bisect.bisect_left(self.moments, time)


def check_counts(history, maxsize):
    puts = [entry for entry in history if entry[0] == "put"]
    gets = [entry for entry in history if entry[0] == "get"]
    put_begun, put_ended = Curve(e[1] for e in puts), Curve(e[2] for e in puts)
    got_begun, got_ended = Curve(e[1] for e in gets), Curve(e[2] for e in gets)
    for kind, begin, end, said in history:
        if kind in ("put", "get"):
            continue
        most = put_begun.until(end) - got_ended.before(begin)
        least = put_ended.before(begin) - got_begun.until(end)
        if kind == "size":
            assert max(least, 0) <= said <= min(most, maxsize)
        elif kind == "full":
            assert most >= maxsize
        elif said:
            assert least <= 0
        else:
            assert most > 0


def check_order(history):
    put = {said: (begin, end) for kind, begin, end, said in history if kind == "put"}
    got = [(begin, end, said) for kind, begin, end, said in history if kind == "get"]
    assert len({said for _, _, said in got}) == len(got), "an item came twice"
    assert all(end > put[said][0] for _, end, said in got), "an item came before it was put"
    # Of all items whose get has ended before this one's began, the latest begin of a put: an item
    # put wholly before that was overtaken.
    by_end = sorted(got, key=lambda entry: entry[1])
    latest, at = -1, 0
    for begin, _, said in sorted(got):
        while at < len(by_end) and by_end[at][1] < begin:
            latest = max(latest, put[by_end[at][2]][0])
            at += 1
        assert put[said][1] >= latest, "an item was overtaken"


@pytest.mark.parametrize("maxsize", [1, 5, 10_000])
@pytest.mark.parametrize("steps", [1_500, pytest.param(20_000, marks=pytest.mark.deep)])
@pytest.mark.timeout(180)
def test_a_history_is_one_of_a_queue(family, maxsize, steps):
    queue, results, go = Queue(maxsize), Queue(), Queue()
    for number in range(PROCESSES):
        family.start(act, queue, results, go, number, steps)
    go.put_many([None] * PROCESSES)
    parts = [results.get(timeout=120) for _ in range(PROCESSES)]
    history = [entry for part in parts for entry in part]
    family.join()
    left = queue.get_many(block=False) if not queue.empty() else []
    check_counts(history, maxsize)
    check_order(history)
    put = sum(kind == "put" for kind, *_ in history)
    got = sum(kind == "get" for kind, *_ in history)
    assert put - got == len(left)
    assert got > PROCESSES
