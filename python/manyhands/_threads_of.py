"""Where the threads of other processes wait, as far as the kernel tells.

A thread that sleeps on a word of shared memory is in a system call whose first argument is the
address of that word: `/proc/PID/task/TID/syscall`. What is mapped there says in which file the word
lies, and where. So a report names who waits for which lock, and nothing has to be written down
while locks are taken.

The kernel shows this to whoever may trace that process: its ancestors, and root. Others learn
nothing, and no error is made of that.

Refuses: to stop or to change a process.
"""

from __future__ import annotations

import os
import platform

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_FUTEX = {"x86_64": 202, "aarch64": 98}.get(platform.machine(), -1)
_WAITS = (0, 9)  # FUTEX_WAIT and FUTEX_WAIT_BITSET
_COMMAND = 0x7F


class Waiter:
    """A thread that sleeps on a word at `offset` of a file."""

    __slots__ = ("offset", "pid", "thread")

    def __init__(self, pid: int, thread: int, offset: int) -> None:
        self.pid = pid
        self.thread = thread
        self.offset = offset


def waiters(pid: int, inode: int) -> list[Waiter]:
    """The threads of a process that sleep on a word of the file with that inode."""
    mapped = list(_mappings(pid, inode))
    found = []
    for thread in _threads(pid):
        address = _sleeps_on(pid, thread)
        for start, end, offset in mapped:
            if address is not None and start <= address < end:
                found.append(Waiter(pid, thread, address - start + offset))
    return found


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""  # it has ended, or we may not look


def _threads(pid: int) -> list[int]:
    try:
        return sorted(int(name) for name in os.listdir(f"/proc/{pid}/task"))
    except OSError:
        return []


def _sleeps_on(pid: int, thread: int) -> int | None:
    """The address of the word on which a thread sleeps, if it does."""
    words = _read(f"/proc/{pid}/task/{thread}/syscall").split()
    if len(words) < 3 or words[0] != str(_FUTEX):  # noqa: PLR2004 - number, address, operation
        return None
    return int(words[1], 16) if int(words[2], 16) & _COMMAND in _WAITS else None


def _mappings(pid: int, inode: int) -> Iterator[tuple[int, int, int]]:
    """Where a file is mapped: from, to, and which offset of the file is there."""
    for line in _read(f"/proc/{pid}/maps").splitlines():
        addresses, _, offset, _, number = line.split(None, 5)[:5]
        if number == str(inode):
            start, end = addresses.split("-")
            yield int(start, 16), int(end, 16), int(offset, 16)


def descendants(pid: int) -> list[int]:
    """The processes that a process has started, and those that these have, by their numbers."""
    parents: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            # The name of the program, in brackets, may hold anything.
            fields = _read(f"/proc/{name}/stat").rpartition(")")[2].split()
            if len(fields) > 1:
                parents.setdefault(int(fields[1]), []).append(int(name))
    found, left = [], [pid]
    while left:
        children = parents.get(left.pop(), [])
        found += children
        left += children
    return sorted(found)


def command_of(pid: int) -> str:
    """What a process was started with, shortened; its name where that is not to be had."""
    words = _read(f"/proc/{pid}/cmdline").replace("\0", " ").strip()
    return (words or _read(f"/proc/{pid}/comm").strip())[:100]
