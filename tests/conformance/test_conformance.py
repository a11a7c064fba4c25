"""CPython's own multiprocessing tests pass on manyhands, but for the differences that we publish.

They run wherever the interpreter has its `test` package, in parts that each end soon: all of them
take about a minute for each start method.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
DOCUMENT = HERE.parent.parent / "docs" / "compatibility.md"

PARTS = 8

# Names without behaviour of ours to test: the standard library's own business.
BORROWED = {"dummy", "heap", "managers", "resource_tracker", "shared_memory", "util"}

needs_tests = pytest.mark.skipif(
    importlib.util.find_spec("test._test_multiprocessing") is None,
    reason="this Python has no `test` package: CPython's multiprocessing tests do not run",
)


@needs_tests
@pytest.mark.timeout(240)  # half a minute on a quiet machine
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_cpythons_tests_pass(method, part, tmp_path):
    report = tmp_path / "report.json"
    command = [sys.executable, str(HERE / "run.py"), method, "--json", str(report)]
    command += ["--part", str(part), str(PARTS)]
    # A session of its own: the tests signal and wait for what is in their group.
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=200,
        check=False,
        start_new_session=True,
    )
    assert report.exists(), done.stdout[-4000:]
    facts = json.loads(report.read_text())
    assert facts["failed"] == [], done.stdout[-20000:]
    assert facts["passed"] > 0
    assert set(facts["borrowed"]) <= BORROWED


def test_every_difference_is_published():
    sys.path.insert(0, str(HERE))
    try:
        from differences import EXPECTED
    finally:
        sys.path.remove(str(HERE))
    text = DOCUMENT.read_text()
    for name in EXPECTED:
        assert name.partition(".")[2] in text, name
    assert len(EXPECTED) <= 6
