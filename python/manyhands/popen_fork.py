"""Processes by `fork`: a copy of this one, with the interpreter's hooks before and after.

The fork is the binding's: `os.fork` warns in a program with threads, and ours has one of its own.
What is unsound about it stays unsound; that is why it is not the default.

Refuses: to pickle anything; the child has it all.
"""

from __future__ import annotations

import os
import signal

from . import _arrival, _half_imported, _native
from ._popen import Popen as _Popen
from ._popen import close_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Popen"]


class Popen(_Popen):
    """A process that was forked."""

    method = "fork"

    def duplicate_for_child(self, fd: int) -> int:
        """The child has it already."""
        return fd

    def _launch(self, process: Any) -> None:
        self._until.begin()
        lifeline, held = os.pipe()
        creator = _arrival.creator()
        try:
            self.pid = _native.fork()
            if self.pid == 0:
                _half_imported.forget()
                os.close(held)
                _arrival.run_and_exit(lambda: self._run(process, lifeline, creator))
        except OSError:
            close_all(lifeline, held)
            raise
        finally:
            if not self._is_own():
                os._exit(1)  # else the child would go on as the program
        os.close(lifeline)
        try:
            self.sentinel = os.pidfd_open(self.pid)
        except OSError:
            # Without a handle nobody could wait for it. It is an own child: the number is its own.
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            os.close(held)
            raise
        self._hold(held, self.sentinel)

    def _run(self, process: Any, lifeline: int, creator: int | None) -> int:
        if self.bound:
            _arrival.bind(lifeline, creator)
        self._until.end()
        os.environ.update(process._env or {})
        code: int = process._bootstrap(parent_sentinel=lifeline)
        return code
