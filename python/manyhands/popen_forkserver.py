"""Processes by `forkserver`: the standard library's server forks them.

Its protocol is kept: the process's number and later its exit code come over a pipe, the sentinel.
Added are the lifeline and the environment, which the process takes on before it imports anything
besides what the server has preloaded.

Refuses: to run a server of its own; the one of `multiprocessing` serves both.
"""

from __future__ import annotations

import os
from contextlib import suppress
from multiprocessing import forkserver
from multiprocessing.popen_forkserver import _DupFd
from time import monotonic

from . import _native, _preparation
from ._executable import interpreter
from ._popen import PIECE, UNKNOWN, close_all, feed
from ._popen import Popen as _Popen
from ._start_errors import Worded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Popen"]

_CODE = forkserver.SIGNED_STRUCT

_NEEDED = 5  # descriptors: a socket, two pipes

# Seconds for which a server that takes no more requests may take to end.
_PATIENCE = 5.0


class Popen(_Popen):
    """A process of the fork server."""

    method = "forkserver"
    DupFd = _DupFd

    def _launch(self, process: Any) -> None:
        interpreter()
        lifeline, held = os.pipe()
        try:
            data = _preparation.pickled(self, process, lifeline, direct=False)
            self._until.begin()
            with Worded():
                self.sentinel, writer = self._connect(lifeline)
        except BaseException:
            close_all(lifeline, held)
            raise
        os.close(lifeline)
        self._hold(held, self.sentinel)
        try:
            with Worded():
                feed(writer, data, self._until)
                while not self._is_dead(PIECE):  # until there is something to read
                    self._until.deliver()
                self.pid = forkserver.read_signed(self.sentinel)
        except BaseException:
            self.close()  # the lifeline, so that it ends
            raise

    def _connect(self, some_fd: int) -> tuple[int, int]:
        """Ask the server for a process."""
        # Whoever connects and then finds no room for the pipes sends nothing, and the server, which
        # waits for that, ends: so it is found out before.
        room: list[int] = []
        try:
            room.extend(os.dup(some_fd) for _ in range(_NEEDED))
        finally:
            close_all(*room)
        server: Any = forkserver._forkserver
        before = server._forkserver_pid
        try:
            return forkserver.connect_to_new_process(self._fds)
        except ConnectionRefusedError:
            # An old one is ending, and has started nothing; another takes its place then. A new one
            # that refuses cannot run.
            if before is None or server._forkserver_pid != before or not self._has_ended(before):
                raise
        return forkserver.connect_to_new_process(self._fds)

    def _has_ended(self, server: int) -> bool:
        """Wait a while for the end of a server, which is not reaped before that."""
        try:
            pidfd = os.pidfd_open(server)
        except ProcessLookupError:
            return True  # another thread has been quicker
        try:
            give_up = monotonic() + _PATIENCE
            while not _native.wait_dead(pidfd, PIECE):
                self._until.deliver()
                if monotonic() > give_up:
                    return False
        finally:
            os.close(pidfd)
        return True

    def _reap(self, _timeout: float | None) -> int | None:
        if not self._told and self._has_sentinel():
            with suppress(OSError):
                self._told.extend(map(os.read, (self.sentinel,), (_CODE.size,)))
        # Nothing, and nobody will tell, if the server was killed.
        told = b"".join(self._told)
        code: int = _CODE.unpack(told)[0] if len(told) == _CODE.size else UNKNOWN
        return code

    def _send_signal(self, number: int) -> None:
        self._check_own()
        # The sentinel is a pipe, and the process is the server's child: its number is all there is.
        if self.returncode is None and self._has_sentinel() and not self._is_dead(0):
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                pass
