"""What a sleeping waiter costs, and what it keeps open to know that a lock's owner lives."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest
import support
from children import family

import manyhands
from manyhands import _native, synchronize

MOST_KEPT = 8
# Seconds from the third slice of a wait (0.2, 0.4, 0.8 and so on) to the end of the fourth.
BEGIN, END = 0.7, 2.9
# Meanwhile who waits for a lock looks 20 times a second whether its owner lives, the others twice.
WAKES = 20 * (END - BEGIN) + 5 * 2
# Signals, late starts of a slice, and what the kernel counts besides.
MOST_WAKES = 1.5 * WAKES


def sleeps(child):
    """How often the threads of a process have gone to sleep so far."""
    tasks = Path(f"/proc/{child.pid}/task").iterdir()
    lines = [line for task in tasks for line in (task / "status").read_text().splitlines()]
    return sum(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt"))


def notice(condition):
    with condition:
        condition.wait()


def pidfds():
    return [number for number, name in support.open_files().items() if "pidfd" in name]


def test_six_sleeping_waiters_wake_no_more_often_than_they_must():
    held, (ours, theirs) = synchronize.Lock(), manyhands.Pipe()
    condition, event = synchronize.Condition(), synchronize.Event()
    queue, barrier = manyhands.Queue(), synchronize.Barrier(2)
    held.acquire()
    with family() as start:
        children = [
            start(queue.get),
            start(held.acquire),
            start(event.wait),
            start(notice, condition),
            start(barrier.wait),
            start(theirs.recv),
        ]
        support.wait_until(lambda: barrier.n_waiting, "nobody waits")
        time.sleep(BEGIN)
        before = sum(map(sleeps, children))
        begin = time.monotonic()
        time.sleep(END - BEGIN)
        woken = sum(map(sleeps, children)) - before
        # A machine that is busy makes us late, and them look more often.
        woken *= (END - BEGIN) / (time.monotonic() - begin)
        # All of them still wait, and hear of it at once.
        assert all(os.waitpid(child.pid, os.WNOHANG) == (0, 0) for child in children)
        queue.put(1)
        held.release()
        event.set()
        with condition:
            condition.notify()
        barrier.wait(support.LIMIT)
        ours.send(1)
    assert woken < MOST_WAKES


def hold(lock, ready):
    lock.acquire()
    ready.set()
    signal.pause()


def test_an_owner_is_watched_by_one_descriptor_that_no_child_inherits():
    lock, ready = synchronize.Lock(), synchronize.Event()
    with family() as start:
        owner = start(hold, lock, ready)
        assert ready.wait(support.LIMIT)
        before = pidfds()
        for _ in range(100):
            assert not lock.acquire(timeout=0.001)
            assert not lock.acquire(block=False)
            assert lock.locked()
        kept = set(pidfds()) - set(before)
        assert len(kept) == 1
        assert not os.get_inheritable(*kept)
        assert start(check_no_descriptor, *kept).join() == 0
        # Told of the death by the descriptor, which is closed then.
        owner.kill()
        owner.join()
        assert not lock.locked()
        assert lock.acquire(block=False, on_death="ignore")
        lock.release()
    assert pidfds() == before


def check_no_descriptor(number):
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(number)


def test_the_descriptors_of_many_owners_are_bounded():
    locks = [synchronize.Lock() for _ in range(MOST_KEPT + 4)]
    before = len(pidfds())
    with family() as start:
        ready = synchronize.Semaphore(0)
        owners = [start(hold_and_say, lock, ready) for lock in locks]
        for _ in owners:
            assert ready.acquire(timeout=support.LIMIT)
        for _ in range(3):
            assert all(lock.locked() for lock in locks)
        assert len(pidfds()) - before <= MOST_KEPT
        for owner in owners:
            owner.kill()
            owner.join()
        assert not any(lock.locked() for lock in locks)
        _native.sweep()
        assert len(pidfds()) == before


def hold_and_say(lock, ready):
    lock.acquire()
    ready.release()
    signal.pause()


def test_a_program_that_closes_all_descriptors_is_not_misled():
    """A number that was closed, and belongs to a readable file now, says nothing of the owner."""
    lock, ready = synchronize.Lock(), synchronize.Event()
    with family() as start:
        owner = start(hold, lock, ready)
        assert ready.wait(support.LIMIT)
        assert start(wait_without_descriptors, lock).join() == 0
        owner.kill()
        owner.join()


def wait_without_descriptors(lock):
    before = set(pidfds())
    assert lock.locked()
    (kept,) = set(pidfds()) - before
    read, write = os.pipe()
    os.write(write, b"readable")
    os.dup2(read, kept)
    assert lock.locked()
    assert not lock.acquire(timeout=0.2)
    assert os.read(kept, 8) == b"readable"


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_while_other_threads_ask_for_owners():
    lock, ready = synchronize.Lock(), synchronize.Event()
    stop = threading.Event()

    def ask():
        while not stop.is_set():
            lock.locked()
            lock.acquire(timeout=0.0005)

    with family() as start:
        owner = start(hold, lock, ready)
        assert ready.wait(support.LIMIT)
        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(100):
                assert start(lock.locked).join() == 0
        finally:
            stop.set()
            for thread in threads:
                thread.join(support.LIMIT)
        owner.kill()
        owner.join()
