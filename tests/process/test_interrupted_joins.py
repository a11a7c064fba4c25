"""Signals that come at any moment of `join`: the exit code is what it is, whatever handlers do."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import process_tasks
import pytest
from support import LIMIT

import manyhands
from manyhands import connection

PACKAGE = str(Path(manyhands.__file__).parent)


class Late(Exception):
    pass


def ended(method):
    """A process that is dead, which nobody knows yet."""
    process = manyhands.get_context(method).Process(target=process_tasks.leave, args=(7,))
    process.start()
    assert connection.wait([process.sentinel], LIMIT)
    return process


def join_with_a_signal(process, moment):
    """Join; the signal comes at that call or return in our own code. How many there were."""
    count = 0

    def profile(frame, _event, _argument):
        nonlocal count
        if frame.f_code.co_filename.startswith(PACKAGE):
            count += 1
            if count == moment:
                sys.setprofile(None)
                signal.raise_signal(signal.SIGALRM)

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        process.join()
    except Late:
        pass
    finally:
        sys.setprofile(before)
    return count


# `spawn` reaps its processes as `fork` does.
@pytest.mark.parametrize("method", ["template", "fork", "forkserver"])
@pytest.mark.parametrize("raises", [False, True], ids=["looks", "raises"])
def test_the_exit_code_is_right_whenever_a_signal_comes(method, raises):
    process = ended(method)

    def handler(*_):
        if raises:
            raise Late
        process.is_alive()
        manyhands.active_children()

    usual = signal.signal(signal.SIGALRM, handler)
    try:
        moments = join_with_a_signal(process, 0)
        assert process.exitcode == 7
        assert 5 < moments < 100
        for moment in range(1, moments + 1):
            process = ended(method)
            join_with_a_signal(process, moment)
            process.join()
            assert process.exitcode == 7, moment
    finally:
        signal.signal(signal.SIGALRM, usual)
