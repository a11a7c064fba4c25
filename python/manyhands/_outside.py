"""`python -m manyhands stacks PID`: the doctor, for another program.

It copies the descriptors of that program's lanes and of its shared memory (`pidfd_getfd`), which
wants the right to trace it: that of the same user where the system allows it, or of root. Then it
looks as the program itself would, and asks the workers for their Python stacks.

While it looks it is one more process of that program's shared memory, and holds nothing in it.

Refuses: to stop the program, and to load code into it.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from . import _native
from ._doctor import (
    Diagnosis,
    ObjectState,
    WorkerState,
    find_cycle,
    look_at_objects,
    stacks_once_written,
)
from ._threads_of import command_of, descendants

if TYPE_CHECKING:
    from collections.abc import Iterator

_LANE = "manyhands-lane"
_WORLD = "manyhands-world"


def diagnose(pid: int) -> Diagnosis:
    """The diagnosis of a program, by the number of its process.

    Raises:
        ProcessLookupError: there is no such process.
        PermissionError: it may not be looked into.
    """
    files = dict(_memory_files(pid))
    lanes = [fd for fd, name in files.items() if name == _LANE]
    worlds = [fd for fd, name in files.items() if name == _WORLD]
    notes = [] if lanes or worlds else ["nothing of manyhands is in use in this process"]
    workers = [worker for fd in lanes if (worker := _worker(pid, fd)) is not None]
    objects = _objects(pid, worlds)
    own = {worker.pid for worker in workers}
    others = (other for other in descendants(pid) if other not in own)
    notes += [f"child {other}: {command_of(other)}" for other in others]
    return Diagnosis(pid, tuple(workers), objects, find_cycle(objects), notes=tuple(notes))


def _memory_files(pid: int) -> Iterator[tuple[int, str]]:
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
            yield int(name), target[len("/memfd:") :].removesuffix(" (deleted)")


def _copied(pid: int, fd: int) -> int:
    try:
        return _native.copy_fd(pid, fd)
    except PermissionError:
        raise PermissionError(
            f"process {pid} may not be traced: be root, or let it be traced "
            "(/proc/sys/kernel/yama/ptrace_scope)"
        ) from None


def _worker(pid: int, fd: int) -> WorkerState | None:
    try:
        lane = _native.LaneView(_copied(pid, fd))
    except (OSError, ValueError) as error:
        if isinstance(error, PermissionError):
            raise
        return None  # it has just ended
    worker, doing, runs, since = lane.facts()
    if not worker:
        return None
    seconds = (time.monotonic_ns() - since) / 1e9 if runs and since else None
    lane.ask_stacks()
    stacks = stacks_once_written(lambda: {0: lane.stacks()}).get(0)
    item = "an item" if runs else None
    return WorkerState(None, worker, doing, item, None, seconds, None, stacks)


def _objects(pid: int, worlds: list[int]) -> tuple[ObjectState, ...]:
    if not worlds:
        return ()
    _native.attach_world(_copied(pid, worlds[0]))
    pids = [number for number in _native.relatives() if number != os.getpid()]
    return look_at_objects(pids)
