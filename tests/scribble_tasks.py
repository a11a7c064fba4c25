"""A process that writes anything into memory which it shares with others: lanes, queues, pipes.

It writes through the descriptors that it has anyway. What is written follows from a seed.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import pickle
import random
import time
from pathlib import Path

from manyhands import _native

LANE_HEADER = 8704  # docs/design/memory-layout.md: the table, the words, the bell
LANE_REQUESTS = 65_536
LANE_STACKS = 65_536


def files(name):
    """The memory files of this process with that name."""
    found = []
    for link in Path("/proc/self/fd").iterdir():
        try:
            target = str(link.readlink())
        except OSError:
            continue
        if target.startswith(f"/memfd:{name}"):
            found.append(int(link.name))
    return found


def some_bytes(source):
    """What a broken program may write: noise, zeros, ones, small and large words."""
    kind = source.randrange(5)
    if kind == 0:
        return source.randbytes(source.randrange(1, 64))
    if kind == 1:
        return bytes(source.randrange(1, 256))
    if kind == 2:
        return b"\xff" * source.randrange(1, 64)
    word = source.randrange(300) if kind == 3 else source.getrandbits(64)
    return word.to_bytes(8, "little")


def spoil_lane(seed, x):
    """Write into each part of this worker's lane, then be an honest worker again."""
    source = random.Random(seed)
    (fd,) = files("manyhands-lane")
    limit = (os.fstat(fd).st_size - LANE_REQUESTS - LANE_STACKS) // 2
    parts = [(0, LANE_HEADER), (LANE_REQUESTS, 4096), (LANE_REQUESTS + limit, 4096)]
    for _ in range(source.randrange(1, 6)):
        start, length = source.choice(parts)
        at = start + source.randrange(length // 8) * 8
        os.pwrite(fd, some_bytes(source)[: start + length - at], at)
    return x


def world_file():
    """The descriptor of the home world."""
    return _native.home_world()[1]


def places_of_queue(maxsize, marker):
    """Where the words of the queue with that `maxsize` lie, and the chunk that holds the marker."""
    (words,) = [one for one in _native.survey() if one.get("most") == maxsize]
    places = [(words["offset"], words["length"])]
    at = find(world_file(), marker)
    return [*places, (at // 4096 * 4096, 4096)] if at is not None else places


def find(fd, marker):
    """Where those bytes lie in the parts of a memory file that are in use."""
    size, at = os.fstat(fd).st_size, 0
    with mmap.mmap(fd, size, mmap.MAP_SHARED, mmap.PROT_READ) as memory:
        while at < size:
            try:
                start = os.lseek(fd, at, os.SEEK_DATA)
            except OSError:
                return None
            at = os.lseek(fd, start, os.SEEK_HOLE)
            found = memory.find(marker, start, at)
            if found >= 0:
                return found
    return None


def spoil(fd, places, source):
    """Write once into one of the places: where it begins, and how long it is."""
    start, length = source.choice(places)
    at = start + source.randrange(length // 4) * 4
    os.pwrite(fd, some_bytes(source)[: start + length - at], at)


def spoil_queue(queue, maxsize, marker, seed, seconds):
    """Write into the words and items of a queue for a while, and use it as well."""
    source = random.Random(seed)
    fd, places = world_file(), places_of_queue(maxsize, marker)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        spoil(fd, places, source)
        for use in (queue.put_nowait, lambda _: queue.get_nowait()):
            with contextlib.suppress(Exception):
                use([seed, marker])


def spoil_pipe(connection, places, seed, seconds):
    """Write into the words and rings of a pipe for a while, and send as well."""
    source = random.Random(seed)
    fd = world_file()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        spoil(fd, places, source)
        with contextlib.suppress(Exception):
            if not connection.poll(0):
                connection.send(seed)
            else:
                connection.recv()


class Finder:
    """Finds bytes in the world quickly, where each is near the one before."""

    def __init__(self):
        self._fd = world_file()
        size = os.fstat(self._fd).st_size
        self._memory = mmap.mmap(self._fd, size, mmap.MAP_SHARED, mmap.PROT_READ)
        self._near = 0

    def write(self, marker, offset, content):
        """Write `offset` bytes behind where the marker begins."""
        near = max(0, self._near - 70_000)
        at = self._memory.find(marker, near, self._near + 70_000) if self._near else -1
        if at < 0:
            at = find(self._fd, marker)
        self._near = at
        os.pwrite(self._fd, content, at + offset)


_VALUES = (
    1,
    2.5,
    "text",
    None,
    (1, [2.5, "three"], {"k": b"v"}),
    {1, 2},
    10**30,
    b"bytes",
    range(3),
)


def content(source):
    """Bytes of an item behind its tag: noise, tags of small containers, damaged pickles."""
    kind = source.randrange(3)
    if kind == 0:
        return source.randbytes(80)
    if kind == 1:
        return bytes(source.choice((0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 255)) for _ in range(80))
    made = bytearray(pickle.dumps(source.choice(_VALUES), protocol=source.randrange(6)))
    for _ in range(source.randrange(4)):
        made[source.randrange(len(made))] = source.randrange(256)
    return bytes(made).ljust(80, b".")
