"""Many single calls in flight: `apply_async` 50,000 times, then `get` for all of them.

The figure counts from the first call to the last result.
"""

import cli
import tasks
import timing
from harness import WORKERS, Scale, Subject
from rivals import Rival, Workers

CALLS = 50_000


def run(workers: Workers, calls: int) -> None:
    """Submit `calls` trivial tasks, then collect every result."""
    submit, get = workers.submit, workers.get
    handles = [submit(tasks.increment, (number,)) for number in range(calls)]
    for handle in handles:
        get(handle)


def measure(rival: Rival, scale: Scale, processes: int = WORKERS) -> float:
    """Calls per second."""
    with rival.open(processes) as workers:
        calls = scale.count(CALLS)
        run(workers, calls // 50)
        return calls / timing.duration(lambda: run(workers, calls))


SUBJECTS = (
    Subject(
        name="apply_async",
        title="50,000 `apply_async`, then get all",
        unit="calls/s",
        measure=measure,
        goals={"manyhands": 400_000},
        then=34_000,
        more_is_better=True,
    ),
)

if __name__ == "__main__":
    cli.main(SUBJECTS)
