"""An array in shared memory: each process sieves a part of it, and nothing is sent back.

python examples/shared_array.py [up to] [processes]
"""

import math
import sys

import manyhands as mp


def strike(composite, begin, end):
    """Mark the multiples of all numbers up to the root of `end` within this part."""
    for factor in range(2, math.isqrt(end) + 1):
        first = max(factor * factor, -(-begin // factor) * factor)
        for multiple in range(first, end, factor):
            composite[multiple] = 1


def main():
    limit = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    processes = int(sys.argv[2]) if len(sys.argv) > 2 else 2
    composite = mp.Array("b", limit, lock=False)  # parts do not overlap: no lock is needed
    step = -(-limit // processes)
    parts = [(begin, min(begin + step, limit)) for begin in range(2, limit, step)]
    workers = [mp.Process(target=strike, args=(composite, *part)) for part in parts]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    primes = [number for number in range(2, limit) if not composite[number]]
    print(len(primes), "primes, the last one", primes[-1])


if __name__ == "__main__":
    main()
