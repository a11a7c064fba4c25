"""What to say where the standard library cannot start a process, and says little.

A limit that is reached is a bare error of the kernel. The fork server is started in the background
and asked by a socket: an interpreter that cannot be run, a `sys.path` that is too long for a
program's arguments, an import that ends it, show only as a connection that is refused or breaks.

Refuses: to try again, or to guess which of these it was.
"""

from __future__ import annotations

import errno
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

_LIMITS = {
    errno.EAGAIN: "RLIMIT_NPROC, or a limit of the control group",
    errno.EMFILE: "RLIMIT_NOFILE",
}


class Worded:
    """While the standard library starts a process: its errors in words, as an OSError."""

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, _: object, error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        if isinstance(error, (ConnectionError, EOFError)):
            raise OSError(
                getattr(error, "errno", None) or errno.ECONNABORTED,
                "the fork server ended before it had made a process. What it printed may tell why; "
                f"it was started with the environment of this program and its sys.path, which has "
                f'{len(sys.path)} entries. The start method "template" needs no such server',
            ) from error
        if isinstance(error, OSError) and error.errno in _LIMITS and "RLIMIT" not in str(error):
            limit = _LIMITS[error.errno]
            text = f"no process can be started: {os.strerror(error.errno)} ({limit})"
            raise OSError(error.errno, text) from error
