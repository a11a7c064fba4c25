"""Forked children of a test: what they run, how they end, and that none is left.

A child runs one function and leaves by `os._exit`: 0 after it returned, 1 (with a traceback) after
it raised. Nothing here measures time; limits only turn a hang into a failure.
"""

from __future__ import annotations

import os
import signal
import traceback

import pytest
import support


class Child:
    """A forked process that runs a function."""

    def __init__(self, function, *arguments):
        self.pid = os.fork()
        self.status = None
        if self.pid == 0:
            code = 1
            try:
                function(*arguments)
                code = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(code)

    def kill(self):
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)

    def ended(self):
        """Whether it has ended; it is reaped then."""
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
        return self.status is not None

    def wait(self, limit=support.LIMIT):
        """Wait for its end; its exit code, negative for a signal."""
        support.wait_until(self.ended, f"child {self.pid} has not ended", limit)
        return self.status

    def join(self, limit=support.LIMIT):
        """Wait for its end, which must be a good one."""
        code = self.wait(limit)
        if code != 0:
            pytest.fail(f"child {self.pid} ended with {code}")


class Family:
    """The children of one test; what still runs at its end is killed."""

    def __init__(self):
        self.children = []

    def start(self, function, *arguments):
        child = Child(function, *arguments)
        self.children.append(child)
        return child

    def join(self, limit=support.LIMIT):
        for child in self.children:
            child.join(limit)

    def end(self):
        for child in self.children:
            if not child.ended():
                child.kill()
                child.wait()
