"""The kinds of objects, for tests and for the children that they start."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import multiprocessing.forkserver
import multiprocessing.resource_tracker

import pytest
import support


@pytest.fixture
def no_helpers_left(nothing_left):
    """Ends what the standard library starts once for the whole program and keeps."""
    yield
    forkserver = getattr(multiprocessing.forkserver, "_forkserver", None)
    if forkserver is not None:
        forkserver._stop()
    multiprocessing.resource_tracker._resource_tracker._stop()
    templates = sys.modules.get("manyhands._templates")
    if templates is not None:
        templates.stop()
