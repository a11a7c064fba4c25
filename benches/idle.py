"""Pools that stand still, run for long, or are much too large.

- idle: processor time a second that a pool of 2 uses while nobody asks anything of it. It counts
  every thread of every process of the tree, bar the one that waits here, and must be 0.
- memory: by how much the memory of the whole tree grows over 10 million items of a stream through
  `imap` from a generator: the mean of looks at it between item 7 and 10 million less that of those
  between 1 and 4 million. Single looks differ by 2 MiB, which the allocator keeps or gives back. It
  must be flat; a list of the items alone would be 400 MB.
- crowd: 64 workers on 2 cores, from making the pool to having closed it after 6,400 tasks.
"""

import os
import statistics
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
LOOKS = 50
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
    """MiB by which the tree grows between the first and the last third of the stream."""
    count = scale.count(ITEMS)
    looks = []
    with rival.open(WORKERS) as workers:
        results = workers.imap(tasks.increment, _numbers(count))
        for _ in range(LOOKS):
            for _ in range(count // LOOKS):
                next(results)
            looks.append(processes.memory_bytes(processes.tree(os.getpid())))
    third = LOOKS * 3 // 10
    early, late = looks[LOOKS // 10 :][:third], looks[-third:]
    return (statistics.mean(late) - statistics.mean(early)) / 2**20


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
        title="growth of memory over 10 million items of `imap`",
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
