"""Storms: producers and consumers are killed at random moments, over and over.

What `put` has acknowledged is taken once: by a consumer that lived to note it, or by one that was
killed between taking and noting it. Nothing comes twice, the survivors go on, and the counts stay
exact.
"""

from __future__ import annotations

import mmap
import os
import random
import signal
import struct
import time

import pytest
import support

from manyhands.queues import Queue

PAIR = struct.Struct("QQ")
MOST = 4_000  # processes of one storm


class Storm:
    """A queue under fire, with what its users noted where no kill can take it back."""

    def __init__(self, family, path, maxsize, seed):
        self.family, self.path = family, path
        self.queue = Queue(maxsize)
        self.random = random.Random(seed)
        # Each number is written by one store: a kill leaves the old one or the new one.
        self.acknowledged = memoryview(mmap.mmap(-1, 8 * MOST)).cast("Q")
        self.stop = mmap.mmap(-1, 1)
        self.started = 0
        self.running = []
        self.killed = {"produce": 0, "consume": 0}

    def start(self, kind):
        number = self.started
        self.started += 1
        child = self.family.start(getattr(self, kind), number)
        self.running.append((child, kind))

    def produce(self, number):
        dice = random.Random(number)
        for item in range(2**40):
            if self.stop[0]:
                return
            load = [b"", b"", b"", b"x" * 3_000, b"y" * 100_000, ["z"] * 20][dice.randrange(6)]
            self.queue.put((number, item, load) if load != b"" else (number, item))
            self.acknowledged[number] = item + 1

    def consume(self, number):
        log = os.open(self.path / str(number), os.O_WRONLY | os.O_CREAT)
        for item in self.queue:
            os.write(log, PAIR.pack(item[0], item[1]))

    def kill_one(self):
        child, kind = self.running.pop(self.random.randrange(len(self.running)))
        time.sleep(self.random.random() * 0.004)
        child.kill()
        assert child.wait() == -signal.SIGKILL
        self.killed[kind] += 1
        self.start(kind)

    def end(self):
        """Lets the survivors finish."""
        self.stop[0] = 1
        for child, kind in self.running:
            if kind == "produce":
                child.join()
        self.queue.shutdown()
        for child, kind in self.running:
            if kind == "consume":
                child.join()
        assert self.queue.qsize() == 0

    def check(self):
        taken = []
        for log in self.path.iterdir():
            data = log.read_bytes()
            taken += PAIR.iter_unpack(data[: len(data) // PAIR.size * PAIR.size])
        assert len(taken) == len(set(taken)), "an item came twice"
        counts = list(self.acknowledged)
        put = {(number, item) for number, count in enumerate(counts) for item in range(count)}
        # The last item of a killed producer may be in without having been acknowledged.
        early = set(taken) - put
        assert [(n, i) for n, i in early if i != counts[n]] == []
        assert len(early) <= self.killed["produce"]
        assert len(put - set(taken)) <= self.killed["consume"], "an acknowledged item is lost"
        assert len(taken) > self.started


@pytest.mark.parametrize("maxsize", [0, 5])
@pytest.mark.parametrize("kills", [120, pytest.param(1_000, marks=pytest.mark.deep)])
@pytest.mark.timeout(600)
def test_kills_lose_nothing_and_stop_nobody(family, tmp_path, maxsize, kills):
    storm = Storm(family, tmp_path, maxsize, seed=kills + maxsize)
    for kind in ("produce", "consume", "produce", "consume"):
        storm.start(kind)
    for _ in range(kills):
        storm.kill_one()
    storm.end()
    storm.check()


@pytest.mark.parametrize("kills", [60, pytest.param(1_000, marks=pytest.mark.deep)])
@pytest.mark.timeout(600)
def test_kills_among_those_who_take_and_put_many(family, kills):
    queue, dice = Queue(500), random.Random(kills)

    def produce():
        while True:
            queue.put_many(range(100))

    def consume():
        while True:
            assert all(0 <= item < 100 for item in queue.get_many(70))

    children = [family.start(act) for act in (produce, consume, produce, consume)]
    for _ in range(kills):
        place = dice.randrange(4)
        time.sleep(dice.random() * 0.004)
        children[place].kill()
        children[place].wait()
        children[place] = family.start(consume if place % 2 else produce)
    for child in children:
        child.kill()
        child.wait()
    left = queue.qsize()
    assert left <= 500
    assert len(queue.get_many()) == left if left else queue.empty()
    queue.put("still alive")
    assert queue.get(timeout=support.LIMIT) == "still alive"
