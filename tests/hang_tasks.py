"""Tasks that do not come back, each in its own way, and what they answer otherwise."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import threading
import time
from pathlib import Path

FOREVER = 600  # seconds; every test is over before


def python(x):
    """Hangs in Python: an interrupt ends it."""
    while True:
        x = x + 1


def sleep(x):
    """Hangs in a system call: an interrupt ends it."""
    time.sleep(FOREVER)


def ignore(x):
    """Ignores SIGINT: it has to be ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        time.sleep(0.01)


def swallow(x):
    """Catches whatever is raised in it."""
    while True:
        try:
            time.sleep(FOREVER)
        except BaseException:  # noqa: S112 - that is how such programs go wrong
            continue


def library(x):
    """Hangs in C, with the GIL, and all signals blocked."""
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    ctypes.PyDLL(None).sleep(FOREVER)


def threads(x):
    """Hangs with a thread of its own."""
    thread = threading.Thread(target=_aside, daemon=True)
    thread.start()
    while True:
        time.sleep(0.01)


def _aside():
    time.sleep(FOREVER)


HANGS = {task.__name__: task for task in (python, sleep, ignore, swallow, library)}


def slowly(seconds, x):
    """Comes back, after a while."""
    time.sleep(seconds)
    return x


def answer(x):
    """What an item gives that does not hang."""
    return 3 * x + 1


def one(x, how, which, log=None):
    """Item `which` hangs, the others answer; each notes that it ran."""
    if log is not None:
        note(log, x)
    return HANGS[how](x) if x == which else answer(x)


def star(x, how):
    return HANGS[how](x) if how else answer(x)


def mixed(x):
    """1 % hang in C, 1 % in Python, 1 % ignore signals."""
    match x % 100:
        case 7:
            library(x)
        case 37:
            python(x)
        case 67:
            ignore(x)
    return answer(x)


def note(log, *words):
    """Append one line, in one write."""
    with Path(log).open("a", encoding="ascii") as file:
        file.write(" ".join(map(str, words)) + "\n")


def clean_up(log):
    """Is interrupted and cleans up."""
    try:
        note(log, "began", os.getpid())
        time.sleep(FOREVER)
    finally:
        note(log, "cleaned", os.getpid())


def late(seconds):
    """Comes back by itself when it is interrupted, with a value."""
    try:
        time.sleep(FOREVER)
    except KeyboardInterrupt:
        return "late"


def parent(path):
    """Has a child, and ignores SIGINT."""
    child = subprocess.Popen(["sleep", str(FOREVER)])
    Path(path).write_text(str(child.pid), encoding="ascii")
    ignore(path)


def pid_after(seconds):
    time.sleep(seconds)
    return os.getpid()


def pid(x=None):
    return os.getpid()


def hold(started, release, value="held"):
    """Says that it runs and waits for leave to end."""
    Path(started).touch()
    while not Path(release).exists():
        time.sleep(0.005)
    return value


def fail_first(log, times, kind="error"):
    """Fails so many times in its own way, then answers how often it ran."""
    note(log, os.getpid())
    ran = len(Path(log).read_text(encoding="ascii").splitlines())
    if ran <= times:
        if kind == "error":
            raise ConnectionError(f"attempt {ran}")
        if kind == "death":
            os.kill(os.getpid(), signal.SIGKILL)
        HANGS[kind](ran)
    return ran


def flaky(folder, x, times=1, kind="error"):
    """Each seventh item fails so many times in its own way; all answer in the end."""
    log = Path(folder) / str(x)
    note(log, os.getpid())
    if x % 7 == 3 and len(log.read_text(encoding="ascii").splitlines()) <= times:
        if kind == "death":
            os.kill(os.getpid(), signal.SIGKILL)
        raise ConnectionError(f"item {x}")
    return answer(x)


def fail_with(log, data, lock):
    """Dies at the first attempt, with a large argument and a lock."""
    if fail_first(log, 1, "death"):
        with lock:
            return len(data), True
    return None
