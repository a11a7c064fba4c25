"""Workers that end while they load the code of a call: it is loaded elsewhere, and no item is lost.

Only code over which three workers in a row have ended fails its call: that was the code.
"""

from __future__ import annotations

import functools
import importlib
import os
import signal
import sys

import pytest
import tasks
from support import LIMIT, journal, processes, wait_until

import manyhands

pytestmark = processes

SLOW = """
import os
import tasks

tasks.note({log!r}, os.getpid())
tasks.await_file({release!r})

def work(x):
    return x * x
"""


@pytest.fixture
def slow(tmp_path, monkeypatch):
    """A module whose import waits for leave, but in this process."""
    log, release = tmp_path / "journal", tmp_path / "release"
    name = f"slow_module_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(SLOW.format(log=str(log), release=str(release)))
    monkeypatch.syspath_prepend(tmp_path)
    release.touch()
    module = importlib.import_module(name)
    release.unlink()
    log.unlink()
    yield module, log, release
    del sys.modules[name]


def workers_of(pool):
    return {pid for _, pid in pool._crew.engine.pids() if pid is not None}


@pytest.mark.parametrize("kills", [1, 2])
def test_a_kill_while_code_is_loaded_costs_nothing(make_pool, slow, kills):
    module, log, release = slow
    pool = make_pool(kills)
    pool.map(abs, range(4 * kills), 1)
    result = pool.map_async(module.work, range(50))
    workers = workers_of(pool)
    wait_until(lambda: workers <= {int(pid) for pid in journal(log)}, "the code is not loaded")
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    release.touch()
    assert result.get(LIMIT) == [x * x for x in range(50)]


def test_a_template_killed_while_code_is_loaded_costs_nothing(make_pool, slow):
    module, log, release = slow
    pool = make_pool(4)
    pool.map(abs, range(16), 1)
    template = pool.apply(tasks.parent_pid)
    result = pool.map_async(module.work, range(50))
    workers = workers_of(pool)
    wait_until(lambda: workers <= {int(pid) for pid in journal(log)}, "the code is not loaded")
    os.kill(template, signal.SIGKILL)
    release.touch()
    assert result.get(LIMIT) == [x * x for x in range(50)]


def test_code_that_ends_every_worker_fails_its_call(make_pool):
    pool = make_pool(2)
    deadly = functools.partial(tasks.add, tasks.DiesWhenLoaded())
    beside = pool.map_async(tasks.square, range(50))
    for _ in range(2):
        with pytest.raises(manyhands.WorkerDied) as caught:
            pool.map(deadly, range(10))
        assert caught.value.exitcode == 11
    assert beside.get(LIMIT) == [x * x for x in range(50)]
    assert pool.map(tasks.square, range(50)) == [x * x for x in range(50)]


def test_an_initializer_that_cannot_be_loaded_fails_the_pool(make_pool):
    pool = make_pool(2, initializer=functools.partial(tasks.set_state, tasks.DiesWhenLoaded()))
    for _ in range(2):
        with pytest.raises(manyhands.InitializerError) as caught:
            pool.map(tasks.square, range(10))
        assert caught.value.exitcode == 11
