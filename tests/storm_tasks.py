"""What runs in the workers of the storms: tasks that leave a trace, so that no kill hides one."""

from __future__ import annotations

import random
import time

import tasks

LIMIT = 60.0


class Noted:
    """Squares a number, and first notes in a journal that it was run."""

    def __init__(self, journal):
        self.journal = journal

    def __call__(self, x):
        tasks.note(self.journal, x)
        if x % 16 == 0:
            time.sleep(0.002)  # so that a kill can meet an item as well as the way to it
        return x, x * x


def prepare(token):
    """An initializer that takes its time."""
    time.sleep(random.uniform(0, 0.02))
    tasks.state = token


def prepared_square(x):
    return tasks.state, x, x * x


def linger(x):
    time.sleep(0.001 * (x % 4))
    return x, x * x


def relay(jobs, answers):
    """One item from queue to queue."""
    x = jobs.get(timeout=LIMIT)
    answers.put((x, x * x))
    return x


def count(lock, total):
    """Counts under a lock, by reading and writing: right only while nobody else is in there."""
    with lock:
        total.store(total.load() + 1)
    return "counted"
