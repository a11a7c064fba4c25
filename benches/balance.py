"""How even the load is: 400 tasks of lognormal durations, 4 s of work together, the longest last.

The durations are the quantiles of a lognormal distribution (sigma 1.5) in rising order, the worst
order for a pool that cuts its input into large pieces. Each task uses its duration as processor
time, so the ideal is 4 s over the number of workers, on any machine. The figure is wall time over
ideal. The second row gives one task at a time, which balances as well as any order without
foresight can.
"""

import math
import statistics

import cli
import tasks
import timing
from harness import WORKERS, Scale, Subject
from rivals import Mapping, Rival

TASKS = 400
WORK_SECONDS = 4.0
SIGMA = 1.5


def durations(total: float) -> list[float]:
    """The seconds of each task, rising, with the given sum."""
    normal = statistics.NormalDist(sigma=SIGMA)
    raw = [math.exp(normal.inv_cdf((rank + 0.5) / TASKS)) for rank in range(TASKS)]
    return [total * length / math.fsum(raw) for length in raw]


def _wall_over_ideal(mapping: Mapping, scale: Scale) -> float:
    total = WORK_SECONDS / 10 if scale.quick else WORK_SECONDS
    work = durations(total)
    mapping(tasks.burn, [0.0] * WORKERS)
    return timing.duration(lambda: mapping(tasks.burn, work)) / (total / WORKERS)


def measure_default(rival: Rival, scale: Scale) -> float:
    """Wall over ideal of `map` with the library's own way of cutting."""
    with rival.open(WORKERS) as workers:
        return _wall_over_ideal(workers.map, scale)


def measure_one_by_one(rival: Rival, scale: Scale) -> float:
    """Wall over ideal of `map` with one task in a piece."""
    with rival.open(WORKERS) as workers:
        return _wall_over_ideal(workers.map_one_by_one, scale)


SUBJECTS = (
    Subject(
        name="balance",
        title="400 lognormal tasks, longest last, default `map`: wall over ideal",
        unit="times",
        measure=measure_default,
        goals={"manyhands": 1.08},
    ),
    Subject(
        name="balance_one",
        title="the same with `chunksize=1`",
        unit="times",
        measure=measure_one_by_one,
    ),
)

if __name__ == "__main__":
    cli.main(SUBJECTS)
