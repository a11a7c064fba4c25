"""A pool that waits uses no processor time, and long runs keep no memory."""

from __future__ import annotations

import itertools
import os
import threading
import time
from pathlib import Path

import pytest
import tasks
from figures import KIB, Figures
from support import descendants, processes, wait_until

pytestmark = processes


def processor_time(pids):
    """Nanoseconds on a processor of all threads of these processes, without this thread."""
    total, me = 0, threading.get_native_id()
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            if int(task.name) != me:
                total += int((task / "schedstat").read_text().split()[0])
    return total


@pytest.mark.parametrize("context", ["template", "fork"])
def test_a_waiting_pool_uses_no_processor_time(make_pool, context):
    pool = make_pool(2, context=context)
    results = pool.imap(tasks.square, itertools.count())  # half-way through a call, too
    assert [next(results) for _ in range(100)] == [x * x for x in range(100)]
    pool.apply_async(tasks.square, (3,), callback=tasks.identity).wait()
    pids = {os.getpid()} | descendants(os.getpid())
    assert len(pids) >= 3

    def rests():
        before = processor_time(pids)
        time.sleep(0.5)
        return processor_time(pids) == before

    wait_until(rests, "a pool at rest is busy")
    results.close()


@pytest.mark.parametrize("name", ["imap", "imap_unordered", "map"])
def test_memory_is_flat_over_many_items(make_pool, name):
    pool = make_pool(2)

    def run(n):
        for _ in range(n):
            total = sum(1 for _ in getattr(pool, name)(tasks.square, range(100_000)))
            assert total == 100_000

    run(3)
    before = Figures.now()
    run(10)
    later = Figures.now()
    assert not before.leaks(later, memory=8 * KIB), f"{before}\n{later}"
