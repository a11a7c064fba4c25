"""Holders and waiters that are killed under contention, again and again: nobody is stuck.

Each storm has processes that do nothing but take and give, of which one is killed at a random
moment and replaced; one process that is never killed must get on all the time.
"""

from __future__ import annotations

import random
import signal
import time

import pytest
import support
from children import Child

from manyhands import synchronize

# As many as a change may take, and as many as the promise speaks of.
KILLS = [150, pytest.param(1_000, marks=[pytest.mark.deep, pytest.mark.timeout(600)])]

pytestmark = pytest.mark.parametrize("kills", KILLS)


def storm(work, check, kills, crew=3):
    """Kill `kills` workers one after the other; `check` must succeed after each.

    Prints how long that took: what it waits for is what a waiter waits for when a holder has died.
    """
    seed = random.randrange(2**32)
    dice = random.Random(seed)
    workers, waits = [Child(work) for _ in range(crew)], []
    try:
        for turn in range(kills):
            time.sleep(dice.uniform(0, 0.004))
            place = dice.randrange(crew)
            workers[place].kill()
            assert workers[place].join() == -signal.SIGKILL, (seed, turn)
            begin = time.monotonic()
            assert check(), (seed, turn)
            waits.append(time.monotonic() - begin)
            assert waits[-1] < 10, (seed, turn)
            workers[place] = Child(work)
    finally:
        for worker in workers:
            worker.end()
    waits.sort()
    middle, most = (waits[int(share * (kills - 1))] * 1000 for share in (0.5, 0.99))
    print(
        f"\n{kills} kills; ms: median {middle:.2f}, 99 % {most:.2f}, longest {waits[-1] * 1000:.1f}"
    )


@pytest.mark.parametrize("make", [synchronize.Lock, synchronize.RLock])
def test_locks_survive(make, kills):
    lock, counts = make(on_death="ignore"), [synchronize.Atomic(0) for _ in range(2)]

    def work():
        while True:
            with lock:
                counts[0].add(1)
                counts[1].add(1)

    def check():
        if not lock.acquire(timeout=support.LIMIT):
            return False
        # Whoever died between the two is put right here.
        lag = counts[0].load() - counts[1].load()
        counts[1].add(lag)
        lock.release()
        return lag in (0, 1)

    storm(work, check, kills)


def test_semaphores_lose_no_permit(kills):
    semaphore, inside = synchronize.BoundedSemaphore(2), synchronize.Atomic(0)
    dice = random.Random(7)

    def work():
        while True:
            with semaphore:
                for _ in range(dice.randrange(20)):
                    inside.load()

    def check():
        taken = [semaphore.acquire(timeout=support.LIMIT) for _ in range(2)]
        for _ in taken:
            semaphore.release()
        return all(taken)

    storm(work, check, kills)
    assert semaphore.get_value() == 2


def test_conditions_pass_notifications_on(kills):
    condition, items = (
        synchronize.Condition(synchronize.Lock(on_death="ignore")),
        synchronize.Atomic(0),
    )

    def work():
        while True:
            with condition:
                while items.load() <= 0:
                    condition.wait()
                items.sub(1)

    def check():
        with condition:
            items.add(1)
            condition.notify()
        deadline = time.monotonic() + support.LIMIT
        while items.load() > 0:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.0005)
        return True

    storm(work, check, kills)


def test_events_are_seen(kills):
    ping, pong = synchronize.Event(), synchronize.Event()

    def work():
        while True:
            ping.wait()
            pong.set()

    def check():
        ping.set()
        seen = pong.wait(support.LIMIT)
        ping.clear()
        pong.clear()
        return seen

    storm(work, check, kills)


def test_barriers_break_and_are_mended(kills):
    barrier = synchronize.Barrier(3)

    def work():
        while True:
            try:
                barrier.wait(support.LIMIT)
            except synchronize.BrokenBarrierError:
                time.sleep(0.0002)

    def check():
        """Two more parties are there: a round comes about once the barrier is whole."""
        deadline = time.monotonic() + support.LIMIT
        while time.monotonic() < deadline:
            if barrier.broken:
                barrier.reset()
            try:
                barrier.wait(1)
            except synchronize.BrokenBarrierError:
                continue
            return True
        return False

    storm(work, check, kills)
