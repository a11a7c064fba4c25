"""Ctrl-C at random moments of each phase of a program: it ends, with one traceback, and at once.

The short form runs always; the long one, marked `deep`, presses the key MANYHANDS_TEST_INTERRUPTS
times, 200 if not set, through a pseudo-terminal. A program that ends by itself before the key
arrives must have printed nothing.
"""

from __future__ import annotations

import random
import signal
import time

import pytest
from figures import count
from support import LIMIT, run_script, wait_until
from terminal import CTRL_C, Terminal

PROLOGUE = """
import time
import tasks

def work(x):
    time.sleep(0.001)
    return x

def endless():
    while True:
        yield 1

def submit(pool, n):
    return [pool.apply_async(work, (x,)) for x in range(n)]

def prepare():
    time.sleep(0.02)

tasks.touch("ready")
import manyhands as mp
"""

# What the program does, and the seconds after its beginning within which the key is pressed.
PHASES = {
    "start": ("while True:\n    pool = mp.Pool(2)\n    pool.terminate(), pool.join()", 0.5),
    "start by fork": (
        "while True:\n    pool = mp.Pool(2, context='fork')\n    pool.terminate(), pool.join()",
        0.5,
    ),
    "initializer": (
        "while True:\n    with mp.Pool(2, prepare) as pool:\n        pool.map(work, range(4))",
        1.0,
    ),
    "map": ("with mp.Pool(2) as pool:\n    while True:\n        pool.map(work, range(40))", 1.0),
    "imap": ("with mp.Pool(2) as pool:\n    for x in pool.imap(work, endless()):\n        x", 1.0),
    "results": (
        "with mp.Pool(2) as pool:\n    while True:\n        [r.get() for r in submit(pool, 40)]",
        1.0,
    ),
    "idle": ("with mp.Pool(2) as pool:\n    pool.map(work, range(4))\n    time.sleep(1000)", 1.0),
    "close and join": (
        "while True:\n    pool = mp.Pool(2)\n    submit(pool, 50)\n    pool.close(), pool.join()",
        1.0,
    ),
    "end of with": (
        "while True:\n    with mp.Pool(2) as pool:\n        kept = submit(pool, 50)",
        1.0,
    ),
    "exit": (
        "pool = mp.Pool(2)\nkept = pool.map_async(work, range(10**4))\ntasks.touch('last')",
        0.1,
    ),
}
TIMES = -(-count("MANYHANDS_TEST_INTERRUPTS", 200) // len(PHASES))
TRACEBACK = "Traceback (most recent call last)"
CHAINED = "During handling of the above exception, another exception occurred"
# CPython ignores what is raised in the callback that ends an import, and says so. Press again.
SWALLOWED = "Exception ignored in: <function _get_module_lock.<locals>.cb"


def interrupt(directory, phase, dice):
    """Run a program, press the key: how long it took to end, None if it had ended by itself."""
    body, span = PHASES[phase]
    with Terminal(directory, PROLOGUE + body) as terminal:
        sign = directory / ("last" if phase == "exit" else "ready")
        wait_until(sign.exists, lambda: f"it does not begin: {terminal.text}")
        time.sleep(dice.uniform(0, span))
        pressed = []

        def press_if_swallowed():
            if len(pressed) == terminal.text.count(SWALLOWED):
                terminal.press(CTRL_C)
                pressed.append(time.monotonic())

        press_if_swallowed()
        code = terminal.wait_ended(press_if_swallowed)
        took = time.monotonic() - pressed[-1]
        text = terminal.text
    if phase == "exit" and text == "" and code in (0, -signal.SIGINT):
        # It had ended, or was so far that the interpreter handles no signals any more.
        return took if code else None
    # It may come in an `except` block of the standard library, which the traceback then shows, too.
    assert text.count(TRACEBACK) - text.count(CHAINED) == len(pressed), text
    assert text.count("KeyboardInterrupt") == len(pressed), text
    assert code == -signal.SIGINT or (phase == "exit" and code == 0), (code, text)
    return took


def press(directory, phase, times):
    seed = random.randrange(2**32)
    print(f"\n{phase}: seed {seed}")
    dice, took = random.Random(seed), []
    for number in range(times):
        place = directory / str(number)
        place.mkdir()
        took.append(interrupt(place, phase, dice))
    ended = sorted(seconds for seconds in took if seconds is not None)
    assert all(seconds < LIMIT / 2 for seconds in ended)
    if ended:
        print(
            f"{times} times, {times - len(ended)} after its end; seconds: "
            f"median {ended[len(ended) // 2]:.3f}, longest {ended[-1]:.3f}"
        )


@pytest.mark.parametrize("phase", PHASES)
def test_ctrl_c_at_a_random_moment(tmp_path, phase):
    press(tmp_path, phase, 1)


@pytest.mark.deep
@pytest.mark.timeout(900)
@pytest.mark.parametrize("phase", PHASES)
def test_ctrl_c_at_many_random_moments(tmp_path, phase):
    press(tmp_path, phase, TIMES)


def test_an_interrupt_while_the_thread_of_the_records_starts(tmp_path):
    outcome = run_script(
        tmp_path,
        """
        import signal
        import threading
        import manyhands as mp
        from manyhands import _logs

        start = threading.Thread.start

        def interrupted(thread):
            start(thread)
            if thread.name == "manyhands-logs":
                signal.raise_signal(signal.SIGINT)

        threading.Thread.start = interrupted
        # What a shell starts in its background ignores it.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            mp.Pool(2).map(abs, [-1])
        except KeyboardInterrupt:
            print("interrupted, and", _logs._delivery is not None)
        with mp.Pool(2) as pool:
            print(pool.map(abs, [-1]))
        """,
    )
    assert outcome.lines == ["interrupted, and True", "[1]"], outcome.err
