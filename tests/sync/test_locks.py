"""Lock and RLock: CPython's semantics, and owners that die."""

from __future__ import annotations

import os
import signal
import threading
import time
import warnings
import weakref

import pytest
import support
from children import family

from manyhands import synchronize
from manyhands.errors import OwnerDied, OwnerDiedWarning

both = pytest.mark.parametrize("make", [synchronize.Lock, synchronize.RLock])


def in_thread(function, *args, name=None):
    """Call it in a thread and return what it returns."""
    results = []
    thread = threading.Thread(target=lambda: results.append(function(*args)), name=name)
    thread.start()
    thread.join()
    return results[0]


def test_lock_as_cpythons():
    lock = synchronize.Lock()
    assert lock.acquire() is True
    assert lock.locked()
    assert lock.acquire(False) is False
    assert lock.acquire(block=False, timeout=5) is False
    assert lock.acquire(timeout=0.01) is False
    assert lock.acquire(True, -1) is False
    assert lock.release() is None
    with pytest.raises(ValueError, match="released too many times"):
        lock.release()
    with lock as entered:
        assert entered is True
    assert not lock.locked()


def test_rlock_as_cpythons():
    lock = synchronize.RLock()
    assert [lock.acquire() for _ in range(3)] == [True] * 3
    assert in_thread(lock.acquire, False) is False
    for _ in range(3):
        assert lock.release() is None
    with pytest.raises(AssertionError, match="not owned by thread"):
        lock.release()
    with lock, lock:
        assert lock.locked()
    assert not lock.locked()


def test_a_thread_cannot_release_anothers_rlock():
    lock = synchronize.RLock()
    lock.acquire()

    def release():
        with pytest.raises(AssertionError):
            lock.release()
        return True

    assert in_thread(release)
    lock.release()


def test_anybody_releases_a_lock():
    lock = synchronize.Lock()
    lock.acquire()
    with family() as start:
        start(lock.release)
    assert not lock.locked()


@both
def test_wrong_arguments_are_refused(make):
    lock = make()
    with pytest.raises(TypeError):
        lock.acquire(True, "soon")
    with pytest.raises(TypeError):
        lock.acquire(nonsense=1)
    with pytest.raises(TypeError):
        lock.release(1)
    with pytest.raises(ValueError, match="'warn', 'raise' or 'ignore'"):
        make(on_death="shrug")
    assert not lock.locked()


@both
def test_weak_references_and_context_arguments(make):
    lock = make(ctx=None)
    assert weakref.ref(lock)() is lock


def test_repr_of_a_lock():
    lock = synchronize.Lock()
    assert repr(lock) == "<Lock(owner=None)>"
    with lock:
        assert repr(lock) == "<Lock(owner=MainProcess)>"
        assert in_thread(repr, lock) == "<Lock(owner=SomeOtherThread)>"
        with family() as start:
            start(lambda: _equal(repr(lock), "<Lock(owner=SomeOtherProcess)>"))
    in_thread(lock.acquire)
    assert repr(lock) == "<Lock(owner=SomeOtherThread)>"
    lock.release()

    def named():
        with lock:
            return repr(lock)

    assert in_thread(named, name="T1") == "<Lock(owner=MainProcess|T1)>"


def test_repr_of_an_rlock():
    lock = synchronize.RLock()
    assert repr(lock) == "<RLock(None, 0)>"
    with lock, lock:
        assert repr(lock) == "<RLock(MainProcess, 2)>"
        assert in_thread(repr, lock) == "<RLock(SomeOtherThread, nonzero)>"
        with family() as start:
            start(lambda: _equal(repr(lock), "<RLock(SomeOtherProcess, nonzero)>"))


def _equal(one, two):
    assert one == two


@both
def test_processes_and_threads_count_together(make):
    lock, total = make(), synchronize.Atomic(0)

    def count():
        for _ in range(2000):
            with lock:
                total.store(total.load() + 1)

    with family() as start:
        start(count)
        start(count)
        threads = [threading.Thread(target=count) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert total.load() == 8000


@both
def test_a_waiter_times_out_and_is_served_later(make):
    lock, inside = make(), synchronize.Event()
    out = synchronize.Event()

    def hold():
        with lock:
            inside.set()
            out.wait()

    with family() as start:
        start(hold)
        inside.wait()
        assert lock.acquire(timeout=0.1) is False
        out.set()
        assert lock.acquire(timeout=support.LIMIT)
    lock.release()


def _hold_for_ever(lock, inside):
    lock.acquire()
    inside.set()
    time.sleep(support.LIMIT)


@both
def test_a_killed_holder_blocks_nobody_and_is_told(make):
    lock, inside = make(), synchronize.Event()
    with family() as start:
        holder = start(_hold_for_ever, lock, inside)
        assert inside.wait(support.LIMIT)
        holder.kill()
        begin = time.monotonic()
        with pytest.warns(OwnerDiedWarning, match="half done"):
            assert lock.acquire(timeout=support.LIMIT)
        assert time.monotonic() - begin < 5
    lock.release()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with lock:
            pass


@both
def test_an_attempt_recovers_too(make):
    lock, inside = make(on_death="ignore"), synchronize.Event()
    with family() as start:
        holder = start(_hold_for_ever, lock, inside)
        assert inside.wait(support.LIMIT)
        assert lock.acquire(False) is False
        holder.kill()
        holder.join()
        assert not lock.locked()
        assert lock.acquire(False) is True
    lock.release()


@both
def test_the_error_is_told_until_somebody_takes_it_on(make):
    lock, inside = make(on_death="raise"), synchronize.Event()
    with family() as start:
        holder = start(_hold_for_ever, lock, inside)
        assert inside.wait(support.LIMIT)
        holder.kill()
        holder.join()
    for _ in range(2):
        with pytest.raises(OwnerDied, match="half done"):
            lock.acquire()
        with pytest.raises(OwnerDied), lock:
            pytest.fail("entered")
        assert not lock.locked()
    assert lock.acquire(on_death="ignore") is True
    lock.release()
    with lock:
        pass


@both
def test_a_warning_that_is_an_error_leaves_the_lock_free(make):
    lock, inside = make(), synchronize.Event()
    with family() as start:
        holder = start(_hold_for_ever, lock, inside)
        assert inside.wait(support.LIMIT)
        holder.kill()
        holder.join()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(OwnerDiedWarning):
            lock.acquire()
    assert not lock.locked()


@both
def test_os_exit_recovers(make):
    lock = make(on_death="ignore")
    with family() as start:
        start(lock.acquire)
    assert lock.acquire(timeout=support.LIMIT)
    lock.release()


@both
def test_ctrl_c_ends_a_wait_and_leaves_nothing(make):
    lock, inside, done = make(), synchronize.Event(), synchronize.Event()

    def wait():
        inside.set()
        with pytest.raises(KeyboardInterrupt):
            lock.acquire()
        done.set()

    with lock, family() as start:
        waiter = start(wait)
        assert inside.wait(support.LIMIT)
        support.wait_until(lambda: support.state_of(waiter.pid) == "S", "asleep")
        os.kill(waiter.pid, signal.SIGINT)
        assert done.wait(support.LIMIT)
    with lock:
        pass


@both
def test_a_forked_child_does_not_hold_what_its_parent_holds(make):
    lock = make()
    with lock, family() as start:
        start(lambda: _equal(lock.acquire(timeout=0.05), False))
    with lock:
        pass


def test_a_wait_lets_other_threads_run():
    lock = synchronize.Lock()
    lock.acquire()
    waiter = threading.Thread(target=lock.acquire)
    waiter.start()
    lock.release()
    waiter.join(support.LIMIT)
    assert not waiter.is_alive()
    lock.release()
