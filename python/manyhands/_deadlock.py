"""Who waits for whom: the arrows between processes, and the circle that they make.

An arrow leads from a process to one that it waits for. A lock has one owner, so whoever waits for
it has one arrow. Whatever else is waited for (an item, room in a queue, an event, a permit) anybody
may give who has the object: such a wait has arrows only when it is hopeless, that is when each of
these processes waits as well, with all of its threads, and hopelessly too. So has the wait of a
program for its pool, when all workers that are at work wait so.

What waits with a `timeout=` looks the same, and goes on by itself.

Refuses: to look at any process; it is told what was seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


@dataclass(frozen=True)
class Wait:
    """One thing that a process waits for.

    `what` is for people, `givers` are the processes of which any one could end the wait, and
    `owned` says that it is a lock, which only its owner gives back.
    """

    what: str
    givers: frozenset[int]
    owned: bool = False


@dataclass(frozen=True)
class Waiting:
    """All that a process waits for; `only` says that it has no thread that does anything else."""

    waits: tuple[Wait, ...]
    only: bool


def arrows(processes: Mapping[int, Waiting]) -> dict[int, dict[int, str]]:
    """From each process to those that it waits for, with what it waits for."""
    stuck = _stuck(processes)
    found: dict[int, dict[int, str]] = {}
    for pid, waiting in processes.items():
        for wait in waiting.waits:
            if wait.owned or pid in stuck:
                for giver in sorted(wait.givers):
                    found.setdefault(pid, {}).setdefault(giver, wait.what)
    return found


def _stuck(processes: Mapping[int, Waiting]) -> set[int]:
    """The processes that wait for nobody but each other."""
    stuck = {pid for pid, waiting in processes.items() if waiting.only and waiting.waits}
    while True:
        hopeless = {
            pid
            for pid in stuck
            if all(w.givers and w.givers <= stuck for w in processes[pid].waits)
        }
        if hopeless == stuck:
            return stuck
        stuck = hopeless


def find_cycle(found: Mapping[int, Iterable[int]]) -> tuple[int, ...]:
    """Processes whose arrows lead from one to the next, and from the last one to the first.

    A process with several threads may give a lock back by another thread of it: then it is no
    deadlock of the whole process, but the threads in the circle wait for ever all the same.
    """
    for start in sorted(found):
        path = _path_back(found, start)
        if path:
            return path
    return ()


def _path_back(found: Mapping[int, Iterable[int]], start: int) -> tuple[int, ...]:
    """A way from a process along those that it waits for, back to itself."""
    left: list[tuple[int, ...]] = [(start,)]
    seen = set()
    while left:
        path = left.pop()
        for giver in sorted(found.get(path[-1], ())):
            if giver == start:
                return path
            if giver not in seen:
                seen.add(giver)
                left.append((*path, giver))
    return ()


def explain(cycle: Sequence[int], found: Mapping[int, Mapping[int, str]]) -> tuple[str, ...]:
    """One sentence for each arrow of the circle."""
    following = (*cycle[1:], *cycle[:1])
    return tuple(
        f"{pid} waits for {found[pid][giver]}".replace("GIVER", str(giver))
        for pid, giver in zip(cycle, following, strict=True)
    )
