"""Kill storms: workers and templates die at random moments, and every item ends exactly once.

One storm for each use of a pool and each number of workers (`storms.py`). The short form runs
always; the long one, marked `deep`, shares MANYHANDS_TEST_KILLS kills among them, 10,000 if not
set. Each is a slice of its own, and says what it came to; after the last one this process must have
what it had after the first.
"""

from __future__ import annotations

from collections import Counter

import pytest
import storms
from figures import Figures, count, settled

WORKERS = (2, 4, 8, 16)
KILLS = count("MANYHANDS_TEST_KILLS", 10_000)
SHARE = -(-KILLS // (len(storms.USES) * len(WORKERS)))


@pytest.fixture(scope="module")
def figures(tmp_path_factory):
    """Figures after a first storm, which has filled every cache, to be met again at the end."""
    total = Counter()
    for use in storms.USES:
        with storms.Killer(0, kills=2) as killer:
            storms.USES[use](killer, 2, storms.Tally(tmp_path_factory.mktemp("first")))
    before = Figures.now()
    yield total
    after = settled(before)
    print(f"\nkilled: {dict(total)}\nbefore: {before}\nafter:  {after}")


def storm(use, workers, kills, directory, total):
    tally = storms.Tally(directory)
    with storms.Killer(f"{use} {workers}", kills) as killer:
        storms.USES[use](killer, workers, tally)
    total.update(killer.killed)
    print(f"{use}, {workers} workers: killed {dict(killer.killed)}; {tally}")


@pytest.mark.parametrize("use", storms.USES)
def test_a_short_storm(figures, tmp_path, use):
    workers = WORKERS[list(storms.USES).index(use) % len(WORKERS)]
    storm(use, workers, 12, tmp_path, figures)


@pytest.mark.deep
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize("use", storms.USES)
def test_a_long_storm(figures, tmp_path, use, workers):
    storm(use, workers, SHARE, tmp_path, figures)
