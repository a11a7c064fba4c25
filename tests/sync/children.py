"""Children for the tests of synchronisation, by plain `os.fork`: what is inherited is enough here.

A child that raises ends with status 1, one that does not end in time is killed and fails the test.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
import traceback

import pytest
import support


class Child:
    """A forked process that calls a function."""

    def __init__(self, function, *args):
        sys.stdout.flush()
        self.pid = os.fork()
        if self.pid == 0:
            self._run(function, args)
        self._status = None

    @staticmethod
    def _run(function, args):
        status = 1
        try:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            function(*args)
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)

    def join(self, limit=support.LIMIT):
        """Wait for the end; the exit code, negative for a signal."""
        if self._status is None:
            deadline = time.monotonic() + limit
            while True:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                if pid:
                    self._status = os.waitstatus_to_exitcode(status)
                    break
                if time.monotonic() > deadline:
                    self.kill()
                    os.waitpid(self.pid, 0)
                    self._status = -signal.SIGKILL
                    pytest.fail(f"a child did not end within {limit} s")
                time.sleep(0.002)
        return self._status

    def end(self):
        """Kill the child if it still runs."""
        if self._status is None:
            with contextlib.suppress(ProcessLookupError):
                self.kill()
            _, self._status = os.waitpid(self.pid, 0)


@contextlib.contextmanager
def family():
    """Starts children by `start(function, *args)`; none outlives the block."""
    children = []

    def start(function, *args):
        children.append(Child(function, *args))
        return children[-1]

    try:
        yield start
        for child in children:
            child.join()
    finally:
        for child in children:
            child.end()
