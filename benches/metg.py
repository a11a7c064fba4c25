"""METG: the minimum effective task granularity, the smallest task that a pool runs at 50 %
efficiency.

The measure is that of Task Bench (Slaughter et al., "Task Bench: A Parameterized Benchmark for
Evaluating Parallel Runtime Performance", SC 2020): METG(50 %) is the shortest duration of a task
at which the efficiency of the whole run is still at least one half. Precisely, here:

- A task is a loop of k turns (`tasks.loop`); all tasks of a run have the same k.
- Its duration d(k) is what one call costs when n of them run one after the other in one process:
  the least of three runs, without any pool. The smallest task, k = 0, is an empty function: less
  than 0.1 µs.
- The efficiency of k is ideal over actual wall time: (n x d(k) / W) / wall, with W = 2 workers
  and n grown until the wall time is long enough to measure. Time to make the pool is not counted;
  time to submit, and to collect all results in the caller, is.
- METG is found by bisection over k on a logarithmic scale until the bounds lie within 10 %: the
  d(k) of the upper bound. Efficiency is taken to rise with k. A pool that reaches one half with
  the empty task has the empty task's duration as its figure, which then is an upper limit.

The caller is a process of its own: on two cores it competes with the workers, in every library
alike.
"""

import collections
import functools
import math
from collections.abc import Callable
from itertools import repeat

import cli
import tasks
import timing
from harness import WORKERS, Scale, Subject
from rivals import Rival, Unsupported, Workers

EFFICIENCY = 0.5
LONGEST = 1 << 20  # turns; some ten milliseconds
PRECISION = 1.1

Run = Callable[[Workers, int, int], object]  # (workers, turns of each task, number of tasks)


def _run_map(workers: Workers, turns: int, count: int) -> None:
    workers.map(tasks.loop, [turns] * count)


def _run_unordered(workers: Workers, turns: int, count: int) -> None:
    collections.deque(workers.imap_unordered(tasks.loop, [turns] * count), maxlen=0)


def _run_submit(workers: Workers, turns: int, count: int) -> None:
    handles = [workers.submit(tasks.loop, (turns,)) for _ in range(count)]
    for handle in handles:
        workers.get(handle)


def serial_duration(turns: int, seconds: float) -> float:
    """Seconds that one task of so many turns takes in a plain serial run, the least of three."""

    def run(count: int) -> None:
        collections.deque(map(tasks.loop, repeat(turns, count)), maxlen=0)

    return 1 / max(timing.rate(run, seconds / 10, first=1) for _ in range(3))


def bisect(reaches: Callable[[int], bool], longest: int = LONGEST) -> int:
    """The least k, to within 10 %, for which `reaches(k)` holds, if it holds from there on.

    Raises:
        Unsupported: it does not even hold for `longest`.
    """
    if reaches(0):
        return 0
    low, high = 1, longest
    while high > low * PRECISION and high - low > 1:
        middle = round(math.sqrt(low * high))
        if reaches(middle):
            high = middle
        else:
            low = middle
    if high == longest and not reaches(longest):
        raise Unsupported(f"stays below {EFFICIENCY:.0%} at every duration that was tried")
    return high


def measure(run: Run, rival: Rival, scale: Scale) -> float:
    """METG(50 %) in microseconds."""
    seconds = scale.seconds / 2
    with rival.open(WORKERS) as workers:

        def reaches(turns: int) -> bool:
            rate = timing.rate(functools.partial(run, workers, turns), seconds, first=32)
            return rate * serial_duration(turns, seconds) / WORKERS >= EFFICIENCY

        run(workers, 0, 1_000)
        return serial_duration(bisect(reaches), seconds) * 1e6


def _subject(call: str, run: Run, goal: float, then: float) -> Subject:
    return Subject(
        name=f"metg_{call}",
        title=f"METG(50 %), `{call}`",
        unit="µs",
        measure=functools.partial(measure, run),
        goals={"manyhands": goal},
        then=then,
        limit_seconds=90,
    )


SUBJECTS = (
    _subject("map", _run_map, 1, 1),
    _subject("imap_unordered", _run_unordered, 1, 46),
    _subject("apply_async", _run_submit, 5, 75),
)

if __name__ == "__main__":
    cli.main(SUBJECTS)
