"""A counter that several processes raise: wrong without care, right with a lock or an `Atomic`.

`value.value += 1` reads, adds and writes: two processes can read the same number. A lock makes the
three steps one; an `Atomic` needs no lock.

    python examples/counter.py [processes] [additions of each]
"""

import sys
import time

import manyhands as mp


def raise_locked(value, times):
    for _ in range(times):
        with value.get_lock():
            value.value += 1


def raise_atomic(counter, times):
    for _ in range(times):
        counter.add(1)


def run(target, shared, processes, times):
    """How long it takes all of them together, in seconds."""
    workers = [mp.Process(target=target, args=(shared, times)) for _ in range(processes)]
    begin = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return time.perf_counter() - begin


def main():
    processes = int(sys.argv[1]) if len(sys.argv) > 1 else 4
    times = int(sys.argv[2]) if len(sys.argv) > 2 else 100_000
    value, counter = mp.Value("q", 0), mp.Atomic(0)
    locked = run(raise_locked, value, processes, times)
    atomic = run(raise_atomic, counter, processes, times)
    print(f"with a lock:  {value.value} in {locked:.2f} s")
    print(f"as an Atomic: {counter.value} in {atomic:.2f} s")


if __name__ == "__main__":
    main()
