"""From nothing to the first result: import the library, make a pool of 2, call `abs(-1)`.

Each run is a fresh interpreter. The first row counts inside it, from before the import to the
first result; the second counts from outside, from the start of the interpreter to its end, so
that closing the pool is in it. A sample is the median of several such runs.
"""

import functools
import statistics
import subprocess
import sys
import time

import cli
import rivals
from harness import Scale, Subject
from rivals import Rival

RUNS = 9
PROGRAM = """
from time import perf_counter as clock
begin = clock()
{startup}
print(first - begin)
"""


def _run_once(rival: Rival) -> tuple[float, float]:
    """Milliseconds to the first result, and of the whole process."""
    program = PROGRAM.format(startup=rival.startup)
    begin = time.perf_counter()
    child = subprocess.run(
        [sys.executable, "-c", program], check=True, stdout=subprocess.PIPE, text=True
    )
    return float(child.stdout) * 1e3, (time.perf_counter() - begin) * 1e3


def measure(part: int, rival: Rival, scale: Scale) -> float:
    """The median of several runs: `part` 0 is the first result, 1 the whole process."""
    return statistics.median(_run_once(rival)[part] for _ in range(1 if scale.quick else RUNS))


SUBJECTS = (
    Subject(
        name="startup",
        title="import, create a pool of 2, first result",
        unit="ms",
        measure=functools.partial(measure, 0),
        rivals=rivals.STARTERS,
        goals={"manyhands": 40, "manyhands-fork": 20},
        then=22,
    ),
    Subject(
        name="startup_process",
        title="the same, whole process with close and exit",
        unit="ms",
        measure=functools.partial(measure, 1),
        rivals=rivals.STARTERS,
    ),
)

if __name__ == "__main__":
    cli.main(SUBJECTS)
