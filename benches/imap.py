"""Streams with default arguments and a task of no cost: items a second through `imap` and
`imap_unordered`.

The consumer throws the results away one by one, as a program would that writes them to a file.
"""

import collections

import cli
import tasks
import timing
from harness import WORKERS, Scale, Subject
from rivals import Mapping, Rival


def _rate(mapping: Mapping, scale: Scale) -> float:
    def run(count: int) -> None:
        collections.deque(mapping(tasks.increment, range(count)), maxlen=0)

    return timing.rate(run, scale.seconds)


def measure_ordered(rival: Rival, scale: Scale, processes: int = WORKERS) -> float:
    """Items per second of `imap`."""
    with rival.open(processes) as workers:
        return _rate(workers.imap, scale)


def measure_unordered(rival: Rival, scale: Scale, processes: int = WORKERS) -> float:
    """Items per second of `imap_unordered`."""
    with rival.open(processes) as workers:
        return _rate(workers.imap_unordered, scale)


SUBJECTS = (
    Subject(
        name="imap",
        title="`imap`, defaults, trivial task",
        unit="items/s",
        measure=measure_ordered,
        goals={"manyhands": 4e6},
        then=65_000,
        more_is_better=True,
    ),
    Subject(
        name="imap_unordered",
        title="`imap_unordered`, defaults, trivial task",
        unit="items/s",
        measure=measure_unordered,
        goals={"manyhands": 4e6},
        then=55_000,
        more_is_better=True,
    ),
)

if __name__ == "__main__":
    cli.main(SUBJECTS)
