"""Synchronisation between processes: locks alone, and conversations of two processes.

- lock, with, value, atomic: one process, nobody else, so the figure is what each call costs. The
  last row has no counterpart in multiprocessing, whose way is the row before.
- event, condition: a round trip between two processes, each waiting for the other in turn.
- barrier: rounds a second of two processes that do nothing else.

Both sides are forked, and every object is inherited, so that start methods play no part.
"""

import importlib
import os
import timeit
from collections.abc import Callable
from functools import partial
from typing import Any

import cli
import timing
from harness import Measure, Scale, Subject
from rivals import Rival, Unsupported

CALLS = 1_000_000
ROUNDS = 20_000
SECTION = "Synchronisation"


def _context(rival: Rival) -> Any:
    return importlib.import_module(rival.module).get_context("fork")


def _nanoseconds(statement: str, scale: Scale, **names: object) -> float:
    """What one execution of a statement takes."""
    count = scale.count(CALLS)
    return min(timeit.repeat(statement, globals=names, number=count, repeat=3)) / count * 1e9


def measure_lock(rival: Rival, scale: Scale) -> float:
    """Nanoseconds of `acquire` and `release`."""
    lock = _context(rival).Lock()
    return _nanoseconds("lock.acquire(); lock.release()", scale, lock=lock)


def measure_with(rival: Rival, scale: Scale) -> float:
    """Nanoseconds of an empty `with`."""
    return _nanoseconds("with lock: pass", scale, lock=_context(rival).Lock())


def measure_value(rival: Rival, scale: Scale) -> float:
    """Nanoseconds of a locked increment."""
    value = _context(rival).Value("i", 0)
    return _nanoseconds("with value.get_lock(): value.value += 1", scale, value=value)


def measure_atomic(rival: Rival, scale: Scale) -> float:
    """Nanoseconds of an increment without a lock."""
    if rival.module != "manyhands":
        raise Unsupported("has no atomic numbers")
    module = importlib.import_module("manyhands.synchronize")
    return _nanoseconds("number.add(1)", scale, number=module.Atomic(0))


def _together(here: Callable[[], None], there: Callable[[], None]) -> float:
    """Seconds that `here` takes while a forked process runs `there`."""
    pid = os.fork()
    if pid == 0:
        there()
        os._exit(0)
    seconds = timing.duration(here)
    os.waitpid(pid, 0)
    return seconds


def measure_event(rival: Rival, scale: Scale) -> float:
    """Microseconds of a round trip over two events."""
    context, rounds = _context(rival), scale.count(ROUNDS)
    ping, pong = context.Event(), context.Event()

    def here() -> None:
        for _ in range(rounds):
            ping.set()
            pong.wait()
            pong.clear()

    def there() -> None:
        for _ in range(rounds):
            ping.wait()
            ping.clear()
            pong.set()

    return _together(here, there) / rounds * 1e6


def measure_condition(rival: Rival, scale: Scale) -> float:
    """Microseconds of a round trip over one condition and a shared turn."""
    context, rounds = _context(rival), scale.count(ROUNDS)
    condition, turn = context.Condition(), context.RawValue("i", 0)

    def side(mine: int) -> None:
        with condition:
            for _ in range(rounds):
                while turn.value != mine:
                    condition.wait()
                turn.value = 1 - mine
                condition.notify()

    return _together(partial(side, 0), partial(side, 1)) / rounds * 1e6


def measure_barrier(rival: Rival, scale: Scale) -> float:
    """Rounds a second."""
    rounds = scale.count(ROUNDS)
    barrier = _context(rival).Barrier(2)

    def side() -> None:
        for _ in range(rounds):
            barrier.wait()

    return rounds / _together(side, side)


def _subject(name: str, title: str, measure: Measure, goal: tuple[float, str]) -> Subject:
    return Subject(
        name=name,
        title=title,
        unit=goal[1],
        measure=measure,
        rivals=("multiprocessing", "manyhands"),
        goals={"manyhands": goal[0]},
        more_is_better=goal[1].endswith("/s"),
        section=SECTION,
    )


SUBJECTS = (
    _subject("lock", "`Lock`: acquire and release", measure_lock, (83, "ns")),
    _subject("lock_with", "`with lock`, empty", measure_with, (200, "ns")),
    _subject("event", "`Event`: round trip", measure_event, (8, "µs")),
    _subject("condition", "`Condition`: round trip", measure_condition, (12, "µs")),
    _subject("barrier", "`Barrier` of 2", measure_barrier, (80_000, "rounds/s")),
    _subject("value", "locked `Value += 1`", measure_value, (400, "ns")),
    _subject("atomic", "`Atomic.add(1)`", measure_atomic, (60, "ns")),
)

if __name__ == "__main__":
    cli.main(SUBJECTS)
