"""A tree of processes as /proc shows it: who belongs to it, what it has used, how to end it.

Linux only. A process that ends while it is being read counts as nothing, so the figures are exact
only for a tree that stands still; that is all the benches ask of it.
"""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

PROC = Path("/proc")


def _parents() -> Iterator[tuple[int, int]]:
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                # The name stands in parentheses and may hold any character, spaces too.
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                yield int(entry.name), int(fields[1])


def tree(root: int) -> list[int]:
    """`root` and all its living descendants."""
    children: dict[int, list[int]] = {}
    for pid, parent in _parents():
        children.setdefault(parent, []).append(pid)
    found = [root]
    for pid in found:
        found.extend(children.get(pid, ()))
    return found


def kill_tree(root: int) -> None:
    """End `root` and its descendants by SIGKILL, the root first so that it replaces nobody."""
    for pid in tree(root):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def processor_seconds(pids: list[int], *, without_thread: int | None = None) -> float:
    """Processor time used so far by every thread of `pids`, leaving one thread out if asked."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            for task in (PROC / str(pid) / "task").iterdir():
                if int(task.name) != without_thread:
                    total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def _is_still(pid: int) -> bool:
    """Whether a process is stopped, or gone."""
    try:
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] in "TZX"
    except OSError:
        return True


@contextlib.contextmanager
def standing_still(root: int) -> Iterator[list[int]]:
    """`root`, which goes on, and its descendants, which are stopped meanwhile.

    A page that a process maps between the looks at two others would count twice.
    """
    pids = tree(root)
    for pid in pids[1:]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
    try:
        deadline = time.monotonic() + 1
        while not all(map(_is_still, pids[1:])) and time.monotonic() < deadline:
            os.sched_yield()
        yield pids
    finally:
        for pid in pids[1:]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def memory_bytes(pids: list[int]) -> int:
    """Memory that `pids` hold together; a shared page counts in proportion (PSS)."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            for line in (PROC / str(pid) / "smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
    return total
