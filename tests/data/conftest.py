"""The kinds of data, for tests and for the workers that they start."""

from __future__ import annotations

import multiprocessing
import sys
from pathlib import Path

import pytest

import manyhands

sys.path.insert(0, str(Path(__file__).resolve().parent))

import samples


@pytest.fixture(scope="session", autouse=True)
def servers_up(warmed_up):
    """Template, fork server and resource tracker are there before the first test looks."""
    contexts = [manyhands.get_context("template"), multiprocessing.get_context("forkserver")]
    for context in contexts:
        process = context.Process(target=samples.make, args=("vector",))
        process.start()
        process.join()
        process.close()
