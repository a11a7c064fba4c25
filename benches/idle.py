"""Pools that stand still, run for long, or are much too large.

- idle: processor time a second that a pool of 2 uses while nobody asks anything of it. It counts
  every thread of every process of the tree, bar the one that waits here, and must be 0.
- memory: by how much the memory of the whole tree grows between the first million and the tenth
  of a stream through `imap` from a generator. It must be flat; a list of the items alone would be
  400 MB.
- crowd: 64 workers on 2 cores, from making the pool to having closed it after 6,400 tasks.
"""

import os
import threading
import time
from collections.abc import Iterator

import cli
import harness
import processes
import tasks
import timing
from harness import WORKERS, Scale, Subject
from rivals import Rival

SETTLE_SECONDS = 0.5
WATCH_SECONDS = 3.0
ITEMS = 10_000_000
CORES = 2
CROWD = 64
TASKS_EACH = 100
SECTION = "At rest, for long, too many"


def measure_idle(rival: Rival, scale: Scale) -> float:
    """Microseconds of processor time that the waiting pool uses in a second."""
    watch = WATCH_SECONDS / 10 if scale.quick else WATCH_SECONDS
    with rival.open(WORKERS) as workers:
        workers.map(tasks.increment, range(1_000))
        time.sleep(SETTLE_SECONDS)
        before = _used()
        time.sleep(watch)
        return (_used() - before) / watch * 1e6


def _used() -> float:
    pids = processes.tree(os.getpid())
    return processes.processor_seconds(pids, without_thread=threading.get_native_id())


def measure_memory(rival: Rival, scale: Scale) -> float:
    """MiB by which the tree grows from a tenth of the stream to its end."""
    count = scale.count(ITEMS)
    with rival.open(WORKERS) as workers:
        results = workers.imap(tasks.increment, _numbers(count))
        for _ in range(count // 10):
            next(results)
        before = processes.memory_bytes(processes.tree(os.getpid()))
        for _ in range(count - count // 10):
            next(results)
        after = processes.memory_bytes(processes.tree(os.getpid()))
    return (after - before) / 2**20


def _numbers(count: int) -> Iterator[int]:
    yield from range(count)


def measure_crowd(rival: Rival, scale: Scale) -> float:
    """Seconds for 64 workers on 2 cores to come, do their tasks and go."""
    harness.pin_to_cores(CORES)

    def run() -> None:
        with rival.open(CROWD) as workers:
            workers.map_one_by_one(tasks.increment, range(scale.count(CROWD * TASKS_EACH)))

    return timing.duration(run)


SUBJECTS = (
    Subject(
        name="idle",
        title="processor time of a waiting pool, each second",
        unit="µs",
        measure=measure_idle,
        goals={"manyhands": 0, "manyhands-fork": 0},
        section=SECTION,
    ),
    Subject(
        name="memory",
        title="growth of memory from item 1 million to 10 million of `imap`",
        unit="MiB",
        measure=measure_memory,
        rivals=("manyhands", "manyhands-fork"),
        goals={"manyhands": 1, "manyhands-fork": 1},
        section=SECTION,
        limit_seconds=120,
    ),
    Subject(
        name="crowd",
        title="64 workers on 2 cores: start, 6,400 tasks, end",
        unit="s",
        measure=measure_crowd,
        rivals=("multiprocessing", "manyhands", "manyhands-fork"),
        section=SECTION,
    ),
)

if __name__ == "__main__":
    cli.main(SUBJECTS)
