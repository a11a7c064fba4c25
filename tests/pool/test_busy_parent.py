"""Pools of a program whose fifty other threads hold locks, log and allocate: none hangs.

The short form runs always; the long one, marked `deep`, opens MANYHANDS_TEST_POOLS pools, 2,000 if
not set, one half by template and one half by fork.
"""

from __future__ import annotations

import time

import pytest
from figures import count
from support import TESTS, run_python

SCRIPT = TESTS / "scripts" / "busy_parent.py"
LONG = count("MANYHANDS_TEST_POOLS", 2_000) // 2
EACH = 10.0  # seconds that a pool may take at most, on average


@pytest.mark.parametrize("method", ["template", "fork"])
@pytest.mark.parametrize(
    "pools", [12, pytest.param(LONG, marks=[pytest.mark.deep, pytest.mark.timeout(3600)])]
)
def test_pools_beside_fifty_busy_threads(method, pools):
    began = time.monotonic()
    outcome = run_python([str(SCRIPT), method, str(pools)], limit=40 + min(EACH * pools, 3000))
    assert outcome.code == 0, outcome.err
    assert outcome.lines == [f"{pools} pools"]
    assert outcome.err == ""
    print(f"\n{pools} pools by {method}, one after the other: {time.monotonic() - began:.0f} s")
