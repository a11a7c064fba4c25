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
import select
import signal
from multiprocessing import util
from operator import itemgetter

from . import (
    _forked,  # noqa: F401 - it looks after forks
    _native,
)
from ._genuine import RLock
from ._uninterrupted import Uninterrupted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_util: Any = util  # its internals have no types

UNKNOWN = 255
"""The exit code of a process of which nobody can tell how it ended; as in the standard library."""

PIECE = 0.2
"""Seconds after which a wait in the middle of a start looks for signals."""

# Of what `waitpid` returns: 0 for a process that lives.
_number = itemgetter(0)

# The writing ends that are held, and which pipes they are.
_lifelines: dict[int, tuple[int, int] | None] = {}


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
        self._owner = os.getpid()
        self._lock = RLock()
        self._told: list[Any] = []  # what was learned of its end
        self._fds: list[int] = []
        self._held: dict[int, tuple[int, int] | None] = {}
        # Whoever launches begins it before there is a process, and it ends when that is known.
        given = process.__dict__.pop("_until", None)
        self._until: Uninterrupted = given or Uninterrupted()
        try:
            self._launch(process)
        finally:
            if given is None:
                self._until.end()

    def _launch(self, process: Any) -> None:
        raise NotImplementedError

    def duplicate_for_child(self, fd: int) -> int:
        """Pass a descriptor on to the process; what its `DupFd` is told there."""
        self._fds.append(fd)
        return len(self._fds) - 1

    def _hold(self, lifeline: int, *fds: int) -> None:
        """Keep these until the process object is closed or dropped."""
        self._held = {fd: _file(fd) for fd in (lifeline, *fds)}
        _lifelines[lifeline] = self._held[lifeline]
        self.finalizer = util.Finalize(self, _release, (self._held,))

    # The end

    def poll(self, flag: int = os.WNOHANG) -> int | None:
        """The exit code if the process has ended; with flag 0, once it has."""
        return self.wait(0 if flag == os.WNOHANG else None)

    def wait(self, timeout: float | None = None) -> int | None:
        """The exit code once the process has ended; None if it has not within `timeout` seconds.

        In a forked copy of this process, which is no parent of it, what was known at the fork.
        """
        if not self._is_own():
            return self.returncode
        if self.returncode is None and (not self._has_sentinel() or self._is_dead(timeout)):
            with self._lock:
                if self.returncode is None:
                    code = self._reap(timeout)
                    self._clear()
                    # A handler of signals may have come here too, and found less.
                    if code not in (None, UNKNOWN) or self.returncode is None:
                        self.returncode = code
        return self.returncode

    def _is_own(self) -> bool:
        """Whether this is who started it: in a copy, who is not there may hold the lock."""
        return self._owner == os.getpid()

    def _check_own(self) -> None:
        """A copy leaves its parent's processes alone, as a `finally` of both would not."""
        if not self._is_own():
            raise AssertionError("can only signal a child process")

    def _is_dead(self, timeout: float | None) -> bool:
        return _native.wait_dead(self.sentinel, timeout)

    def _has_sentinel(self) -> bool:
        """Whether there is a sentinel to wait for; the program may have closed ours.

        An own child gets another one: its number stays its own until it is reaped.
        """
        if _file(self.sentinel) == self._held.get(self.sentinel):
            return True
        try:
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            sentinel = os.pidfd_open(self.pid)
        except (ChildProcessError, ProcessLookupError):
            return False
        self.sentinel = sentinel
        self._held[sentinel] = _file(sentinel)
        return True

    def _reap(self, _timeout: float | None) -> int | None:
        """The exit code of a process that is dead and a child of this one.

        The kernel tells it once. Builtins alone take and keep it, so that no handler of signals,
        which may ask here again or raise, comes in between.
        """
        if not self._told:
            try:
                told = map(os.waitpid, (self.pid,), (os.WNOHANG,))
                self._told.extend(filter(_number, told))
            except ChildProcessError:
                # A handler was here just now, or else something in the program waits for every
                # child, or lets the kernel do so.
                if not self._told:
                    return UNKNOWN
        return os.waitstatus_to_exitcode(self._told[0][1]) if self._told else None

    def _clear(self) -> None:
        """The process has ended: give back what it held in the world that we share."""
        _native.sweep()

    def close(self) -> None:
        """Let go of the process's handle."""
        if self.finalizer is not None:
            self.finalizer()

    # Signals

    def _send_signal(self, number: int) -> None:
        self._check_own()
        if self.returncode is None and self._has_sentinel():
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


def feed(writer: int, data: Any, until: Uninterrupted) -> None:
    """Write all that a new process reads, and close its pipe; handlers of signals run meanwhile."""
    try:
        with open(writer, "wb", buffering=0) as pipe:
            os.set_blocking(writer, False)
            room = select.poll()
            room.register(writer, select.POLLOUT)
            rest = memoryview(data)
            while rest:
                until.deliver()
                if room.poll(PIECE * 1000):
                    rest = rest[pipe.write(rest) or 0 :]
    except BrokenPipeError:
        # It died before it had read everything: its exit code and what it printed tell why.
        pass


def _file(fd: int) -> tuple[int, int] | None:
    """What a descriptor means: a program that closes all it did not open may get its number."""
    try:
        found = os.fstat(fd)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _close_own(held: dict[int, tuple[int, int] | None]) -> None:
    """Close what still is what it was."""
    for fd, file in held.items():
        if file is not None and _file(fd) == file:
            os.close(fd)


def _release(held: dict[int, tuple[int, int] | None]) -> None:
    for fd in held:
        _lifelines.pop(fd, None)
    _close_own(held)


def _drop_lifelines() -> None:
    """In a forked child: its brothers' lifelines are its parent's to hold, not its own."""
    _close_own(_lifelines)
    _lifelines.clear()


os.register_at_fork(after_in_child=_drop_lifelines)
