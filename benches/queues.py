"""Queues between processes: small ints and 1 MB `bytes`, from producers to consumers.

All processes are forked and find the queue made, so that start methods play no part. The clock runs
from the first put to the moment when the last consumer has taken its share.

- queue, simple_queue: one producer, one consumer, `put` and `get`;
- queue_many: the same with `put_many` and `get_many`, a thousand at once;
- queue_2x2: two producers and two consumers;
- queue_bounded: one and one, with a `maxsize` of 100, so that each waits for the other;
- queue_1mb: `bytes` of 1 MB, with a `maxsize` of 8 where the library has one.
"""

import importlib
import os
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import cli
import rivals
from harness import Measure, Scale, Subject
from rivals import Rival, Unsupported

SECTION = "Queues"
ITEMS = 400_000
SLOW_ITEMS = 60_000  # for the rivals, which would take too long otherwise
BLOCKS = 2_000
SLOW_BLOCKS = 300
MEGABYTE = 1_000_000
BATCH = 1_000
PATIENCE = 60.0


def _make(rival: Rival, kind: str, maxsize: int = 0) -> Any:
    if rival.name == "faster-fifo":
        if kind == "SimpleQueue":
            raise Unsupported("has no such queue")
        module = importlib.import_module("faster_fifo")
        importlib.import_module("faster_fifo_reduction")
        room = 16 * MEGABYTE if maxsize else 64 * MEGABYTE
        return module.Queue(max_size_bytes=room)
    module = importlib.import_module(f"{rival.module}.queues")
    context = importlib.import_module(rival.module).get_context("fork")
    return (
        module.SimpleQueue(ctx=context)
        if kind == "SimpleQueue"
        else module.Queue(maxsize, ctx=context)
    )


def _run(acts: list[Callable[[], None]]) -> float:
    """Seconds from the moment when all have begun to the end of the last one."""
    begin_read, begin_write = os.pipe()
    pids = []
    for act in acts:
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                os.read(begin_read, 1)
                act()
                code = 0
            finally:
                os._exit(code)
        pids.append(pid)
    begin = time.perf_counter()
    os.write(begin_write, b"x" * len(acts))
    statuses = [os.waitpid(pid, 0)[1] for pid in pids]
    seconds = time.perf_counter() - begin
    os.close(begin_read)
    os.close(begin_write)
    if any(statuses):
        raise RuntimeError(f"a side has failed: {statuses}")
    return seconds


def _close(queue: Any) -> None:
    """The feeder thread of multiprocessing must be done before its process ends by `os._exit`."""
    for name in ("close", "join_thread"):
        if hasattr(queue, name):
            getattr(queue, name)()


def _put(queue: Any, count: int, value: Any) -> None:
    put = queue.put
    for number in range(count):
        put(number if value is None else value)
    _close(queue)


def _get(queue: Any, count: int) -> None:
    get = queue.get
    for _ in range(count):
        get()


def _put_many(queue: Any, count: int) -> None:
    for first in range(0, count, BATCH):
        queue.put_many(list(range(first, min(first + BATCH, count))))


def _get_many(queue: Any, count: int) -> None:
    while count:
        count -= len(queue.get_many(max_messages_to_get=min(count, BATCH)))


def _get_many_of_ours(queue: Any, count: int) -> None:
    while count:
        count -= len(queue.get_many(min(count, BATCH)))


def _items(rival: Rival, scale: Scale) -> int:
    return scale.count(ITEMS if rival.name != "multiprocessing" else SLOW_ITEMS)


def measure_rate(kind: str, maxsize: int, sides: int, rival: Rival, scale: Scale) -> float:
    """Small ints a second."""
    queue = _make(rival, kind, maxsize)
    each = _items(rival, scale) // sides
    acts = [partial(_get, queue, each)] * sides + [partial(_put, queue, each, None)] * sides
    return each * sides / _run(acts)


def measure_many(rival: Rival, scale: Scale) -> float:
    """Small ints a second, a thousand at once."""
    if rival.name == "multiprocessing":
        raise Unsupported("has no such call")
    queue, count = _make(rival, "Queue"), _items(rival, scale)
    take = _get_many if rival.name == "faster-fifo" else _get_many_of_ours
    return count / _run([partial(take, queue, count), partial(_put_many, queue, count)])


def measure_blocks(rival: Rival, scale: Scale) -> float:
    """Gigabytes a second."""
    queue = _make(rival, "Queue", 8)
    count = scale.count(BLOCKS if rival.name != "multiprocessing" else SLOW_BLOCKS)
    block = os.urandom(MEGABYTE)
    seconds = _run([partial(_get, queue, count), partial(_put, queue, count, block)])
    return count * MEGABYTE / seconds / 1e9


def _subject(name: str, title: str, unit: str, measure: Measure, goal: float) -> Subject:
    return Subject(
        name=name,
        title=title,
        unit=unit,
        measure=measure,
        rivals=rivals.QUEUES,
        goals={"manyhands": goal},
        more_is_better=True,
        section=SECTION,
    )


def _rate(kind: str, maxsize: int, sides: int) -> Measure:
    return partial(measure_rate, kind, maxsize, sides)


SUBJECTS = (
    _subject("queue", "`Queue`, 1 and 1, small ints", "items/s", _rate("Queue", 0, 1), 1.5e6),
    _subject(
        "simple_queue", "`SimpleQueue`, the same", "items/s", _rate("SimpleQueue", 0, 1), 1.5e6
    ),
    _subject("queue_many", "the same, `put_many`, `get_many`", "items/s", measure_many, 5e6),
    _subject("queue_2x2", "`Queue`, 2 and 2, small ints", "items/s", _rate("Queue", 0, 2), 1e6),
    _subject("queue_bounded", "`Queue(100)`, 1 and 1", "items/s", _rate("Queue", 100, 1), 0.5e6),
    _subject("queue_1mb", "`Queue`, 1 MB `bytes`", "GB/s", measure_blocks, 4),
)

if __name__ == "__main__":
    cli.main(SUBJECTS)
