"""Signals while this process forks or starts a thread: they count when that is over.

What a handler raises (the KeyboardInterrupt of Ctrl-C, the SystemExit of a handler of SIGTERM, the
timeout of one of SIGALRM) is printed and thrown away while Python's handlers around a fork run, and
what they have locked stays locked; right after the fork it would lose the child; and in the middle
of `Thread.start` it leaves a thread that never runs. So in the main thread, where alone handlers
run, signals are noted and handed to the program's own handlers afterwards. Only Python's table of
handlers changes: what stands before Python in the kernel (`faulthandler.register`, `siginterrupt`)
is the program's, and `signal.signal` would take it away.

Refuses: to block signals, which other threads would get, and other threads, where no handler runs.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal` makes enums of all that it finds
import os
import sys

from ._native import set_handler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Self

_NUMBERS = range(1, _signal.NSIG)


class Uninterrupted:
    """A `with` block that signals interrupt at its end."""

    def __init__(self) -> None:
        self._handlers: dict[int, Callable[[int, Any], object]] = {}
        self._noted: dict[int, int] = {}  # by signal, the process that got it
        self._note = self._take_note  # one object, to be known again

    def __enter__(self) -> Self:
        self.begin()
        return self

    def begin(self) -> None:
        """Note signals from now on."""
        found = {number: _signal.getsignal(number) for number in _NUMBERS}
        self._handlers = {number: known for number, known in found.items() if callable(known)}
        try:
            for number in self._handlers:
                set_handler(number, self._note)
        except ValueError:
            self._handlers = {}  # not the main thread
        except BaseException:
            # One has come that was not noted yet.
            self.end()
            raise

    def __exit__(self, *_: object) -> None:
        self.end()

    def deliver(self) -> None:
        """Hand over what has come so far: for waits in the middle. A handler may raise."""
        if self._noted:
            self._hand_over(self._handlers)

    def end(self) -> None:
        """Give the program its handlers back, and what came; in a child, too."""
        handlers, self._handlers = self._handlers, {}
        try:
            self._give_back(list(handlers.items()))
        finally:
            self._hand_over(handlers)

    def _give_back(self, handlers: list[tuple[int, Callable[[int, Any], object]]]) -> None:
        """Put each handler back, whatever those raise that are back already."""
        if not handlers:
            return
        (number, handler), *rest = handlers
        try:
            if _signal.getsignal(number) is self._note:
                set_handler(number, handler)
        except BaseException:
            if _signal.getsignal(number) is self._note:
                set_handler(number, handler)
            raise
        finally:
            self._give_back(rest)

    def _hand_over(self, handlers: dict[int, Callable[[int, Any], object]]) -> None:
        # The key is pressed for parent and child; other signals are for the one that got them.
        noted, self._noted = self._noted, {}
        own = os.getpid()
        _deliver(
            [
                (handlers[number], number)
                for number, pid in noted.items()
                if pid == own or number == _signal.SIGINT
            ]
        )

    def _take_note(self, number: int, _frame: object) -> None:
        self._noted[number] = os.getpid()


def _deliver(noted: list[tuple[Callable[[int, Any], object], int]]) -> None:
    """Call each handler, whatever those before it raise."""
    if not noted:
        return
    (handler, number), *rest = noted
    try:
        handler(number, sys._getframe())  # noqa: SLF001 - what a handler is given
    finally:
        _deliver(rest)
