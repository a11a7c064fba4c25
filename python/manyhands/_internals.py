"""Internals of `multiprocessing.Pool` that programs have come to use, if they mean something.

Refuses: to let anything be changed by them.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._native import Engine


class Member:
    """A worker as an entry of `Pool._pool`."""

    __slots__ = ("pid",)

    def __init__(self, pid: int | None) -> None:
        self.pid = pid

    def is_alive(self) -> bool:
        """Whether the process has been started and has not been reaped."""
        if self.pid is None:
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        return True


def members(engine: Engine) -> list[Member]:
    """The workers of a pool."""
    return [Member(pid) for _, pid in engine.pids()]


def warn_when_dropped(pool: Any, state: str) -> None:
    """A program says that a pool runs, after its end: it is told when the pool is dropped."""
    import weakref
    from multiprocessing.pool import RUN

    if state == RUN:
        text = f"unclosed running multiprocessing pool {pool!r}"
        weakref.finalize(pool, _warn, text)


def _warn(text: str) -> None:
    import warnings

    warnings.warn(text, ResourceWarning, stacklevel=2)
