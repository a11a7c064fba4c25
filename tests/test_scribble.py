"""Processes that write over what they share: the others get an error or a result, in time.

A peer may lie about values (that is its right: it makes them), so these are not compared where it
wrote into them. What must hold: nobody crashes, nobody waits longer than its limit, the pool works
on, and what others do with other objects is right.
"""

from __future__ import annotations

import contextlib
import random
import time
import uuid

import pytest
import scribble_tasks
import tasks
from support import LIMIT

import manyhands

MARKER = b"a marker, "


def fresh():
    """Bytes that lie nowhere else, nor in memory of a test before, which others may use by now."""
    return MARKER + uuid.uuid4().bytes


@pytest.fixture(autouse=True)
def nothing_left():
    """Objects whose memory was written over are never freed: what they referred to is not known."""


def rounds(few, many):
    """Seeds: a few for every run, many for the long one."""
    long = [pytest.param(seed, marks=pytest.mark.deep) for seed in range(few, many)]
    return pytest.mark.parametrize("seed", [*range(few), *long])


@rounds(12, 150)
def test_a_worker_that_writes_over_its_lane_ends_alone(seed):
    source = random.Random(seed)
    with manyhands.Pool(2) as pool:
        pool.map(tasks.square, range(20))
        spoiled = [
            pool.apply_async(scribble_tasks.spoil_lane, (source.getrandbits(32), n))
            for n in range(3)
        ]
        others = pool.map_async(tasks.square, range(50), errors="return")
        for result in [*spoiled, others]:
            # Whatever it ends with, it ends.
            result.exception(LIMIT)
        assert pool.map_async(tasks.square, range(50), 1).get(LIMIT) == [n * n for n in range(50)]


def attempt(use, *arguments, seconds=LIMIT):
    """Use something spoiled: any result and any error will do, if it comes in time."""
    before = time.monotonic()
    with contextlib.suppress(Exception):  # each kind of damage has its error
        use(*arguments)
    assert time.monotonic() - before < seconds


@rounds(10, 100)
def test_a_queue_that_is_written_over_by_another_process(seed):
    size = 4000 + seed  # by which it is found
    marker = fresh()
    queue, other = manyhands.Queue(size), manyhands.Queue()
    queue.put(marker)
    spoiler = manyhands.Process(
        target=scribble_tasks.spoil_queue,
        args=(queue, size, marker, seed, 0.1),
    )
    spoiler.start()
    while spoiler.is_alive():
        attempt(queue.put, marker, True, 0.01)
        attempt(queue.get, True, 0.01)
        attempt(queue.get_many, 5, True, 0.01)
        attempt(queue.put_many, [1, 2, marker], True, 0.01)
        attempt(lambda: (queue.qsize(), queue.empty(), queue.full(), repr(queue)))
        other.put(seed)
        assert other.get() == seed
    spoiler.join(LIMIT)
    assert spoiler.exitcode == 0
    attempt(queue.shutdown, True)


def test_a_queue_says_that_it_was_written_over():
    marker, queue = fresh(), manyhands.Queue(3998)
    queue.put(marker)
    words, *_ = scribble_tasks.places_of_queue(3998, marker)
    scribble_tasks.spoil(scribble_tasks.world_file(), [(words[0], 8)], Fixed(b"\0" * 512))
    with pytest.raises(RuntimeError, match="written over"):
        queue.put(1)
    with pytest.raises(RuntimeError, match="written over"):
        queue.get(timeout=LIMIT)


class Fixed(random.Random):
    """Writes these bytes at the start of the first place."""

    def __init__(self, content):
        super().__init__(0)
        self.content = content

    def choice(self, seq):
        return seq[0][0], len(self.content)

    def randrange(self, *_limits):
        return 0

    def randbytes(self, _n):
        return self.content


@rounds(10, 100)
def test_a_pipe_that_is_written_over_by_another_process(seed):
    marker = fresh()
    before = {one["offset"] for one in scribble_tasks._native.survey()}
    here, there = manyhands.Pipe()
    here.send_bytes(marker)
    ring = scribble_tasks.find(scribble_tasks.world_file(), marker)
    assert ring not in before
    start = ring // 4096 * 4096 - 4096
    places = [(start, 2048), (start + 4096, 4096)]
    spoiler = manyhands.Process(target=scribble_tasks.spoil_pipe, args=(there, places, seed, 0.1))
    spoiler.start()
    there.close()

    def use():
        here.send([seed, marker])
        # A message whose rest does not come is waited for until its sender is gone.
        while here.poll(0.01):
            here.recv()

    while spoiler.is_alive():
        attempt(use)
    spoiler.join(LIMIT)
    assert spoiler.exitcode == 0
    attempt(here.close)


@pytest.mark.parametrize(
    "count", [4000, pytest.param(400_000, marks=[pytest.mark.deep, pytest.mark.timeout(900)])]
)
def test_whatever_bytes_an_item_has_they_are_a_value_or_an_error(count):
    """Each tag of the codec, with bytes that its encoder would not write."""
    source, queue, place = random.Random(count), manyhands.Queue(3999), scribble_tasks.Finder()
    ended = {"value": 0, "error": 0}
    for number in range(count):
        marker = number.to_bytes(8, "little") + MARKER + MARKER
        queue.put(marker)
        spoiled = bytes([source.randrange(14)]) + scribble_tasks.content(source)
        # Where its tag is; the length of the item stays.
        place.write(marker, -1, spoiled[: len(marker) + 1])
        try:
            queue.get(timeout=LIMIT)
            ended["value"] += 1
        except Exception:
            ended["error"] += 1
    assert min(ended.values()) > count // 20
    assert queue.empty()
