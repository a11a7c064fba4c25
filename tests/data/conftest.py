"""The kinds of data, for tests and for the workers that they start."""

from __future__ import annotations

import gc
import multiprocessing
import sys
from pathlib import Path

import numpy as np
import pytest
import support

import manyhands
from manyhands import _native

sys.path.insert(0, str(Path(__file__).resolve().parent))

import samples
from usage import SLACK, used


@pytest.fixture(scope="session", autouse=True)
def servers_up(warmed_up):
    """Template, fork server and resource tracker are there before the first test looks."""
    contexts = [manyhands.get_context("template"), multiprocessing.get_context("forkserver")]
    for context in contexts:
        process = context.Process(target=samples.make, args=("vector",))
        process.start()
        process.join()
        process.close()


@pytest.fixture(scope="module")
def workers():
    """A pool whose shared memory is warm."""
    manyhands.empty(40_000_000)  # the world's own tables have their size from now on
    with manyhands.Pool(2) as pool:
        pool.map(samples.total, [np.ones(30_000)] * 50)
        yield pool


@pytest.fixture
def memory_comes_back(workers):
    """After the test as much shared memory is in use as before."""
    gc.collect()
    before = used()
    yield

    def is_back():
        gc.collect()
        _native.sweep()
        return used() <= before + SLACK

    support.wait_until(is_back, lambda: f"{used()} bytes, {before} before", limit=15)
