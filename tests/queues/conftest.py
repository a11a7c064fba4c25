"""Fixtures of the queues' tests."""

from __future__ import annotations

import pytest
from offspring import Family


@pytest.fixture
def family():
    """Forked children, none of which outlives the test."""
    made = Family()
    yield made
    made.end()
