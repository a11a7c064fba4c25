"""`map` with default arguments and a task of no cost: items a second, the list of results
included.
"""

import cli
import tasks
import timing
from harness import WORKERS, Scale, Subject
from rivals import Rival


def measure(rival: Rival, scale: Scale, processes: int = WORKERS) -> float:
    """Items per second."""
    with rival.open(processes) as workers:
        return timing.rate(lambda n: workers.map(tasks.increment, range(n)), scale.seconds)


SUBJECTS = (
    Subject(
        name="map",
        title="`map`, defaults, trivial task",
        unit="items/s",
        measure=measure,
        goals={"manyhands": 7e6},
        then=6.1e6,
        more_is_better=True,
    ),
)

if __name__ == "__main__":
    cli.main(SUBJECTS)
