"""Why does nothing move? What the processes of a program do and wait for, at one moment.

`Pool.doctor()` asks from within, `python -m manyhands stacks PID` from outside; both make a
`Diagnosis`, whose text is for people. What it looks at: the words that workers write about
themselves, the locks and queues in shared memory, and where threads sleep (`_threads_of`). A
*cycle* are processes each of which waits for a lock that the next one holds: they will wait for
ever.

Refuses: to change anything, and to take a lock that others may want.
"""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from . import _native
from ._logs import MOST_RECORDS
from ._threads_of import command_of, waiters

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

# Seconds that workers have to write their stacks.
_PATIENCE = 1.0
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
    threads that sleep on it.
    """

    kind: str
    name: int
    facts: Mapping[str, Any]
    owner: int | None = None
    waiters: tuple[int, ...] = ()


@dataclass(frozen=True)
class Diagnosis:
    """What the doctor has found: print it.

    `pid` is the process that was looked at, `workers` those of its pools, `objects` the locks and
    queues that are in use, `cycle` the processes of a deadlock in their order, or empty, and
    `stacks` the Python stacks of the process itself, if they could be had.
    """

    pid: int
    workers: tuple[WorkerState, ...]
    objects: tuple[ObjectState, ...]
    cycle: tuple[int, ...] = ()
    stacks: str | None = None
    notes: tuple[str, ...] = field(default=())

    def __str__(self) -> str:
        lines = [f"process {self.pid}: {command_of(self.pid)}"]
        lines += [f"  {note}" for note in self.notes]
        lines += self._verdict()
        lines += _stack_lines(self.stacks)
        for worker in self.workers:
            lines.append(f"  {_describe_worker(worker)}")
            lines += _stack_lines(worker.stacks)
        lines += [f"  {_describe_object(one)}" for one in self.objects]
        return "\n".join(lines)

    def _verdict(self) -> list[str]:
        if not self.cycle:
            return []
        steps = [
            f"{pid} waits for {_lock_of(self.objects, pid, holder)}, which {holder} holds"
            for pid, holder in zip(self.cycle, (*self.cycle[1:], self.cycle[0]), strict=True)
        ]
        return ["  DEADLOCK: " + "; ".join(steps)]


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


def _lock_of(objects: Iterable[ObjectState], waiter: int, owner: int) -> str:
    for one in objects:
        if one.owner == owner and waiter in one.waiters:
            return f"{one.kind} {one.name:#x}"
    return "a lock"


# Looking


def look_at_objects(pids: Iterable[int] | None = None) -> tuple[ObjectState, ...]:
    """The locks and queues of the home world that are in use: held, waited for, or filled."""
    facts = _native.survey()
    _, descriptor = _native.home_world()
    inode = os.fstat(descriptor).st_ino
    asleep: dict[int, set[int]] = {}
    for pid in _native.relatives() if pids is None else pids:
        for waiter in waiters(pid, inode):
            for one in facts:
                if one["offset"] <= waiter.offset < one["offset"] + one["length"]:
                    asleep.setdefault(one["name"], set()).add(pid)
    states = (_object(one, asleep.get(one["name"], set())) for one in facts)
    return tuple(state for state in states if _is_in_use(state))


def _object(facts: dict[str, Any], asleep: set[int]) -> ObjectState:
    shown = {
        name: value
        for name, value in facts.items()
        if name not in ("kind", "name", "offset", "length", "owner", "processes")
    }
    return ObjectState(
        facts["kind"], facts["name"], shown, facts.get("owner"), tuple(sorted(asleep))
    )


def _is_in_use(state: ObjectState) -> bool:
    busy = any(state.facts.get(name) for name in ("locked", "items", "waiting"))
    # The channel of log records is always waited on.
    return bool(busy or (state.waiters and state.facts.get("most") != MOST_RECORDS))


def find_cycle(objects: Iterable[ObjectState]) -> tuple[int, ...]:
    """Processes that wait for each other's locks in a circle, if there are some.

    A process with several threads may go on by another thread of it: then it is no deadlock of the
    whole process, but the threads in the circle wait for ever all the same.
    """
    waits: dict[int, set[int]] = {}
    for one in objects:
        if one.owner is not None:
            for pid in one.waiters:
                waits.setdefault(pid, set()).add(one.owner)
    for start in sorted(waits):
        path = _path_back(waits, start)
        if path:
            return path
    return ()


def _path_back(waits: dict[int, set[int]], start: int) -> tuple[int, ...]:
    """A way from a process along those that it waits for, back to itself."""
    left: list[tuple[int, ...]] = [(start,)]
    seen = set()
    while left:
        path = left.pop()
        for holder in sorted(waits.get(path[-1], ())):
            if holder == start:
                return path
            if holder not in seen:
                seen.add(holder)
                left.append((*path, holder))
    return ()


def stacks_once_written(read: Callable[[], dict[int, bytes]]) -> dict[int, str]:
    """What `read` gives, as text, once workers write no more; without those that write nothing.

    A worker writes within milliseconds, unless it is in the kernel and cannot be interrupted.
    """
    pause = threading.Event()
    deadline = time.monotonic() + _PATIENCE
    before, seen = None, read()
    while time.monotonic() < deadline and (before != seen or not all(seen.values())):
        pause.wait(0.02)
        before, seen = seen, read()
    texts = {key: text.decode("utf-8", "backslashreplace") for key, text in seen.items()}
    return {key: text for key, text in texts.items() if text}


def diagnose(workers: Iterable[WorkerState]) -> Diagnosis:
    """The diagnosis of this process, with those of its workers."""
    objects = look_at_objects()
    return Diagnosis(
        os.getpid(), tuple(workers), objects, find_cycle(objects), stacks=_own_stacks()
    )


def _own_stacks() -> str:
    """The Python stacks of this process: all threads but our own."""
    import sys
    import traceback

    names = {thread.ident: thread.name for thread in threading.enumerate()}
    parts = []
    for ident, frame in sys._current_frames().items():  # noqa: SLF001 - documented, but for its name
        name = names.get(ident, "?")
        if name.startswith("manyhands-"):
            continue
        parts.append(f"thread {name}:\n" + "".join(traceback.format_stack(frame)))
    return "\n".join(parts)
