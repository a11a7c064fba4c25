"""What the processes of all start methods have in common once they run: signals, waiting, the end.

A process is named by its pidfd, which is its sentinel too: it becomes readable when the process is
dead, whoever else holds whatever pipe, and a signal sent by it cannot reach another process that
got the number. Its *lifeline* is a pipe: the process holds the reading end, which is its parent's
sentinel there, and this process the writing end, which nobody writes to. It closes when this
process ends, and soon after that the process is killed, unless it is to outlive us
(`docs/design/process.md`).

Refuses: to start anything.
"""

from __future__ import annotations

import os
import signal
from _thread import RLock
from multiprocessing import util

from . import _native

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_util: Any = util  # its internals have no types

UNKNOWN = 255
"""The exit code of a process of which nobody can tell how it ended; as in the standard library."""

_lifelines: set[int] = set()


class Popen:
    """A process that runs, or has run."""

    method = ""

    def __init__(self, process: Any) -> None:
        _util._flush_std_streams()
        self.pid = 0
        self.sentinel = -1
        self.returncode: int | None = None
        self.finalizer: Any = None
        self.bound = not getattr(process, "_outlive", False)
        self._lock = RLock()
        self._fds: list[int] = []
        self._launch(process)

    def _launch(self, process: Any) -> None:
        raise NotImplementedError

    def duplicate_for_child(self, fd: int) -> int:
        """Pass a descriptor on to the process; what its `DupFd` is told there."""
        self._fds.append(fd)
        return len(self._fds) - 1

    def _hold(self, lifeline: int, *fds: int) -> None:
        """Keep these until the process object is closed or dropped."""
        _lifelines.add(lifeline)
        self.finalizer = util.Finalize(self, _release, (lifeline, *fds))

    # The end

    def poll(self, flag: int = os.WNOHANG) -> int | None:
        """The exit code if the process has ended; with flag 0, once it has."""
        return self.wait(0 if flag == os.WNOHANG else None)

    def wait(self, timeout: float | None = None) -> int | None:
        """The exit code once the process has ended; None if it has not within `timeout` seconds."""
        if self.returncode is None and _native.wait_dead(self.sentinel, timeout):
            with self._lock:
                if self.returncode is None:
                    code = self._reap(timeout)
                    if self.returncode is None:  # a handler of signals may have come here, too
                        self.returncode = code
                    self._clear()
        return self.returncode

    def _reap(self, _timeout: float | None) -> int | None:
        """The exit code of a process that is dead and a child of this one."""
        try:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:
            # Something else in the program waits for every child, or lets the kernel do so.
            return UNKNOWN
        return os.waitstatus_to_exitcode(status) if pid == self.pid else None

    def _clear(self) -> None:
        """The process has ended: give back what it held in the world that we share."""
        _native.sweep()

    def close(self) -> None:
        """Let go of the process's handle."""
        if self.finalizer is not None:
            self.finalizer()

    # Signals

    def _send_signal(self, number: int) -> None:
        if self.returncode is None:
            try:
                signal.pidfd_send_signal(self.sentinel, number)
            except ProcessLookupError:
                pass

    def interrupt(self) -> None:
        """Send SIGINT."""
        self._send_signal(signal.SIGINT)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self._send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self._send_signal(signal.SIGKILL)


def close_all(*fds: int) -> None:
    """Close descriptors of which the start of a process has made no use."""
    for fd in fds:
        os.close(fd)


def feed(writer: int, data: Any) -> None:
    """Write all that a new process reads, and close its pipe."""
    try:
        with open(writer, "wb", buffering=0) as pipe:
            rest = memoryview(data)
            while rest:
                rest = rest[pipe.write(rest) :]
    except BrokenPipeError:
        # It died before it had read everything: its exit code and what it printed tell why.
        pass


def _release(lifeline: int, *fds: int) -> None:
    _lifelines.discard(lifeline)
    close_all(lifeline, *fds)


def _drop_lifelines() -> None:
    """In a forked child: its brothers' lifelines are its parent's to hold, not its own."""
    for fd in _lifelines:
        try:
            os.close(fd)
        except OSError:
            continue
    _lifelines.clear()


os.register_at_fork(after_in_child=_drop_lifelines)
