"""A million arrays: no descriptor for any of them, and no memory once they are gone."""

from __future__ import annotations

import gc

import numpy as np
import pytest
import samples
import support
from usage import SLACK, used

import manyhands
from manyhands import _native

NAME = 64  # bytes that the world keeps for each block that there was at once


def test_the_next_arrays_get_the_names_of_those_before():
    """So what stays is bounded by how many there were at once, not by how many there were."""
    after = []
    for _ in range(4):
        kept = [manyhands.zeros(1) for _ in range(30_000)]
        del kept
        gc.collect()
        after.append(used())
    assert after[-1] <= after[0] + SLACK, after


@pytest.mark.deep
@pytest.mark.timeout(600)
def test_descriptors_of_a_million_arrays():
    count = 1_000_000
    with manyhands.Pool(2) as pool:
        pool.map(samples.total, [np.ones(30_000)] * 50)
        before, memory = len(support.open_files()), used()
        kept = [manyhands.zeros(1) for _ in range(count)]
        assert len(support.open_files()) == before
        in_workers = pool.apply(samples.descriptors, (None,))
        assert pool.map(samples.descriptors, kept[:4]) == [in_workers] * 4
        stream = (np.ones(2_100) for _ in range(count))
        most = before
        for number, made in enumerate(pool.imap(samples.twice, stream)):
            if number % 50_000 == 0:
                assert made[5] == 2
                most = max(most, len(support.open_files()))
        assert most <= before + 2
        print(f"{before} descriptors before, {most} with a million arrays; {used() / 1e6:.0f} MB")
        del kept, made
    pool.join()

    def is_back():
        gc.collect()
        _native.sweep()
        return used() <= memory + count * NAME

    support.wait_until(is_back, lambda: f"{used()} bytes, {memory} before", limit=15)
    print(f"{memory / 1e6:.1f} MB in use before, {used() / 1e6:.1f} after")
