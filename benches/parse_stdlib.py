"""Real work: parse the standard library of this Python, default `map`, speed-up over serial.

Every file is read, parsed by `ast` and its nodes are counted; installed packages and the
library's own tests are left out. Serial and parallel run in the same sample and must give the
same counts. The second row has no pool at all: two forked processes each take every other file and
send nothing back, which is what the machine itself gives at that time.
"""

import os
import sysconfig
from pathlib import Path

import cli
import tasks
import timing
from harness import WORKERS, Scale, Subject
from rivals import Rival

LEFT_OUT = {"site-packages", "dist-packages", "test", "tests"}


def library_files() -> list[str]:
    """The paths of the standard library's Python files, sorted."""
    root = Path(sysconfig.get_path("stdlib"))
    return sorted(
        str(path)
        for path in root.rglob("*.py")
        if LEFT_OUT.isdisjoint(path.relative_to(root).parts)
    )


def measure(rival: Rival, scale: Scale) -> float:
    """Serial time over parallel time.

    Raises:
        ValueError: the rival's counts differ from the serial ones.
    """
    files = library_files()
    files = files[: scale.count(len(files))]
    expected: list[int] = []
    serial = timing.duration(lambda: expected.extend(map(tasks.count_nodes, files)))
    with rival.open(WORKERS) as workers:
        workers.map(tasks.count_nodes, files[:WORKERS])
        counts: list[int] = []
        parallel = timing.duration(lambda: counts.extend(workers.map(tasks.count_nodes, files)))
    if counts != expected:
        raise ValueError("the counts differ from those of the serial run")
    return serial / parallel


def measure_bare(_: Rival, scale: Scale) -> float:
    """Serial time over the time of two forked processes that share nothing."""
    files = library_files()
    files = files[: scale.count(len(files))]

    def split() -> None:
        pids = []
        for side in range(WORKERS):
            pid = os.fork()
            if pid == 0:
                for path in files[side::WORKERS]:
                    tasks.count_nodes(path)
                os._exit(0)
            pids.append(pid)
        for pid in pids:
            os.waitpid(pid, 0)

    serial = timing.duration(lambda: list(map(tasks.count_nodes, files)))
    return serial / timing.duration(split)


SUBJECTS = (
    Subject(
        name="parse_stdlib",
        title="parse the standard library, default `map`: speed-up",
        unit="times",
        measure=measure,
        goals={"manyhands": 1.95},
        more_is_better=True,
    ),
    Subject(
        name="parse_stdlib_bare",
        title="the same by two bare processes, the machine's own limit",
        unit="times",
        measure=measure_bare,
        rivals=("multiprocessing",),
        more_is_better=True,
    ),
)

if __name__ == "__main__":
    cli.main(SUBJECTS)
