"""The interpreter that processes of ours are started with.

`sys.executable`, or what `set_executable` has chosen. Where Python runs within another program
there may be none, and then nothing can be started but by `fork`.

Refuses: to guess one.
"""

from __future__ import annotations

import errno
import os
import sys
from stat import S_ISDIR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def interpreter() -> str:
    """Its path; RuntimeError if there is none, OSError if it cannot be run: they say what to do."""
    # Loaded only where a program has chosen, or started processes.
    spawn: Any = sys.modules.get("multiprocessing.spawn")
    chosen = None if spawn is None else spawn.get_executable()
    executable = chosen or sys.executable
    if not executable:
        raise RuntimeError(
            f"sys.executable is {executable!r}: there is no interpreter with which processes could "
            'be started. Name one by `set_executable("/path/to/python")`, or use the start method '
            '"fork"'
        )
    path = os.fsdecode(executable)
    # One without a folder is looked for where programs are.
    number = _flaw(path) if os.sep in path else None
    if number is not None:
        raise OSError(
            number,
            f"{os.strerror(number)}, and it is the interpreter with which processes would be "
            'started. Name one by `set_executable("/path/to/python")`, or use the start method '
            '"fork"',
            path,
        )
    return path


def _flaw(path: str) -> int | None:
    """Why it can be run by nobody; None where only the kernel knows, which asks who runs it."""
    try:
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError) as error:
        return error.errno
    except OSError:
        return None
    return None if mode & 0o111 and not S_ISDIR(mode) else errno.EACCES
