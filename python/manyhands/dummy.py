"""`multiprocessing.dummy`: the names of the package over threads, for programs that want it.

`from manyhands.dummy import Pool` gives `manyhands.ThreadPool`, so `with` waits, `imap` is bounded,
`errors=` and `progress=` are there. Everything else is the standard library's: threads that look
like processes, and the locks and queues of `threading` and `queue`.

Refuses: to differ from it in anything else.
"""

from __future__ import annotations

import builtins
import sys
from multiprocessing.dummy import (
    Array,
    Barrier,
    BoundedSemaphore,
    Condition,
    DummyProcess,
    Event,
    JoinableQueue,
    Lock,
    Namespace,
    Pipe,
    Process,
    Queue,
    RLock,
    Semaphore,
    Value,
    active_children,
    connection,
    current_process,
    freeze_support,
    shutdown,
)

from ._local import ThreadPool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import ModuleType
    from typing import Any

__all__ = [
    "Array",
    "Barrier",
    "BoundedSemaphore",
    "Condition",
    "DummyProcess",
    "Event",
    "JoinableQueue",
    "Lock",
    "Manager",
    "Namespace",
    "Pipe",
    "Pool",
    "Process",
    "Queue",
    "RLock",
    "Semaphore",
    "Value",
    "active_children",
    "connection",
    "current_process",
    "dict",
    "freeze_support",
    "list",
    "shutdown",
]

dict, list = builtins.dict, builtins.list  # noqa: A001 - multiprocessing has them


def Pool(  # noqa: N802 - multiprocessing's name
    processes: int | None = None,
    initializer: Callable[..., object] | None = None,
    initargs: Iterable[Any] = (),
) -> ThreadPool:
    """A `manyhands.ThreadPool`.

    >>> with Pool(2) as pool:
    ...     pool.map(abs, [-1, 2])
    [1, 2]
    """
    return ThreadPool(processes, initializer, initargs)


def Manager() -> ModuleType:  # noqa: N802 - multiprocessing's name
    """This module: threads share everything."""
    return sys.modules[__name__]
