"""Ctrl-C while this process forks: it counts when the fork is over.

An exception that the handler of SIGINT raises while Python's handlers around a fork run is printed
and thrown away, and what they have locked stays locked; one that comes right after the fork would
lose the child. So in the main thread, where alone such handlers run, the signal is noted and handed
to the program's own handler afterwards.

Refuses: other signals, which nobody lets raise, and other threads, where no handler runs.
"""

from __future__ import annotations

import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self


class Uninterrupted:
    """A `with` block that Ctrl-C interrupts at its end."""

    def __init__(self) -> None:
        self._handler: Any = None
        self._noted = False

    def __enter__(self) -> Self:
        handler = signal.getsignal(signal.SIGINT)
        if callable(handler):
            try:
                signal.signal(signal.SIGINT, self._note)
            except ValueError:
                return self  # not the main thread
            self._handler = handler
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Give the program its handler back, and the signal if it came; in a child, too."""
        handler, self._handler = self._handler, None
        if handler is None:
            return
        signal.signal(signal.SIGINT, handler)
        if self._noted:
            handler(signal.SIGINT, sys._getframe())  # noqa: SLF001 - what a handler is given

    def _note(self, _number: int, _frame: object) -> None:
        self._noted = True
