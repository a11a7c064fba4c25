"""Tasks that wait: for locks, for each other, for nothing."""

from __future__ import annotations

import contextlib
import os
import signal
import time


def hold_then_wait(first, second, both, x):
    """Half of a deadlock."""
    with first:
        both.wait(20)
        second.acquire(timeout=25)
    return x


def get_then_put(source, target, both):
    """Half of a deadlock by queues: each waits for what the other one would put."""
    both.wait(20)
    target.put(source.get())


def wait_for_event(event, started):
    started.set()
    event.wait(30)


def sleep_until(event, _x):
    while not event.is_set():
        time.sleep(0.01)


def echo_after(item):
    event, value = item
    event.wait(30)
    return value


def reset_signals(log, event):
    """Give every signal its default, as programs do that end by them."""
    for number in range(1, signal.NSIG):
        with contextlib.suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_DFL)
    log.write_text("reset")
    event.wait(30)
    return "done"


def become_another_program(log):
    log.write_text(str(os.getpid()))
    script = f"while [ -e '{log}' ]; do sleep 0.02; done; exit 7"
    os.execv("/bin/sh", ["sh", "-c", script])  # noqa: S606 - that is what is tried
