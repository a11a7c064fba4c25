"""Fixtures of all tests: pools by kind, and a look after each test at what it left behind.

The tests' own modules (`tasks`, `support`, ...) are put on the path here, so that workers find them
as they find any module of a user: by `sys.path`.
"""

from __future__ import annotations

import gc
import os
import sys
import uuid
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
os.environ["MANYHANDS_TEST_RUN"] = uuid.uuid4().hex

import support
import tasks

import manyhands


def pytest_collection_finish():
    """What pytest itself holds of thousands of tests is nobody's garbage: many tests collect."""
    gc.collect()
    gc.freeze()


class Kind:
    """One of the three pools that share a contract."""

    def __init__(self, name):
        self.name = name
        self.parallel = name != "serial"
        self.isolated = name == "process"

    def __repr__(self):
        return self.name

    def make(self, processes=2, **options):
        if self.name == "thread":
            return manyhands.ThreadPool(processes, **options)
        return manyhands.Pool(processes=processes if self.parallel else 0, **options)


@pytest.fixture(params=["process", "thread", "serial"])
def kind(request):
    return Kind(request.param)


@pytest.fixture
def make_pool(kind):
    """Makes pools of the kind under test; they are terminated and joined after the test."""
    made = []

    def make(processes=2, **options):
        pool = kind.make(processes, **options)
        made.append(pool)
        return pool

    yield make
    for pool in made:
        pool.terminate()
        pool.join()


@pytest.fixture
def pool(make_pool):
    return make_pool()


@pytest.fixture(scope="session", autouse=True)
def warmed_up():
    """What the library opens once for the whole process is there before the first test looks."""
    with manyhands.Pool(1) as pool:
        pool.apply_async(tasks.identity, (1,), callback=tasks.identity).get()


@pytest.fixture(autouse=True)
def nothing_left(warmed_up):
    """After each test: no process and no open file that was not there before."""
    inventory = support.Inventory()
    tasks.state, tasks.inits = None, 0
    yield
    inventory.check()
