"""Frozen programs (PyInstaller and others), in which `sys.executable` is the program itself.

Whatever the standard library starts as an interpreter is the program again: a child by `spawn`,
its resource tracker, its fork server. They are known by their arguments. A template is not started
there at all: `_template.command` refuses.
"""

from __future__ import annotations

import sys
from multiprocessing import spawn

_SERVERS = ("from multiprocessing.resource_tracker ", "from multiprocessing.forkserver ")


def be_a_child() -> None:
    """Run what this process was started for, and end, if it is a child of a frozen program."""
    spawn.freeze_support()
    *_, switch, code = ("", "", *sys.argv)
    if getattr(sys, "frozen", False) and switch == "-c" and code.startswith(_SERVERS):
        exec(code, {"__name__": "__main__"})  # noqa: S102 - the standard library's own words
        sys.exit()
