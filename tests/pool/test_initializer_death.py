"""An initializer that dies, or that cannot travel: one clear error, never a loop of new workers."""

from __future__ import annotations

import os
import signal
import sys
import threading

import hang_tasks
import pytest
import tasks
from support import LIMIT, gone, journal, processes, wait_until

import manyhands

pytestmark = processes

# Seconds that an initializer may take, more than one that does nothing needs under load.
BRIEF = {"initializer_timeout": 3}

DEATHS = {
    "exit-5": (tasks.exit_hard, 5, None, 5),
    "exit-0": (tasks.exit_hard, 0, None, 0),
    "SIGKILL": (tasks.kill_self, signal.SIGKILL, signal.SIGKILL, None),
    "SIGTERM": (tasks.kill_self, signal.SIGTERM, signal.SIGTERM, None),
    "segfault": (tasks.segfault, None, signal.SIGSEGV, None),
    "abort": (tasks.abort, None, signal.SIGABRT, None),
}


class HangsWhenLoaded:
    def __reduce__(self):
        return hang_tasks.sleep, (1,)


def hang_later(log):
    """The first time it returns at once."""
    if journal(log):
        hang_tasks.sleep(1)
    tasks.note(log, "once")


@pytest.mark.parametrize("death", DEATHS)
def test_a_dying_initializer_is_one_clear_error(make_pool, death):
    how, detail, number, code = DEATHS[death]
    pool = make_pool(initializer=how, initargs=(detail,))
    for _ in range(2):
        with pytest.raises(manyhands.InitializerError, match=how.__name__) as caught:
            pool.map(tasks.square, range(10))
        assert (caught.value.signal, caught.value.exitcode) == (number, code)


def test_sys_exit_is_a_failure_with_a_cause(make_pool):
    pool = make_pool(initializer=tasks.exit_soft, initargs=(3,))
    with pytest.raises(manyhands.InitializerError, match="exit_soft"):
        pool.apply(tasks.square, (1,))


@pytest.mark.parametrize("how", [tasks.note_and_raise, tasks.note_and_exit])
def test_workers_are_not_started_over_and_over(make_pool, tmp_path, how):
    log = tmp_path / "journal"
    pool = make_pool(2, initializer=how, initargs=(log,))
    for _ in range(20):
        with pytest.raises(manyhands.InitializerError):
            pool.apply(tasks.square, (1,))
    pool.close()
    pool.join()
    assert 1 <= len(journal(log)) <= 2


def test_the_initializer_of_a_replacement_fails(make_pool, tmp_path):
    log = tmp_path / "first"
    pool = make_pool(1, initializer=tasks.init_only_once, initargs=(log,))
    assert pool.apply(tasks.square, (3,)) == 9
    died = pool.apply_async(tasks.exit_hard, (1,))
    after = [pool.apply_async(tasks.square, (x,)) for x in range(5)]
    assert isinstance(died.exception(LIMIT), manyhands.WorkerDied)
    for result in after:
        with pytest.raises(manyhands.InitializerError) as caught:
            result.get(LIMIT)
        assert isinstance(caught.value.__cause__, tasks.OwnError)


def test_killed_from_outside_while_it_initializes(make_pool, tmp_path):
    log, release = tmp_path / "journal", tmp_path / "release"
    pool = make_pool(1, initializer=tasks.note_pid_and_wait, initargs=(log, release))
    result = pool.apply_async(tasks.square, (3,))
    (pid,) = wait_until(lambda: journal(log), "the initializer does not start")
    os.kill(int(pid), signal.SIGKILL)
    with pytest.raises(manyhands.InitializerError) as caught:
        result.get(LIMIT)
    assert caught.value.signal == signal.SIGKILL


def test_terminate_during_initialization(make_pool, tmp_path):
    log, release = tmp_path / "journal", tmp_path / "never"
    pool = make_pool(2, initializer=tasks.note_pid_and_wait, initargs=(log, release))
    result = pool.apply_async(tasks.square, (3,))
    wait_until(lambda: len(journal(log)) == 2, "the initializers do not start")
    pool.terminate()
    pool.join()
    with pytest.raises(manyhands.CancelledError):
        result.get(LIMIT)
    assert all(gone(int(pid)) for pid in journal(log))


@pytest.mark.parametrize("value", [threading.Lock(), (x for x in "ab"), sys._getframe()])
def test_initargs_that_cannot_be_pickled(kind, value):
    def use():
        with kind.make(1, initializer=tasks.set_state, initargs=(value,)) as pool:
            pool.apply(tasks.square, (1,))

    with pytest.raises(manyhands.PicklingError):  # at once, or at the first use
        use()


def test_initargs_that_cannot_be_unpickled(make_pool):
    pool = make_pool(initializer=tasks.set_state, initargs=(tasks.BadWhenLoaded(),))
    for _ in range(2):
        with pytest.raises(manyhands.InitializerError) as caught:
            pool.apply(tasks.square, (1,))
        assert "bad when loaded" in chain_text(caught.value)


def test_initargs_that_kill_the_worker_when_unpickled(make_pool):
    pool = make_pool(initializer=tasks.set_state, initargs=(tasks.DiesWhenLoaded(),))
    with pytest.raises(manyhands.InitializerError) as caught:
        pool.apply(tasks.square, (1,))
    assert caught.value.exitcode == 11


@pytest.mark.parametrize("method", ["template", "fork"])
def test_an_initializer_that_hangs_is_one_clear_error(make_pool, method):
    pool = make_pool(initializer=hang_tasks.sleep, initargs=(1,), context=method, **BRIEF)
    for _ in range(2):
        with pytest.raises(manyhands.InitializerError, match="not returned within") as caught:
            pool.map(tasks.square, range(10))
        assert (caught.value.timeout, caught.value.exitcode) == (BRIEF["initializer_timeout"], None)
    assert "in sleep" in caught.value.stacks
    assert "in sleep" in str(caught.value)


@pytest.mark.parametrize("how", ["ignore", "swallow", "library"])
def test_an_initializer_is_ended_however_it_hangs(make_pool, how):
    pool = make_pool(1, initializer=hang_tasks.HANGS[how], initargs=(1,), initializer_timeout=1)
    with pytest.raises(manyhands.InitializerError, match=f"{how} had not returned"):
        pool.apply(tasks.square, (1,))
    pool.close()
    pool.join()


def test_initargs_that_hang_when_unpickled(make_pool):
    pool = make_pool(
        1, initializer=tasks.set_state, initargs=(HangsWhenLoaded(),), initializer_timeout=1
    )
    with pytest.raises(manyhands.InitializerError, match="not returned within"):
        pool.apply(tasks.square, (1,))


def test_an_initializer_that_is_quick_enough_has_no_limit_for_its_items(make_pool, tmp_path):
    pool = make_pool(2, initializer=tasks.load_model, initargs=(tmp_path / "log", 7), **BRIEF)
    assert pool.map(tasks.predict, range(100)) == [7 * x for x in range(100)]
    assert pool.apply(hang_tasks.slowly, (BRIEF["initializer_timeout"] + 0.5, 3)) == 3


def test_the_initializer_of_a_replacement_may_take_as_long(make_pool, tmp_path):
    log = tmp_path / "first"
    pool = make_pool(1, initializer=hang_later, initargs=(log,), **BRIEF)
    assert pool.apply(tasks.square, (3,)) == 9
    died = pool.apply_async(tasks.exit_hard, (1,))
    after = [pool.apply_async(tasks.square, (x,)) for x in range(5)]
    assert isinstance(died.exception(LIMIT), manyhands.WorkerDied)
    for result in after:
        with pytest.raises(manyhands.InitializerError, match="hang_later had not returned"):
            result.get(LIMIT)


def chain_text(error):
    """The texts of an exception and of all its causes."""
    texts = []
    while error is not None:
        texts.append(f"{error} {' '.join(getattr(error, '__notes__', []))}")
        error = error.__cause__ or error.__context__
    return " ".join(texts)


def test_a_heavy_state_is_loaded_once_per_worker(make_pool, tmp_path):
    # The pattern of a model: loaded into a global by the initializer, read by every task.
    log = tmp_path / "journal"
    pool = make_pool(2, initializer=tasks.load_model, initargs=(log, 7))
    assert pool.map(tasks.predict, range(200)) == [7 * x for x in range(200)]
    assert len(journal(log)) <= 2


def test_a_replacement_has_the_state_too(make_pool, tmp_path):
    log = tmp_path / "journal"
    pool = make_pool(1, initializer=tasks.load_model, initargs=(log, 7))
    assert pool.apply(tasks.predict, (2,)) == 14
    with pytest.raises(manyhands.WorkerDied):
        pool.apply(tasks.exit_hard, (1,))
    assert pool.apply(tasks.predict, (3,)) == 21
    assert len(set(journal(log))) == 2
