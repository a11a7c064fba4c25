"""What the GIL does: the same pure Python work, serial, by threads and by processes.

Threads take turns at one lock, the GIL, so on CPU-bound work they are no faster than one thread
(on a free-threaded build of Python they are). Processes have an interpreter each and use every
core. How much is gained by processes depends on how many cores are free.

    python examples/gil.py [how far to count primes]
"""

import multiprocessing
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import manyhands as mp

PIECES = 64


def count_primes(bounds):
    """How many primes lie in a range, by trial division: plain Python, no waiting, no C."""
    first, last = bounds
    return sum(
        all(number % divisor for divisor in range(2, int(number**0.5) + 1))
        for number in range(max(first, 2), last)
    )


def pieces(limit):
    """Cut the numbers below `limit` into ranges of about the same length."""
    edges = [limit * piece // PIECES for piece in range(PIECES + 1)]
    return list(pairwise(edges))


def by_threads(work, workers):
    with ThreadPoolExecutor(workers) as threads:
        return list(threads.map(count_primes, work))


def by_multiprocessing(work, workers):
    with multiprocessing.Pool(workers) as pool:
        return pool.map(count_primes, work)


def by_manyhands(work, workers):
    with mp.Pool(workers) as pool:
        return pool.map(count_primes, work)


def main():
    work = pieces(int(sys.argv[1]) if len(sys.argv) > 1 else 600_000)
    workers = mp.cpu_count()
    ways = {
        "serial": lambda: list(map(count_primes, work)),
        f"{workers} threads": lambda: by_threads(work, workers),
        f"multiprocessing, {workers} workers": lambda: by_multiprocessing(work, workers),
        f"manyhands, {workers} workers": lambda: by_manyhands(work, workers),
    }
    serial = None
    for name, run in ways.items():
        begin = time.perf_counter()
        primes = sum(run())
        seconds = time.perf_counter() - begin
        serial = serial or seconds
        print(f"{name:27} {primes} primes {seconds:8.2f} s {serial / seconds:6.2f} times")


if __name__ == "__main__":
    main()
