"""Condition and Event: CPython's semantics, and waiters that die."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest
import support
from children import family

from manyhands import synchronize

locks = pytest.mark.parametrize("make", [synchronize.Lock, synchronize.RLock])


def wait_for_waiters(condition, count):
    support.wait_until(lambda: condition._waiters() == count, f"{count} waiters")


def test_it_needs_its_lock():
    condition = synchronize.Condition()
    with pytest.raises(AssertionError, match="must acquire"):
        condition.wait(0)
    with pytest.raises(AssertionError, match="lock is not owned"):
        condition.notify()
    with pytest.raises(AssertionError, match="lock is not owned"):
        condition.notify_all()
    with pytest.raises(TypeError, match="needs a Lock or RLock of manyhands"):
        synchronize.Condition(threading.Lock())


@locks
def test_a_wait_times_out_with_the_lock_held(make):
    condition = synchronize.Condition(make())
    with condition:
        assert condition.wait(0) is False
        assert condition.wait(0.02) is False
        assert condition.locked()
    assert not condition.locked()


def test_an_rlock_is_given_back_altogether_and_taken_again_as_often():
    lock = synchronize.RLock()
    condition = synchronize.Condition(lock)

    def notify():
        with condition:
            condition.notify()

    with lock, lock, condition, family() as start:
        start(notify)
        assert condition.wait(support.LIMIT) is True
        assert lock._count() == 3


@locks
def test_so_many_are_notified(make):
    condition, woken = synchronize.Condition(make()), synchronize.Semaphore(0)

    def wait():
        with condition:
            assert condition.wait(support.LIMIT) is True
        woken.release()

    with family() as start:
        for _ in range(3):
            start(wait)
        threads = [threading.Thread(target=wait) for _ in range(3)]
        for thread in threads:
            thread.start()
        wait_for_waiters(condition, 6)
        with condition:
            condition.notify(2)
        assert [woken.acquire(timeout=support.LIMIT) for _ in range(2)] == [True] * 2
        assert woken.acquire(timeout=0.1) is False
        with condition:
            condition.notify_all()
        assert [woken.acquire(timeout=support.LIMIT) for _ in range(4)] == [True] * 4
        for thread in threads:
            thread.join()
    with condition:
        condition.notify(3)
    assert condition._sleeping_count.get_value() == condition._woken_count.get_value() == 0


def test_wait_for():
    condition, value = synchronize.Condition(), synchronize.Atomic(0)

    def count():
        for _ in range(4):
            with condition:
                value.add(1)
                condition.notify()

    with condition:
        assert condition.wait_for(lambda: value.load() == 4, 0.05) is False
        with family() as start:
            start(count)
            assert condition.wait_for(lambda: value.load() == 4 and "four") == "four"


def test_a_dead_waiter_swallows_no_notification():
    condition, woken = synchronize.Condition(), synchronize.Event()

    def wait():
        with condition:
            assert condition.wait(support.LIMIT) is True
        woken.set()

    with family() as start:
        dead = start(wait)
        wait_for_waiters(condition, 1)
        start(wait)
        wait_for_waiters(condition, 2)
        dead.kill()
        dead.join()
        with condition:
            condition.notify()
        assert woken.wait(support.LIMIT)
    assert condition._waiters() == 0


def test_ctrl_c_ends_a_wait_with_the_lock_held():
    condition, done = synchronize.Condition(), synchronize.Event()

    def wait():
        with condition:
            with pytest.raises(KeyboardInterrupt):
                condition.wait()
            assert condition._lock._is_mine()
        done.set()

    with family() as start:
        waiter = start(wait)
        wait_for_waiters(condition, 1)
        os.kill(waiter.pid, signal.SIGINT)
        assert done.wait(support.LIMIT)
    assert condition._waiters() == 0


def test_an_event_goes_up_and_down():
    event = synchronize.Event()
    assert event.is_set() is False
    assert event.wait(0) is False
    assert event.wait(0.01) is False
    assert event.set() is None
    assert event.is_set() is True
    assert event.wait() is True
    event.clear()
    assert event.wait(0.01) is False
    assert repr(event).startswith("<Event at 0x")
    assert repr(event).endswith(" unset>")


def test_an_event_frees_all_that_wait():
    event = synchronize.Event()
    with family() as start:
        for _ in range(3):
            start(lambda: event.wait(support.LIMIT) or pytest.fail("not set"))
        time.sleep(0.05)
        event.set()


def test_ctrl_c_ends_the_wait_for_an_event():
    event, inside = synchronize.Event(), synchronize.Event()

    def wait():
        inside.set()
        with pytest.raises(KeyboardInterrupt):
            event.wait()

    with family() as start:
        waiter = start(wait)
        assert inside.wait(support.LIMIT)
        support.wait_until(lambda: support.state_of(waiter.pid) == "S", "asleep")
        os.kill(waiter.pid, signal.SIGINT)
        assert waiter.join() == 0
