"""Why does nothing move? What the processes of a program do and wait for, at one moment.

`Pool.doctor()` asks from within, `python -m manyhands stacks PID` from outside; both make a
`Diagnosis`, whose text is for people. What it looks at: the words that workers write about
themselves, the locks and queues in shared memory, where threads sleep (`_threads_of`), and who
waits for whom (`_deadlock`).

Refuses: to change anything, and to take a lock that others may want.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from . import _native, _stacks
from ._deadlock import Wait, Waiting, arrows, explain, find_cycle
from ._logs import MOST_RECORDS
from ._threads_of import command_of, threads

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ._threads_of import Thread

_HUB = "manyhands-hub"
_INDENT = "      "


@dataclass(frozen=True)
class WorkerState:
    """What one worker does.

    `id` is its seat, `pid` its process (None until it is launched), `state` a word. `function` and
    `index` name the item that it runs, `seconds` for how long about; `waiting` counts the items
    that it was sent and has not begun. `stacks` is the text of its Python stacks, if it could be
    had.
    """

    id: int | None
    pid: int | None
    state: str
    function: str | None = None
    index: int | None = None
    seconds: float | None = None
    waiting: int | None = None
    stacks: str | None = None


@dataclass(frozen=True)
class ObjectState:
    """A lock, a queue or a relative of these, in shared memory.

    `kind` is the class, `name` its number in the shared memory, `facts` what is known of it, such
    as `items` of a queue; `owner` the process that holds a lock; `waiters` the processes with
    threads that sleep on it; `holders` all processes that have the object.
    """

    kind: str
    name: int
    facts: Mapping[str, Any]
    owner: int | None = None
    waiters: tuple[int, ...] = ()
    holders: tuple[int, ...] = ()


@dataclass(frozen=True)
class ProcessState:
    """A process that is no worker, such as one of `Process`.

    `command` is what it was started with, `stacks` the text of its Python stacks, if they could be
    had.
    """

    pid: int
    command: str
    stacks: str | None = None


@dataclass(frozen=True)
class Diagnosis:
    """What the doctor has found: print it.

    `pid` is the process that was looked at, `workers` those of its pools, `processes` its other
    children, `objects` the locks and queues that are in use, `cycle` the processes of a deadlock in
    their order, or empty, `reasons` a sentence for each of them, and `stacks` the Python stacks of
    the process itself, if they could be had.
    """

    pid: int
    workers: tuple[WorkerState, ...]
    objects: tuple[ObjectState, ...]
    cycle: tuple[int, ...] = ()
    stacks: str | None = None
    notes: tuple[str, ...] = field(default=())
    processes: tuple[ProcessState, ...] = ()
    reasons: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [f"process {self.pid}: {command_of(self.pid)}"]
        lines += [f"  {note}" for note in self.notes]
        lines += ["  DEADLOCK: " + "; ".join(self.reasons)] if self.cycle else []
        lines += _stack_lines(self.stacks)
        for worker in self.workers:
            lines.append(f"  {_describe_worker(worker)}")
            lines += _stack_lines(worker.stacks)
        for process in self.processes:
            lines.append(f"  process {process.pid}: {process.command}")
            lines += _stack_lines(process.stacks)
        lines += [f"  {_describe_object(one)}" for one in self.objects]
        return "\n".join(lines)


def _describe_worker(worker: WorkerState) -> str:
    name = "a worker" if worker.id is None else f"worker {worker.id}"
    text = f"{name} (pid {worker.pid or 'not yet known'}): {worker.state}"
    if worker.function is not None:
        item = "" if worker.index is None else f" item {worker.index} of"
        text += f", runs{item} {worker.function}"
    if worker.seconds is not None:
        text += f", for {worker.seconds:.1f} s"
    if worker.waiting:
        text += f", {worker.waiting} items wait for it"
    return text


def _describe_object(one: ObjectState) -> str:
    text = f"{one.kind} {one.name:#x}"
    facts = [f"{name} {value}" for name, value in one.facts.items() if value not in (None, False)]
    if facts:
        text += ": " + ", ".join(facts)
    if one.owner is not None:
        text += f", held by {one.owner}"
    if one.waiters:
        text += ", waited for by " + ", ".join(map(str, one.waiters))
    return text


def _stack_lines(stacks: str | None) -> list[str]:
    return [] if not stacks else [_INDENT + line for line in stacks.rstrip().splitlines()]


# Looking


@dataclass(frozen=True)
class Sight:
    """The locks and queues of the home world that are in use, and who waits for whom."""

    objects: tuple[ObjectState, ...]
    cycle: tuple[int, ...]
    reasons: tuple[str, ...]


def look(
    workers: Mapping[int, Iterable[int]], *, stranger: bool = False, blind: bool = False
) -> Sight:
    """Look at the home world.

    `workers` are the processes that work for a pool at this moment, by the process that has the
    pool. A stranger is there to look, and is none of the program's; who is blind knows nothing of
    processes by their numbers.
    """
    facts = _native.survey()
    _, descriptor = _native.home_world()
    inode = os.fstat(descriptor).st_ino
    own = os.getpid() if stranger else 0
    pids = [] if blind else [pid for pid in _native.relatives() if pid != own]
    seen = {pid: threads(pid) for pid in pids}
    states = [_object(one, seen, inode, own) for one in facts]
    waiting = {pid: _waiting(found, workers.get(pid, ())) for pid, found in seen.items()}
    for state in states:
        for pid in state.waiters:
            waits = (*waiting[pid].waits, _wait(state, pid))
            waiting[pid] = Waiting(waits, waiting[pid].only)
    found = arrows(waiting)
    cycle = find_cycle(found)
    used = tuple(state for state in states if _is_in_use(state))
    return Sight(used, cycle, explain(cycle, found))


def _sleeps_on(thread: Thread, inode: int, facts: Mapping[str, Any]) -> bool:
    start, end = facts["offset"], facts["offset"] + facts["length"]
    return thread.inode == inode and thread.offset is not None and start <= thread.offset < end


def _object(
    facts: dict[str, Any], seen: Mapping[int, list[Thread]], inode: int, own: int
) -> ObjectState:
    hidden = ("kind", "name", "offset", "length", "owner", "processes", "holders")
    shown = {name: value for name, value in facts.items() if name not in hidden}
    # The channel of log records is always waited on, by a thread that does nothing else.
    ours = facts.get("most") == MOST_RECORDS
    asleep = [
        pid
        for pid, found in seen.items()
        if not ours and any(_sleeps_on(thread, inode, facts) for thread in found)
    ]
    holders = tuple(sorted({pid for pid in facts["holders"] if pid != own}))
    return ObjectState(
        facts["kind"], facts["name"], shown, facts.get("owner"), tuple(asleep), holders
    )


def _waiting(found: list[Thread], workers: Iterable[int]) -> Waiting:
    """What a process waits for apart from objects: its pools."""
    program = [thread for thread in found if not thread.ours]
    only = bool(program) and all(thread.file is not None for thread in program)
    busy = frozenset(workers)
    if busy and any(thread.file == _HUB for thread in program):
        return Waiting((Wait("a pool's results, which GIVER works for", busy),), only)
    # Waiting for a pool of which nobody knows the workers is no wait that could be told.
    return Waiting((), only and not any(thread.file == _HUB for thread in program))


def _wait(state: ObjectState, pid: int) -> Wait:
    name = f"{state.kind} {state.name:#x}"
    if state.owner is not None:
        return Wait(f"{name}, which GIVER holds", frozenset((state.owner,)), owned=True)
    givers = frozenset(state.holders) - {pid}
    if state.kind != "Queue":
        return Wait(f"{name}, which GIVER could end", givers)
    if state.facts.get("full"):
        return Wait(f"room in {name}, which GIVER could make", givers)
    return Wait(f"an item of {name}, which GIVER could put", givers)


def _is_in_use(state: ObjectState) -> bool:
    busy = any(state.facts.get(name) for name in ("locked", "items", "waiting"))
    return bool(busy or state.waiters)


def diagnose(workers: Iterable[WorkerState], remarks: Iterable[str] = ()) -> Diagnosis:
    """The diagnosis of this process, with those of its workers, and remarks on their pool."""
    workers, own = tuple(workers), os.getpid()
    busy = [one.pid for one in workers if one.pid is not None and one.state == "busy"]
    sight = look({own: busy})
    processes, notes = _stacks.of_children(own, {worker.pid for worker in workers})
    return Diagnosis(
        own,
        workers,
        sight.objects,
        sight.cycle,
        _own_stacks(),
        (*remarks, *notes),
        tuple(ProcessState(*process) for process in processes),
        sight.reasons,
    )


def _own_stacks() -> str:
    """The Python stacks of this process: all threads but our own."""
    import sys
    import threading
    import traceback

    names = {thread.ident: thread.name for thread in threading.enumerate()}
    parts = []
    for ident, frame in sys._current_frames().items():  # noqa: SLF001 - documented, but for its name
        name = names.get(ident, "?")
        if name.startswith("manyhands-"):
            continue
        parts.append(f"thread {name}:\n" + "".join(traceback.format_stack(frame)))
    return "\n".join(parts)
