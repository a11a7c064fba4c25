"""How one figure is taken: a rate, a latency, a duration. Monotonic clock, no statistics beyond
p50.
"""

import statistics
import time
from collections.abc import Callable

# The step by which a rate's sample may grow from one attempt to the next.
GROWTH = 10.0


def duration(work: Callable[[], object]) -> float:
    """Seconds that one call of `work` takes."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def rate(work: Callable[[int], object], seconds: float, first: int = 1_000) -> float:
    """Items per second of `work(n)`, with `n` grown until a call lasts at least `seconds`.

    Only the last call counts: the earlier ones start workers and fill caches.
    """
    count = first
    while True:
        begin = time.perf_counter()
        work(count)
        elapsed = time.perf_counter() - begin
        if elapsed >= seconds:
            return count / elapsed
        count = int(count * min(GROWTH, 1.2 * seconds / elapsed)) + 1


def median_latency(call: Callable[[], object], calls: int, pause: float = 0.0) -> float:
    """The median of `calls` single calls in seconds, each after a sleep of `pause` seconds."""
    samples = []
    for _ in range(calls):
        if pause:
            time.sleep(pause)
        begin = time.perf_counter()
        call()
        samples.append(time.perf_counter() - begin)
    return statistics.median(samples)
