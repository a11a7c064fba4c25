"""`python -m manyhands stacks PID`: the doctor, for another program.

It copies the descriptors of that program's lanes and of its shared memory (`pidfd_getfd`), which
wants the right to trace it: that of the same user where the system allows it, or of root. Then it
looks as the program itself would, and asks all processes for their Python stacks: workers by their
lanes, others by what they offer (`_stacks`).

While it looks it is one more process of that program's shared memory, and holds nothing in it.

A signal goes to nobody but who has the lane, or the file, in which the stacks are to be: numbers of
processes are used again, and mean others in another namespace. In such a program the workers show
their stacks, but who waits for a lock is only seen from within it.

Refuses: to stop the program, and to load code into it.
"""

from __future__ import annotations

import os
import time

from . import _native, _stacks
from ._doctor import Diagnosis, ProcessState, Sight, WorkerState, look
from ._threads_of import descendants, is_over, memory_files, shares_numbers, user_of

_LANE = "manyhands-lane"
_WORLD = "manyhands-world"


def diagnose(pid: int) -> Diagnosis:
    """The diagnosis of a program, by the number of its process.

    Raises:
        ProcessLookupError: there is no such process, or it has just ended.
        PermissionError: it may not be looked into.
    """
    try:
        found = _diagnose(pid)
    except OSError:
        if os.path.exists(f"/proc/{pid}") and is_over(pid):
            raise ProcessLookupError(f"process {pid} has ended") from None
        if not os.path.exists(f"/proc/{pid}"):
            raise ProcessLookupError(f"there is no process {pid}") from None
        raise
    if is_over(pid):
        raise ProcessLookupError(f"process {pid} has ended")
    return found


def _diagnose(pid: int) -> Diagnosis:
    files = dict(memory_files(pid))
    lanes = [fd for fd, name in files.items() if name == _LANE]
    worlds = [fd for fd, name in files.items() if name == _WORLD]
    notes = [] if lanes or worlds else ["nothing of manyhands is in use in this process"]
    if not shares_numbers(pid):
        notes.append(
            "it is in another namespace of processes, as in a container: the numbers of workers "
            f"and owners are those of there, and who waits is seen only there (nsenter -t {pid} "
            "-p -m -- python -m manyhands stacks ...)"
        )
    workers = [worker for fd in lanes if (worker := _worker(pid, fd)) is not None]
    busy = [worker.pid for worker in workers if worker.pid and worker.state == "busy"]
    sight = _sight(pid, worlds, busy)
    known = {worker.pid for worker in workers}
    (own, *processes), others = _stacks.of_children(pid, known, with_itself=True)
    return Diagnosis(
        pid,
        tuple(workers),
        sight.objects,
        sight.cycle,
        own[2],
        (*notes, *others),
        tuple(ProcessState(*process) for process in processes),
        sight.reasons,
    )


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
        copy = _copied(pid, fd)
        inode = os.fstat(copy).st_ino
        lane = _native.LaneView(copy)
    except (OSError, ValueError) as error:
        if isinstance(error, PermissionError):
            raise
        return None  # it has just ended
    worker, doing, runs, since = lane.facts()
    if not worker:
        return None
    seconds = (time.monotonic_ns() - since) / 1e9 if runs and since else None
    near = shares_numbers(pid)
    process = user_of(worker, inode, (worker,) if near else descendants(pid))
    stacks = None if process is None else _stacks_of(lane, process)
    if process is None and near:
        doing = "has ended, or may not be looked into"
    item = "an item" if runs else None
    return WorkerState(None, worker, doing, item, None, seconds, None, stacks)


def _stacks_of(lane: _native.LaneView, process: int) -> str | None:
    try:
        lane.ask_stacks(process)
    except OSError:
        return None  # it has just ended
    return _stacks.once_written(lambda: {0: lane.stacks()}).get(0)


def _sight(pid: int, worlds: list[int], busy: list[int]) -> Sight:
    if not worlds:
        return Sight((), (), ())
    _native.attach_world(_copied(pid, worlds[0]))
    return look({pid: busy}, stranger=True, blind=not shares_numbers(pid))
