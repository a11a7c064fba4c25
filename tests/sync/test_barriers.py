"""Barrier: CPython's semantics, and parties that die."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest
import support
from children import family

from manyhands import synchronize
from manyhands.synchronize import BrokenBarrierError


def test_strange_numbers_are_refused():
    for parties in (0, -1, 2000):
        with pytest.raises(ValueError, match="part"):
            synchronize.Barrier(parties)


def test_one_party_passes_alone():
    barrier = synchronize.Barrier(1)
    assert [barrier.wait(), barrier.wait()] == [0, 0]
    assert (barrier.parties, barrier.n_waiting, barrier.broken) == (1, 0, False)
    assert repr(barrier).endswith("waiters=0/1>")


def test_all_meet_in_each_round():
    rounds, count = 200, 4
    barrier = synchronize.Barrier(count, timeout=support.LIMIT)
    arrived, numbers = synchronize.Atomic(0), synchronize.Atomic(0)

    def meet():
        for turn in range(rounds):
            arrived.add(1)
            numbers.add(barrier.wait())
            assert arrived.load() >= (turn + 1) * count
            barrier.wait()

    with family() as start:
        for _ in range(count):
            start(meet)
    assert arrived.load() == rounds * count
    assert numbers.load() == rounds * sum(range(count))


def test_the_action_runs_once_before_anybody_goes():
    done = synchronize.Atomic(0)
    barrier = synchronize.Barrier(3, lambda: done.add(1), support.LIMIT)

    def meet():
        barrier.wait()
        assert done.load() == 1

    with family() as start:
        for _ in range(3):
            start(meet)


def test_a_failing_action_breaks_it():
    def fail():
        raise LookupError("no")

    barrier = synchronize.Barrier(2, fail)

    def meet():
        with pytest.raises(BrokenBarrierError):
            barrier.wait()

    thread = threading.Thread(target=meet)
    thread.start()
    support.wait_until(lambda: barrier.n_waiting == 1, "waiting")
    with pytest.raises(LookupError):
        barrier.wait()
    thread.join()
    assert barrier.broken


def test_a_time_limit_breaks_it_for_all():
    barrier = synchronize.Barrier(3, timeout=support.LIMIT)

    def meet():
        with pytest.raises(BrokenBarrierError):
            barrier.wait()

    with family() as start:
        start(meet)
        support.wait_until(lambda: barrier.n_waiting == 1, "waiting")
        with pytest.raises(BrokenBarrierError):
            barrier.wait(0.05)
    assert barrier.broken
    assert repr(barrier).endswith("broken>")
    barrier.reset()
    assert not barrier.broken


def test_abort_and_reset_free_who_waits():
    barrier = synchronize.Barrier(2)

    def meet():
        with pytest.raises(BrokenBarrierError):
            barrier.wait()

    for end in (barrier.reset, barrier.abort):
        with family() as start:
            start(meet)
            support.wait_until(lambda: barrier.n_waiting == 1, "waiting")
            end()
    assert barrier.broken


def test_a_party_that_dies_there_breaks_it():
    barrier = synchronize.Barrier(3)
    with family() as start:
        dead = start(barrier.wait)
        support.wait_until(lambda: barrier.n_waiting == 1, "waiting")
        dead.kill()
        begin = time.monotonic()
        with pytest.raises(BrokenBarrierError):
            barrier.wait()
        assert time.monotonic() - begin < 5
    barrier.reset()
    assert (barrier.n_waiting, barrier.broken) == (0, False)


def test_ctrl_c_leaves_without_a_trace():
    barrier = synchronize.Barrier(2)

    def meet():
        with pytest.raises(KeyboardInterrupt):
            barrier.wait()

    with family() as start:
        party = start(meet)
        support.wait_until(lambda: barrier.n_waiting == 1, "waiting")
        os.kill(party.pid, signal.SIGINT)
        assert party.join() == 0
    assert (barrier.n_waiting, barrier.broken) == (0, False)
