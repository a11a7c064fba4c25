"""What processes that wait for each other cost: at rest, after a rest, and with too few cores.

- waiting: processor time a second of one process each that waits in `Queue.get`, `Event.wait`,
  `Condition.wait`, `Barrier.wait` and `Connection.recv`, all five together. A waiter may spin for
  some tens of microseconds; then it sleeps, and looks after 1.6 s at the latest whether it was
  forgotten by a process that was killed. At most a thousandth of a core for all of them.
- waiting_bare: the same of five processes that only sleep, 1.6 s at a time: what the machine takes
  for such wakes, without anybody's waiting.
- waiting_lock: the same of one that waits for a lock: it looks every 50 ms whether the owner is
  alive, so that a dead one is found.
- rest: the round trip of a conversation after 20 ms of silence, when both sides and both cores
  have gone to sleep, over a pipe and over two queues.
- crowded: the round trip of one conversation while two others go on, all confined to 2 cores.

All sides are forked and inherit what they talk through.
"""

import contextlib
import importlib
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import cli
import harness
import processes
import timing
from harness import Measure, Scale, Subject
from rivals import Rival

CORES = 2
REST_SECONDS = 0.02
SETTLE_SECONDS = 4.0
WATCH_SECONDS = 5.0
LONGEST_SLICE_SECONDS = 1.6
ROUNDS = 5_000
RESTS = 100
SECTION = "Conversations at rest, after a rest, with too few cores"
Ends = tuple[Callable[[Any], object], Callable[[], Any]]


@contextlib.contextmanager
def _forked(*targets: Callable[[], object]) -> Iterator[list[int]]:
    """Processes that run the targets and are killed at the end."""
    pids = []
    for target in targets:
        pid = os.fork()
        if pid == 0:
            with contextlib.suppress(BaseException):
                target()
            os._exit(1)
        pids.append(pid)
    try:
        yield pids
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def _context(rival: Rival) -> Any:
    return importlib.import_module(rival.module).get_context("fork")


def _wait_for_notice(condition: Any) -> None:
    with condition:
        condition.wait()


def measure_waiting(rival: Rival, scale: Scale) -> float:
    """Microseconds of processor time that five waiters use in a second."""
    context = _context(rival)
    ours, theirs = context.Pipe()
    targets = (
        context.Queue().get,
        context.Event().wait,
        partial(_wait_for_notice, context.Condition()),
        context.Barrier(2).wait,
        theirs.recv,
    )
    used = _used_by(targets, scale)
    ours.close()
    return used


def _sleep_forever() -> None:
    while True:
        time.sleep(LONGEST_SLICE_SECONDS)


def measure_waiting_bare(_: Rival, scale: Scale) -> float:
    """Microseconds of processor time that five processes use in a second which only sleep."""
    return _used_by((_sleep_forever,) * 5, scale)


def measure_waiting_lock(rival: Rival, scale: Scale) -> float:
    """Microseconds of processor time that who waits for a lock uses in a second."""
    held = _context(rival).Lock()
    held.acquire()
    return _used_by((held.acquire,), scale)


def _used_by(targets: Sequence[Callable[[], object]], scale: Scale) -> float:
    settle, watch = (part / (10 if scale.quick else 1) for part in (SETTLE_SECONDS, WATCH_SECONDS))
    with _forked(*targets) as pids:
        time.sleep(settle)
        before = processes.processor_seconds(pids)
        time.sleep(watch)
        used = processes.processor_seconds(pids) - before
        if any(os.waitpid(pid, os.WNOHANG)[0] for pid in pids):
            raise RuntimeError("a waiter has ended")
    return used / watch * 1e6


def _pipe(context: Any) -> tuple[Ends, Ends]:
    ours, theirs = context.Pipe()
    return (ours.send, ours.recv), (theirs.send, theirs.recv)


def _queues(context: Any) -> tuple[Ends, Ends]:
    there, back = context.Queue(), context.Queue()
    return (there.put, back.get), (back.put, there.get)


def _echo(ends: Ends) -> None:
    send, receive = ends
    while True:
        send(receive())


def _call_forever(ends: Ends) -> None:
    send, receive = ends
    while True:
        send(1)
        receive()


def _median_call(ends: Ends, calls: int, rest: float = 0.0) -> float:
    send, receive = ends

    def call() -> None:
        send(1)
        receive()

    call()
    return timing.median_latency(call, calls, rest) * 1e6


def measure_rest(connect: Callable[[Any], tuple[Ends, Ends]], rival: Rival, scale: Scale) -> float:
    """Microseconds of the median round trip, each after a rest."""
    ours, theirs = connect(_context(rival))
    with _forked(partial(_echo, theirs)):
        return _median_call(ours, scale.count(RESTS), REST_SECONDS)


def measure_crowded(
    connect: Callable[[Any], tuple[Ends, Ends]], rival: Rival, scale: Scale
) -> float:
    """Microseconds of the median round trip, beside two other conversations."""
    harness.pin_to_cores(CORES)
    context = _context(rival)
    pairs = [connect(context) for _ in range(3)]
    ours, theirs = pairs.pop()
    sides = [
        partial(side, ends)
        for pair in pairs
        for side, ends in zip((_call_forever, _echo), pair, strict=True)
    ]
    with _forked(partial(_echo, theirs), *sides):
        return _median_call(ours, scale.count(ROUNDS))


def _subject(name: str, title: str, measure: Measure, **more: Any) -> Subject:
    rivals = {"rivals": ("multiprocessing", "manyhands")}
    return Subject(
        name=name, title=title, unit="µs", measure=measure, section=SECTION, **(rivals | more)
    )


SUBJECTS = (
    _subject(
        "waiting",
        "processor time of five waiters, each second",
        measure_waiting,
        goals={"manyhands": 1000},
    ),
    _subject(
        "waiting_bare",
        "the same of five that only sleep",
        measure_waiting_bare,
        rivals=("manyhands",),
    ),
    _subject("waiting_lock", "the same of who waits for a lock", measure_waiting_lock),
    _subject("rest_pipe", "`Pipe`: after 20 ms of rest", partial(measure_rest, _pipe)),
    _subject("rest_queue", "two `Queue`s: after 20 ms of rest", partial(measure_rest, _queues)),
    _subject("crowded_pipe", "`Pipe`: 3 talk at once", partial(measure_crowded, _pipe)),
    _subject("crowded_queue", "`Queue`s: 3 talk at once", partial(measure_crowded, _queues)),
)

if __name__ == "__main__":
    cli.main(SUBJECTS)
