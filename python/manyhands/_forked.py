"""What `multiprocessing` has in a forked copy of this process that is its parent's, and let go.

Nobody tells it of `os.fork`. The copy has its parent's children, of which it would end or join each
at its exit; a fork server that is no child of its own, which is an error whenever it starts a
process; the address of a thread of its parent's as the one that hands out the descriptors that it
sends; and locks that threads hold which are not there.

Refuses: to import anything, in programs that have no use for it.
"""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def _forget_children() -> None:
    process: Any = sys.modules.get("multiprocessing.process")
    util: Any = sys.modules.get("multiprocessing.util")
    if process is None or util is None:
        return
    # What ends with them may log, and `logging` may renew its locks only after this.
    logger, util._logger = util._logger, None
    try:
        process._children = set()
    finally:
        util._logger = logger


def _forget_servers() -> None:
    # The locks are replaced: if this very thread holds one, it will give back that which it took.
    tracker: Any = sys.modules.get("multiprocessing.resource_tracker")
    if tracker is not None:
        tracker._resource_tracker._lock = threading.RLock()
    module: Any = sys.modules.get("multiprocessing.forkserver")
    if module is not None:
        server = module._forkserver
        server._lock = threading.Lock()
        server._forkserver_address = server._forkserver_alive_fd = server._forkserver_pid = None


def _forget_sharer() -> None:
    sharer: Any = sys.modules.get("multiprocessing.resource_sharer")
    if sharer is not None:
        with suppress(OSError):  # the program may have closed what it holds
            sharer._resource_sharer._afterfork()


os.register_at_fork(after_in_child=_forget_children)
os.register_at_fork(after_in_child=_forget_sharer)
os.register_at_fork(after_in_child=_forget_servers)
