"""Who a worker is for `multiprocessing`: its name, its number, and its parent.

`current_process().name` is the worker's name, `_identity` its seat counted from 1 (programs choose
a GPU or a line of the terminal by it), and `parent_process()` the process that made the pool.

Refuses: to import `multiprocessing`. A worker that does so is told who it is when that is done.
"""

from __future__ import annotations

import os
import sys

from ._imports import when_imported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_MODULE = "multiprocessing.process"
_name = "MainProcess"


def own() -> tuple[int, str]:
    """This process as the parent of workers: its number and its name."""
    module = sys.modules.get(_MODULE)
    return os.getpid(), _name if module is None else str(module.current_process().name)


def become(name: str, seat: int, parent: tuple[int, str]) -> None:
    """Be that worker of that parent, for whoever asks `multiprocessing`."""
    global _name  # noqa: PLW0603 - one name per process
    _name = name

    def tell(module: Any) -> None:
        current = module.current_process()
        current._name, current._identity = name, (seat + 1,)  # noqa: SLF001 - as its children do
        known = module.parent_process()
        if known is None or known.pid != parent[0]:
            _set_parent(module, *parent)

    when_imported(_MODULE, tell)


def _set_parent(module: Any, pid: int, name: str) -> None:
    try:
        sentinel = os.pidfd_open(pid)
    except OSError:
        # It has just ended, and this worker will.
        return
    module._parent_process = module._ParentProcess(name, pid, sentinel)  # noqa: SLF001 - no other way
    # A fork has the parent's children, which are not its own.
    module._children = set()  # noqa: SLF001 - likewise
