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

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_FUTEX = {"x86_64": 202, "aarch64": 98}.get(os.uname().machine, -1)
_WAITS = (0, 9)  # FUTEX_WAIT and FUTEX_WAIT_BITSET
_COMMAND = 0x7F


class Thread:
    """A thread of a process.

    `ours` is one of the package's own, which does nothing for the program by itself. One that
    sleeps on a word of an anonymous memory file has its `file` by name, the file's `inode`, and the
    `offset` of the word; others have None.
    """

    __slots__ = ("file", "inode", "offset", "ours", "pid", "thread")

    def __init__(self, pid: int, thread: int) -> None:
        self.pid = pid
        self.thread = thread
        # The first thread is the program's, whatever a worker calls itself.
        self.ours = thread != pid and _read(f"/proc/{pid}/task/{thread}/comm").startswith(
            "manyhands"
        )
        self.file: str | None = None
        self.inode: int | None = None
        self.offset: int | None = None


def threads(pid: int) -> list[Thread]:
    """The threads of a process, with what they sleep on; none of one that has ended."""
    mapped = list(_mapped_files(pid))
    found = [Thread(pid, number) for number in _numbers(pid)]
    for thread in found:
        address = _sleeps_on(pid, thread.thread)
        for start, end, offset, inode, name in mapped:
            if address is not None and start <= address < end:
                thread.file, thread.inode = name, inode
                thread.offset = address - start + offset
    return found


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""  # it has ended, or we may not look


def _numbers(pid: int) -> list[int]:
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


def _mapped_files(pid: int) -> Iterator[tuple[int, int, int, int, str]]:
    """Where memory files are mapped: from, to, which offset of the file, its inode and name."""
    for line in _read(f"/proc/{pid}/maps").splitlines():
        words = line.split(None, 5)
        if len(words) > 5 and words[5].startswith("/memfd:"):  # noqa: PLR2004 - the last is the name
            start, end = words[0].split("-")
            name = name_of(words[5])
            yield int(start, 16), int(end, 16), int(words[2], 16), int(words[4]), name


def memory_files(pid: int) -> Iterator[tuple[int, str]]:
    """The anonymous memory files of a process: descriptor and name."""
    folder = f"/proc/{pid}/fd"
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        raise ProcessLookupError(f"there is no process {pid}") from None
    except PermissionError:
        raise PermissionError(
            f"process {pid} may not be looked into: be its user, or root"
        ) from None
    for name in names:
        try:
            target = os.readlink(f"{folder}/{name}")
        except OSError:
            continue  # closed meanwhile
        if target.startswith("/memfd:"):
            yield int(name), name_of(target)


def user_of(number: int, inode: int, among: Iterable[int]) -> int | None:
    """The process among these that calls itself by this number and has mapped a memory file.

    In another namespace of numbers it has another number there than here; and a number that was
    written down may be that of some other process by now.
    """
    for pid in among:
        if _own_number(pid) == number and any(file[3] == inode for file in _mapped_files(pid)):
            return pid
    return None


def _own_number(pid: int) -> int | None:
    """How a process numbers itself, in the innermost namespace that it is in."""
    for line in _read(f"/proc/{pid}/status").splitlines():
        if line.startswith("NSpid:"):
            return int(line.split()[-1])
    return None


def shares_numbers(pid: int) -> bool:
    """Whether a process has the same numbers for processes as this one has."""
    try:
        return os.readlink(f"/proc/{pid}/ns/pid") == os.readlink("/proc/self/ns/pid")
    except OSError:
        return True  # it has ended, or may not be looked into: others will tell


def is_over(pid: int) -> bool:
    """Whether a process has ended, be it that nobody has waited for it yet."""
    fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return not fields or fields[0] in ("Z", "X")


def name_of(target: str) -> str:
    """The name of a memory file, as /proc shows it."""
    return target.removeprefix("/memfd:").removesuffix(" (deleted)")


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


def handles_signal(pid: int, signal: int) -> bool:
    """Whether a process has a handler for a signal, as far as may be seen."""
    for line in _read(f"/proc/{pid}/status").splitlines():
        if line.startswith("SigCgt:"):
            return bool(int(line.split()[1], 16) >> (signal - 1) & 1)
    return False
