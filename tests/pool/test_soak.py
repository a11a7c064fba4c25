"""Mixed use with kills for a long time: memory, descriptors, threads and processes stay flat.

Once through each use that the kill storm does not have runs always; the long form, marked `deep`,
mixes all uses for MANYHANDS_TEST_SOAK seconds, an hour if not set. It prints a sample of the
figures every minute.
"""

from __future__ import annotations

import random
import sys
import time
from collections import Counter

import pytest
import soak
import storms
from figures import Figures, count, settled

LONG = count("MANYHANDS_TEST_SOAK", 3600)
WARM = 0.1  # of the time; then caches are filled and the allocator has seen it all


def say(text):
    """To where a run of an hour can be watched, past pytest."""
    sys.__stdout__.write(text + "\n")
    sys.__stdout__.flush()


def one_round(dice, use, directory, total):
    """One use of a pool of some size, with some kills."""
    tally, kills = storms.Tally(directory), dice.randrange(1, 12)
    with storms.Killer(dice.random(), kills, pause=0.1) as killer:
        soak.USES[use](killer, dice.choice([1, 2, 4, 8, 16]), tally)
    total.update(killer.killed)
    total["rounds"] += tally.rounds
    total["ends"] += sum(tally.ended.values())


@pytest.mark.parametrize("use", sorted(soak.USES.keys() - storms.USES.keys()))
def test_one_round(tmp_path, use):
    with storms.Killer(use, kills=2, pause=0.1) as killer:
        soak.USES[use](killer, 3, storms.Tally(tmp_path))
    assert killer.done


@pytest.mark.deep
@pytest.mark.timeout(LONG + 600)
def test_nothing_grows(tmp_path):
    seed = random.randrange(2**32)
    say(f"\nseed {seed}")
    dice, total = random.Random(seed), Counter()
    for use in soak.USES:
        one_round(dice, use, tmp_path, total)
    began = sampled = time.monotonic()
    warm, is_warm = Figures.now(), False
    while (spent := time.monotonic() - began) < LONG:
        one_round(dice, dice.choice(list(soak.USES)), tmp_path, total)
        if not is_warm and spent >= WARM * LONG:
            warm, is_warm = Figures.now(), True
        if time.monotonic() - sampled > 60:
            sampled = time.monotonic()
            say(f"{sampled - began:5.0f} s: {dict(total)}; {Figures.now()}")
    after = settled(warm)
    say(f"killed and done: {dict(total)}\nbefore: {warm}\nafter:  {after}")
