"""Many bytes, little work: SHA-256 of 4,000 buffers of 64 KiB, default `map`, speed-up over
serial.

A core that has instructions for SHA hashes about as fast as bytes can be copied from process to
process, so sending the buffers costs as much as the work: the row shows what the way of the data
costs. The buffers are distinct objects with distinct content; serial and parallel run in the same
sample.
"""

import random

import cli
import tasks
import timing
from harness import WORKERS, Scale, Subject
from rivals import Rival

BUFFERS = 4_000
LENGTH = 64 * 1024


def measure(rival: Rival, scale: Scale) -> float:
    """Serial time over parallel time."""
    source = random.Random(256)
    buffers = [source.randbytes(LENGTH) for _ in range(scale.count(BUFFERS))]
    serial = timing.duration(lambda: list(map(tasks.digest, buffers)))
    with rival.open(WORKERS) as workers:
        workers.map(tasks.digest, buffers[: 2 * WORKERS])
        return serial / timing.duration(lambda: workers.map(tasks.digest, buffers))


SUBJECTS = (
    Subject(
        name="sha256",
        title="SHA-256 of 4,000 buffers of 64 KiB, default `map`: speed-up",
        unit="times",
        measure=measure,
        goals={"manyhands": 1.5},
        more_is_better=True,
    ),
)

if __name__ == "__main__":
    cli.main(SUBJECTS)
