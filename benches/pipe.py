"""Pipes: conversations and streams between two processes.

- pipe_ping: the median of single round trips of a small int, one after the other.
- pipe_select: the same, and each side asks `wait` before it receives, so that every message rings.
- pipe_bytes, pipe_objects: how fast 1 MB messages go one way, as bytes and as objects.
- pipe_small: how many small ints go one way.

The other side is forked and inherits its end, so that start methods play no part. It is told when a
stream ends, and answers once it has all: what is still under way does not count.
"""

import importlib
import os
from collections.abc import Callable
from typing import Any

import cli
import timing
from harness import Measure, Scale, Subject
from rivals import Rival

ROUNDS = 20_000
MEGABYTE = 1_000_000
SECTION = "Pipes"


def _pipe(rival: Rival) -> tuple[Any, Any]:
    ends: tuple[Any, Any] = importlib.import_module(f"{rival.module}.connection").Pipe()
    return ends


def _beside(rival: Rival, there: Callable[[Any], None], here: Callable[[Any], float]) -> float:
    """What `here` gives, while a forked process runs `there` at the other end."""
    ours, theirs = _pipe(rival)
    pid = os.fork()
    if pid == 0:
        ours.close()
        there(theirs)
        os._exit(0)
    theirs.close()
    figure = here(ours)
    ours.send(None)
    ours.close()
    os.waitpid(pid, 0)
    return figure


def _echo(connection: Any) -> None:
    while (value := connection.recv()) is not None:
        connection.send(value)


def _wait_of(rival: Rival) -> Callable[[list[Any]], object]:
    wait: Callable[[list[Any]], object]
    wait = importlib.import_module(f"{rival.module}.connection").wait
    return wait


def measure_ping(rival: Rival, scale: Scale) -> float:
    """Microseconds of the median round trip."""

    def here(connection: Any) -> float:
        def call() -> None:
            connection.send(1)
            connection.recv()

        timing.median_latency(call, scale.count(ROUNDS // 4))
        return timing.median_latency(call, scale.count(ROUNDS)) * 1e6

    return _beside(rival, _echo, here)


def measure_select(rival: Rival, scale: Scale) -> float:
    """Microseconds of the median round trip of two that use the `wait` of their module."""
    wait = _wait_of(rival)

    def there(connection: Any) -> None:
        value: Any = True
        while value is not None:
            wait([connection])
            value = connection.recv()
            connection.send(value)

    def here(connection: Any) -> float:
        def call() -> None:
            connection.send(1)
            wait([connection])
            connection.recv()

        return timing.median_latency(call, scale.count(ROUNDS // 4)) * 1e6

    return _beside(rival, there, here)


def _stream(send: str, receive: str, message: Any) -> Measure:
    """Messages a second, one way."""

    def there(connection: Any) -> None:
        while (count := connection.recv()) is not None:
            take = getattr(connection, receive)
            for _ in range(count):
                take()
            connection.send(True)

    def measure(rival: Rival, scale: Scale) -> float:
        def here(connection: Any) -> float:
            def work(count: int) -> None:
                connection.send(count)
                put = getattr(connection, send)
                for _ in range(count):
                    put(message)
                connection.recv()

            return timing.rate(work, scale.seconds, 100)

        return _beside(rival, there, here)

    return measure


def _gigabytes(measure: Measure) -> Measure:
    return lambda rival, scale: measure(rival, scale) * MEGABYTE / 1e9


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


_BYTES = _gigabytes(_stream("send_bytes", "recv_bytes", b"x" * MEGABYTE))
_OBJECTS = _gigabytes(_stream("send", "recv", b"x" * MEGABYTE))
_SMALL = _stream("send", "recv", 1)

SUBJECTS = (
    _subject("pipe_ping", "`Pipe`: ping-pong of a small int, p50", measure_ping, (8, "µs")),
    _subject("pipe_select", "the same with `wait` on both sides", measure_select, (80, "µs")),
    _subject("pipe_bytes", "`send_bytes` of 1 MB", _BYTES, (3, "GB/s")),
    _subject("pipe_objects", "`send` of 1 MB bytes", _OBJECTS, (3, "GB/s")),
    _subject("pipe_small", "`send` of small ints, one way", _SMALL, (500_000, "messages/s")),
)

if __name__ == "__main__":
    cli.main(SUBJECTS)
