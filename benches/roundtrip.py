"""The round trip of one call: `apply` of a function that does nothing, one call after another.

The figure is the median (p50) of single calls. Between calls nobody rests, so a pool that spins
briefly before it sleeps is measured spinning; `spinning.py` has the same call after a rest.
"""

import cli
import tasks
import timing
from harness import WORKERS, Scale, Subject
from rivals import Rival

CALLS = 10_000


def measure(
    rival: Rival, scale: Scale, *, processes: int = WORKERS, calls: int = CALLS, rest: float = 0.0
) -> float:
    """Microseconds of the median call, each after a rest of so many seconds."""
    with rival.open(processes) as workers:

        def call() -> None:
            workers.apply(tasks.noop, ())

        timing.median_latency(call, scale.count(calls // 4))
        return timing.median_latency(call, scale.count(calls), rest) * 1e6


SUBJECTS = (
    Subject(
        name="roundtrip",
        title="round trip of `apply` of a no-op, p50",
        unit="µs",
        measure=measure,
        goals={"manyhands": 8},
        then=175,
    ),
)

if __name__ == "__main__":
    cli.main(SUBJECTS)
