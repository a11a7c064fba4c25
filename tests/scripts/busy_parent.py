"""A program with fifty busy threads, which opens and closes pools beside them.

    python busy_parent.py METHOD POOLS

The threads hold locks, log, allocate and import, so that at any moment some of them are in the
middle of it: what a fork of such a program would find. It prints how many pools it has opened.
"""

import logging
import os
import random
import sys
import threading
import time

import manyhands as mp

LOCKS = [threading.Lock() for _ in range(5)]
stop = threading.Event()


def work(x):
    # What a fork would find locked: logging, the allocator, the files.
    logging.getLogger("busy.worker").info("item %d", x)
    return x * x, len(bytes(100_000) + b"x" * x)


def be_busy(number):
    dice, kept = random.Random(number), []
    log = logging.getLogger(f"busy.{number}")
    while not stop.is_set():
        with LOCKS[number % len(LOCKS)]:
            log.info("thread %d has %d blocks", number, len(kept))
            kept = [bytes(dice.randrange(100_000)) for _ in range(20)]
            time.sleep(dice.uniform(0, 0.002))
        sys.stdout.flush()
        time.sleep(dice.uniform(0, 0.02))


def main(method, pools):
    logging.basicConfig(filename=os.devnull, level=logging.INFO)
    threads = [threading.Thread(target=be_busy, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for number in range(pools):
        with mp.Pool(2, context=method) as pool:
            got = pool.map(work, range(4), 1)
            assert [y for y, _ in got] == [0, 1, 4, 9], got
            if number % 3 == 0:
                assert list(pool.imap(abs, [-1, -2])) == [1, 2]
            if number % 5 == 0:
                pool.terminate()
    stop.set()
    for thread in threads:
        thread.join()
    print(pools, "pools")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
