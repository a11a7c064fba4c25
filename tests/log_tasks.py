"""Tasks that say something: by `logging`, by `warnings`, by exceptions that nobody catches."""

from __future__ import annotations

import logging
import os
import signal
import threading
import warnings

from interrupt_tasks import Interrupts

import manyhands

log = logging.getLogger("app.tasks")
counter = 0


def say(x):
    log.info("item %d", x, extra={"index": x})
    return os.getpid()


def say_interrupting(x):
    log.info("item %d", x, extra={"index": x, "odd": Interrupts("loads")})


def count(x):
    """One more record of this worker, with its number."""
    global counter  # noqa: PLW0603 - each worker has its own
    log.info("%d %d", os.getpid(), counter)
    counter += 1
    return x, os.getpid(), counter


def count_and_die(x):
    number = count(x)
    if x % 7 == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def say_many_and_die(n):
    for number in range(n):
        log.info("number %d of %d %s", number, n, "x" * (number % 50))
    os.kill(os.getpid(), signal.SIGKILL)


def say_numbered(task, n):
    for number in range(n):
        log.info("%d %d %s", task, number, "x" * (number % 60))


def say_at_all_levels(_x):
    for level in (5, logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR):
        log.log(level, "level %d", level)
    return log.isEnabledFor(logging.DEBUG), logging.getLevelName(5)


class Costly:
    def __str__(self):
        raise AssertionError("a record that nobody wants was formatted")


def say_costly(_x):
    log.debug("costly %s", Costly())


class Odd:
    """Cannot be pickled."""

    def __init__(self):
        self.lock = threading.Lock()

    def __repr__(self):
        return "<odd>"

    def __str__(self):
        return "odd text"


def say_odd(_x):
    log.info("with %s and %s", Odd(), 7, extra={"thing": Odd(), "pair": (1, [2])})
    log.info(Odd())
    log.info("%(a)s-%(b)d", {"a": "x", "b": 2})
    log.info("100%")
    try:
        {}["inner"]
    except KeyError:
        log.exception("it failed")
    log.warning("here", stack_info=True)


def warn(x):
    warnings.warn(f"look at {x}", UserWarning, stacklevel=1)


class Private(UserWarning):
    def __init__(self, one, two):
        super().__init__(one, two)


def warn_oddly(_x):
    warnings.warn_explicit(Private(1, 2), Private, "somewhere.py", 12)


def fail_in_a_thread(_x):
    thread = threading.Thread(target=lambda: 1 // 0, name="worker-thread")
    thread.start()
    thread.join()


class Failing:
    def __del__(self):
        raise ValueError("in a finalizer")


def fail_in_a_finalizer(_x):
    Failing()


def configure(level):
    logging.basicConfig(level=level, format="never seen")


def replace_handlers(path):
    logging.basicConfig(filename=path, level=logging.INFO, format="%(message)s", force=True)


def say_in_an_inner_pool(x):
    with manyhands.Pool(1) as pool:
        return pool.map(say, [x])


def say_from_threads(n):
    def run(name):
        for number in range(n):
            log.info("%s %d", name, number)

    threads = [threading.Thread(target=run, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def say_long(n):
    log.info("%s", "y" * n)
    return n
