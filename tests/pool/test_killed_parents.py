"""Programs that use everything are killed at random moments: then the machine is as before.

The short form runs always; the long one, marked `deep`, kills MANYHANDS_TEST_PARENTS programs,
1,000 if not set. Several run beside each other. After each kill every process of that program must
be gone; at the end there must be nothing in /dev/shm and in the folder for temporary files that was
not there before, and no semaphore, message queue or shared memory of System V.
"""

from __future__ import annotations

import random
import subprocess
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from figures import count
from support import TESTS, assert_no_names, assert_no_process, gone, named_objects, start_python

SCRIPT = TESTS / "scripts" / "lives_dangerously.py"
USES = 5
LONG = count("MANYHANDS_TEST_PARENTS", 1_000)


def kill_one(seed, directory):
    """Start a program, kill it: what it did last, and how long anything of it was left."""
    dice = random.Random(seed)
    arguments = [str(SCRIPT), str(dice.randrange(USES))]
    process, mark = start_python(
        arguments, cwd=directory, env={"TMPDIR": str(directory)}, stderr=subprocess.STDOUT
    )
    # One in five is killed while it starts; a program takes a while until it does anything.
    said = "" if dice.randrange(5) == 0 else process.stdout.readline() + process.stdout.readline()
    time.sleep(dice.uniform(0, 0.4))
    process.kill()
    began = time.monotonic()
    assert_no_process(mark)
    took = time.monotonic() - began
    said += process.communicate()[0]
    assert process.returncode == -9, said
    assert gone(process.pid)
    assert "Traceback" not in said, said
    return (said.splitlines() or ["start"])[-1], took


def storm(kills, directory):
    before = named_objects()
    seed = random.randrange(2**32)
    print(f"\nseed {seed}")
    with ThreadPoolExecutor(3) as threads:
        outcomes = list(threads.map(lambda n: kill_one(seed + n, directory), range(kills)))
    assert_no_names(before)
    assert list(directory.iterdir()) == []
    times = sorted(took for _, took in outcomes)
    print(
        f"{kills} programs killed; {dict(Counter(last for last, _ in outcomes))}; seconds until "
        f"nothing was left: median {times[kills // 2]:.3f}, 99 % {times[kills * 99 // 100]:.3f}, "
        f"longest {times[-1]:.3f}; names in shared memory, kernel objects: "
        f"{len(before)} before, {len(named_objects())} after"
    )


@pytest.mark.parametrize(
    "kills", [12, pytest.param(LONG, marks=[pytest.mark.deep, pytest.mark.timeout(3600)])]
)
def test_nothing_is_left_of_a_killed_program(tmp_path, kills):
    storm(kills, tmp_path)
