"""What to say where the fork server of `multiprocessing` has ended and did not say why.

It is started in the background and asked by a socket: an interpreter that cannot be run, a
`sys.path` that is too long for a program's arguments, an import that ends it, show only as a
connection that is refused or breaks.

Refuses: to start it again, or to guess which of these it was.
"""

from __future__ import annotations

import errno
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType


class Asked:
    """While the fork server is asked for a process: that it has ended is an OSError in words."""

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
