"""What is started once for the whole process is there before a test looks."""

from __future__ import annotations

import multiprocessing
from multiprocessing import resource_tracker

import pytest

import manyhands


@pytest.fixture(scope="session", autouse=True)
def servers_up(warmed_up):
    """Template, fork server and resource tracker are there before the first test looks."""
    for context in (manyhands.get_context("template"), multiprocessing.get_context("forkserver")):
        process = context.Process()
        process.start()
        process.join()
        process.close()
    resource_tracker.ensure_running()
