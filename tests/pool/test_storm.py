"""Kill storms: workers die at random moments, and every item still ends exactly once.

The short form runs always; the long one is marked `deep`. A killer thread ends random workers by
SIGKILL while the pool is used in one way after another; each result is checked, and each item that
did not give its value must have failed with `WorkerDied`.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
from pathlib import Path

import pytest
import support
import tasks

import manyhands


class Killer:
    """Ends random workers of a pool, and now and then its template, until it has ended enough."""

    def __init__(self, pool, seed, kills):
        self._workers = pool._crew.engine
        self._random = random.Random(seed)
        self._left = kills
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()

    def _run(self):
        pause = 0.0
        while self._left and not self._stop.wait(pause):
            # A template that is ended again before it is up counts as one that cannot be started.
            template = self._random.randrange(20) == 0
            pause = 0.25 if template else self._random.uniform(0.0, 0.02)
            workers = {pid for _, pid in self._workers.pids() if pid is not None}
            victims = sorted(templates() | workers if template else workers)
            if victims:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self._random.choice(victims), signal.SIGKILL)
                self._left -= 1

    @property
    def done(self):
        return not self._left


def templates():
    """The templates among the descendants: the standard library's helpers are none of ours."""
    return {pid for pid in support.descendants(os.getpid()) if b"_template" in command(pid)}


def command(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def is_lost(error):
    return isinstance(error, manyhands.WorkerDied)


def by_map(pool, n):
    return pool.map(tasks.square, range(n), errors="return")


def by_chunks(pool, n):
    return pool.map(tasks.square, range(n), 7, errors="return")


def by_imap(pool, n):
    return list(pool.imap(tasks.square, iter(range(n)), errors="return"))


def by_submitting(pool, n):
    results = [pool.apply_async(tasks.square, (x,)) for x in range(n)]
    return [
        error if (error := r.exception(support.LIMIT)) is not None else r.get() for r in results
    ]


def check(got, n):
    """Each item gave its value or was lost, at its place."""
    assert len(got) == n
    wrong = {x: y for x, y in enumerate(got) if y != x * x and not is_lost(y)}
    assert not wrong


def storm(workers, kills, seed):
    ways = (by_map, by_chunks, by_imap, by_submitting)
    with manyhands.Pool(workers) as pool, Killer(pool, seed, kills) as killer:
        rounds = 0
        while not killer.done:
            check(ways[rounds % len(ways)](pool, 300), 300)
            rounds += 1
    with manyhands.Pool(workers) as pool, Killer(pool, seed + 1, 5):
        unordered = list(pool.imap_unordered(tasks.square, range(300), errors="return"))
        values = [y for y in unordered if not is_lost(y)]
        assert len(unordered) == 300
        assert len(set(values)) == len(values)
        assert set(values) <= {x * x for x in range(300)}


def test_a_short_storm():
    storm(workers=3, kills=40, seed=1)


@pytest.mark.deep
@pytest.mark.parametrize("workers", [2, 4, 8, 16])
def test_a_long_storm(workers):
    storm(workers, kills=500, seed=workers)
