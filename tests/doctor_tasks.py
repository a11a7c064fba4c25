"""Tasks that wait: for locks, for each other, for nothing."""

from __future__ import annotations

import time


def hold_then_wait(first, second, both, x):
    """Half of a deadlock."""
    with first:
        both.wait(20)
        second.acquire(timeout=25)
    return x


def get_then_put(source, target, both):
    """Half of a deadlock by queues: each waits for what the other one would put."""
    both.wait(20)
    target.put(source.get())


def wait_for_event(event, started):
    started.set()
    event.wait(30)


def sleep_until(event, _x):
    while not event.is_set():
        time.sleep(0.01)


def echo_after(item):
    event, value = item
    event.wait(30)
    return value
