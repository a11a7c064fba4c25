"""Workers that end before they have begun: the pool goes on, and gives up if that never ends."""

from __future__ import annotations

import multiprocessing
import os

import pytest
import tasks

import manyhands


class StillbornContext:
    """A context whose processes end before they have looked for work, all or the first so many."""

    def __init__(self, births):
        self._births = births
        self._fork = multiprocessing.get_context("fork")

    def Process(self, target, args, daemon):  # noqa: N802 - the name that a context has
        self._births -= 1
        if self._births >= 0:
            target, args = os._exit, (7,)
        return self._fork.Process(target=target, args=args, daemon=daemon)


def test_workers_that_never_start_fail_the_pool():
    with manyhands.Pool(1, context=StillbornContext(10_000)) as pool:
        with pytest.raises(manyhands.LaunchError, match="in a row ended before"):
            pool.apply(tasks.square, (3,))
        pool.terminate()


def test_a_bad_start_is_survived():
    with manyhands.Pool(1, context=StillbornContext(6)) as pool:
        assert pool.apply(tasks.square, (3,)) == 9
