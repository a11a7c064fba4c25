"""Processes by `spawn`: a fresh interpreter each, which imports the program's main file again.

The command and what it is told are the standard library's; the exec is ours, so that the child has
its environment from its first instruction.

Refuses: to send `__main__` by value; `template` does that.
"""

from __future__ import annotations

import os
from multiprocessing import resource_tracker, spawn
from multiprocessing.popen_spawn_posix import _DupFd

from . import _native, _preparation
from ._executable import interpreter
from ._popen import Popen as _Popen
from ._popen import close_all, feed
from ._start_errors import Worded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Popen"]


class Popen(_Popen):
    """A process that was executed."""

    method = "spawn"
    DupFd = _DupFd

    def duplicate_for_child(self, fd: int) -> int:
        """Descriptors keep their numbers."""
        self._fds.append(fd)
        return fd

    def _launch(self, process: Any) -> None:
        interpreter()  # the tracker needs one, too
        pipes: list[int] = []
        try:
            with Worded():
                tracker: Any = resource_tracker.getfd()
                pipes += os.pipe()
                pipes += os.pipe()
            lifeline, held, reader, writer = pipes
            data = _preparation.pickled(self, process, lifeline, direct=True)
            self._fds += [tracker, reader]
            environment = _preparation.environment(process)
            self._until.begin()
            with Worded():
                self._execute(environment, tracker, reader)
        except BaseException:
            close_all(*pipes)
            raise
        close_all(lifeline, reader)
        self._hold(held, self.sentinel)
        try:
            feed(writer, data, self._until)
        except BaseException:
            self.kill()
            os.waitpid(self.pid, 0)
            self.close()
            raise

    def _execute(self, environment: dict[str, str], tracker: int, reader: int) -> None:
        command = spawn.get_command_line(tracker_fd=tracker, pipe_handle=reader)
        self.pid, self.sentinel = _native.spawn_member_of_group(
            interpreter(), command[1:], list(environment.items()), sorted(set(self._fds))
        )
