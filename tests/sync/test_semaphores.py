"""Semaphores: CPython's semantics, and permits that come back from the dead."""

from __future__ import annotations

import time

import pytest
import support
from children import family

from manyhands import synchronize

both = pytest.mark.parametrize("make", [synchronize.Semaphore, synchronize.BoundedSemaphore])


@both
def test_permits_as_cpythons(make):
    semaphore = make(2)
    assert semaphore.get_value() == 2
    assert semaphore.acquire() is True
    assert semaphore.acquire(True, 1) is True
    assert semaphore.locked()
    assert semaphore.acquire(False) is False
    assert semaphore.acquire(False, None) is False
    assert semaphore.acquire(timeout=0.01) is False
    assert semaphore.release() is None
    assert semaphore.release() is None
    assert semaphore.get_value() == 2


def test_a_semaphore_grows():
    semaphore = synchronize.Semaphore(0)
    for _ in range(4):
        semaphore.release()
    assert semaphore.get_value() == 4
    largest = synchronize.Semaphore(synchronize.SEM_VALUE_MAX)
    with pytest.raises(ValueError, match="released too many times"):
        largest.release()


def test_a_bounded_one_does_not():
    semaphore = synchronize.BoundedSemaphore(2)
    with pytest.raises(ValueError, match="released too many times"):
        semaphore.release()
    with semaphore:
        assert semaphore.get_value() == 1
    assert semaphore.get_value() == 2


@both
def test_strange_values_are_refused(make):
    for value in (-1, 2**31):
        with pytest.raises(ValueError, match="value of a semaphore"):
            make(value)


def test_repr():
    assert repr(synchronize.Semaphore(3)) == "<Semaphore(value=3)>"
    assert repr(synchronize.BoundedSemaphore(3)) == "<BoundedSemaphore(value=3, maxvalue=3)>"


def test_a_release_in_another_process_ends_a_wait():
    semaphore = synchronize.Semaphore(0)
    with family() as start:
        start(semaphore.release)
        assert semaphore.acquire(timeout=support.LIMIT)


def test_no_more_than_the_permits_are_inside():
    semaphore, inside, most = synchronize.Semaphore(2), synchronize.Atomic(0), synchronize.Atomic(0)

    def visit():
        for _ in range(500):
            with semaphore:
                now = inside.add(1)
                if now > most.load():
                    most.store(now)
                inside.sub(1)

    with family() as start:
        for _ in range(4):
            start(visit)
    assert 1 <= most.load() <= 2
    assert semaphore.get_value() == 2


def _stay(semaphore, inside):
    with semaphore:
        inside.release()
        time.sleep(support.LIMIT)


@both
def test_a_permit_of_a_with_comes_back(make):
    semaphore, inside = make(2), synchronize.Semaphore(0)
    with family() as start:
        holders = [start(_stay, semaphore, inside) for _ in range(2)]
        for _ in holders:
            assert inside.acquire(timeout=support.LIMIT)
        assert semaphore.acquire(timeout=0.1) is False
        for holder in holders:
            holder.kill()
        begin = time.monotonic()
        assert semaphore.acquire(timeout=support.LIMIT)
        assert semaphore.acquire(timeout=support.LIMIT)
        assert time.monotonic() - begin < 5
    assert semaphore.get_value() == 0


def test_the_value_counts_what_the_dead_had():
    semaphore, inside = synchronize.Semaphore(1), synchronize.Semaphore(0)
    with family() as start:
        holder = start(_stay, semaphore, inside)
        assert inside.acquire(timeout=support.LIMIT)
        assert semaphore.get_value() == 0
        holder.kill()
        holder.join()
        assert semaphore.get_value() == 1


def test_what_acquire_took_does_not_come_back():
    semaphore = synchronize.Semaphore(1)
    with family() as start:
        start(semaphore.acquire)
    assert semaphore.acquire(timeout=0.2) is False
