"""Modules whose import never ends: what ends them, and who works on."""

from __future__ import annotations

import concurrent.futures
import importlib
import os
import sys
import time
from multiprocessing import resource_tracker

import pytest
import tasks
from support import LIMIT, gone, processes, wait_until

import manyhands

SOURCE = """
import os, pathlib, time
import manyhands

def task(x):
    return x

here = pathlib.Path(__file__).parent
wanted = "worker" if manyhands.worker() is not None else "elsewhere"
if (here / wanted).exists():
    (here / f"pid-{os.getpid()}").touch()
    while True:
        time.sleep(1)
"""


@pytest.fixture
def stuck(tmp_path, monkeypatch):
    """A module whose import hangs in other processes, where files in its folder say so."""
    (tmp_path / "stuck_at_import.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("stuck_at_import")
    del sys.modules["stuck_at_import"]


def importing(folder):
    """Which processes are in the import."""
    return [int(path.name.partition("-")[2]) for path in folder.glob("pid-*")]


def cancel_once_it_imports(pool, task, folder):
    result = pool.apply_async(task, (1,))
    wait_until(lambda: importing(folder), "nobody imports")
    assert result.cancel()
    with pytest.raises(concurrent.futures.CancelledError):
        result.get(0)


@pytest.fixture(scope="module", autouse=True)
def tracker():
    """`spawn` starts it once, for the whole program."""
    resource_tracker.ensure_running()


@processes
def test_a_cancelled_call_frees_the_workers_that_load_its_code(make_pool, stuck, tmp_path):
    pool = make_pool(2)
    assert pool.map(tasks.square, range(4)) == [0, 1, 4, 9]
    (tmp_path / "worker").touch()
    cancel_once_it_imports(pool, stuck.task, tmp_path)
    # More than the two that are there, and what waits behind the import is not lost.
    results = [pool.apply_async(tasks.square, (x,)) for x in range(8)]
    assert [result.get(LIMIT) for result in results] == [x * x for x in range(8)]
    wait_until(lambda: all(map(gone, importing(tmp_path))), "who imports lives on")


def test_code_whose_loading_was_ended_is_not_blamed(stuck, tmp_path):
    # By `spawn`: a template would have imported the module for the later workers.
    with manyhands.Pool(1, context="spawn") as pool:
        for _ in range(4):
            (tmp_path / "worker").touch()
            cancel_once_it_imports(pool, stuck.task, tmp_path)
            (tmp_path / "worker").unlink()
            for path in tmp_path.glob("pid-*"):
                path.unlink()
            assert pool.apply_async(tasks.square, (3,)).get(LIMIT) == 9
        assert pool.apply_async(stuck.task, (5,)).get(LIMIT) == 5


@processes
@pytest.mark.parametrize("when", ["before", "after"])
def test_what_another_call_needs_is_loaded_on(make_pool, stuck, tmp_path, when):
    pool = make_pool(1)
    assert pool.apply(tasks.square, (3,)) == 9
    (tmp_path / "worker").touch()
    if when == "before":
        wanted = pool.apply_async(stuck.task, (5,))
    cancel_once_it_imports(pool, stuck.task, tmp_path)
    if when == "after":
        wanted = pool.apply_async(stuck.task, (5,))
    time.sleep(1.5)
    assert not any(map(gone, importing(tmp_path)))
    assert not wanted.done()


@pytest.mark.deep
@pytest.mark.timeout(300)
def test_a_template_leaves_an_import_without_end_to_the_workers(stuck, tmp_path):
    # A minute until the template gives up, and what the initializer may take.
    (tmp_path / "elsewhere").touch()
    (tmp_path / "worker").touch()
    began = time.monotonic()
    pool = manyhands.Pool(2, initializer=stuck.task, initargs=(1,), initializer_timeout=2)
    with pool, pytest.raises(manyhands.InitializerError, match="within 2 s"):
        pool.map(tasks.square, range(4))
    took = time.monotonic() - began
    assert 60 < took < 120, took
    assert len(importing(tmp_path)) == 3
    assert all(map(gone, importing(tmp_path)))
    assert os.getpid() not in importing(tmp_path)
