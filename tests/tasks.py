"""Functions that the tests run in workers. They live in an importable module on purpose: they
travel by reference. Coordination goes by files, so that no test depends on time.
"""

# ruff: noqa: PLW0603 - what a worker keeps in globals is what many tests are about

from __future__ import annotations

import enum
import functools
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

LIMIT = 50.0

state = None  # what initializers set
inits = 0  # how often an initializer has run in this process


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Number(int):
    pass


class Real(float):
    pass


class Text(str):
    __slots__ = ()


class Blob(bytes):
    __slots__ = ()


class Point:
    def __init__(self, x, y):
        self.x, self.y = x, y

    def __eq__(self, other):
        return isinstance(other, Point) and (self.x, self.y) == (other.x, other.y)

    def __hash__(self):
        return hash((self.x, self.y))

    def __repr__(self):
        return f"Point({self.x!r}, {self.y!r})"

    def plus(self, dx):
        return Point(self.x + dx, self.y)


class OwnError(Exception):
    """An exception with arguments that differ from its message."""

    def __init__(self, code, detail):
        super().__init__(code, detail)
        self.code, self.detail = code, detail


class Adder:
    def __init__(self, n):
        self.n = n

    def __call__(self, x):
        return x + self.n


def identity(x):
    return x


@functools.lru_cache
def cached(x):
    return x


def square(x):
    return x * x


def add(a, b):
    return a + b


def keywords(*args, **kwds):
    return args, kwds


def boom(x):
    raise ValueError(f"item {x}")


def boom_on(x, bad):
    if x == bad:
        raise ValueError(f"item {x}")
    return x


def boom_on_multiple(x, of):
    if x % of == 0:
        raise ValueError(f"item {x}")
    return x


def own_error(x):
    raise OwnError(x, "detail")


def chained(x):
    try:
        {}[x]
    except KeyError as error:
        raise OwnError(x, "chained") from error


def noted(x):
    error = ValueError(x)
    error.add_note("a note of the task")
    raise error


def raise_it(error):
    raise error


def return_it(error):
    return error


def pid(_=None):
    return os.getpid()


def thread(_=None):
    return threading.get_ident()


def place(_=None):
    """Where this runs: process and thread."""
    return os.getpid(), threading.get_ident()


# Files as signals.


def touch(path):
    Path(path).touch()


def await_file(path):
    deadline = time.monotonic() + LIMIT
    while not Path(path).exists():
        if time.monotonic() > deadline:
            raise TimeoutError(f"nobody made {path}")
        time.sleep(0.002)


def hold(started, release):
    """Say that the task runs, then wait for leave to end."""
    touch(started)
    await_file(release)
    return "held"


def meet(directory, number, total):
    """Return only when `total` tasks are here at the same time: the place of this one."""
    touch(Path(directory, f"here-{number}"))
    for other in range(total):
        await_file(Path(directory, f"here-{other}"))
    return place()


def note(path, x):
    """Leave a line in a journal: one write, so lines of several workers do not mix."""
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(fd, f"{x}\n".encode())
    finally:
        os.close(fd)
    return x


def note_place(path, x):
    note(path, f"{x} {os.getpid()}/{threading.get_ident()}")
    return x


def note_and_boom(path, x, bad):
    """Journal the item; the bad one raises, the others take a moment."""
    note(path, x)
    if x == bad:
        raise ValueError(f"item {x}")
    time.sleep(0.01)
    return x


# Initializers.


def set_state(value):
    global state, inits
    state = value
    inits += 1


def get_state(_=None):
    return state


def get_inits(_=None):
    return inits


def init_boom(message):
    raise OwnError(7, message)


# Deaths.


def kill_self(number):
    os.kill(os.getpid(), number)
    time.sleep(LIMIT)


def exit_hard(code):
    os._exit(code)


def exit_soft(code):
    sys.exit(code)


def segfault(_=None):
    import faulthandler

    faulthandler._sigsegv()


def read_null(_=None):
    import ctypes

    ctypes.string_at(0)


def abort(_=None):
    os.abort()


def die_on(x, bad, how, detail):
    """`how(detail)` for the item `bad`."""
    if x == bad:
        how(detail)
    return x


def note_and_die_on(path, x, bad):
    note(path, x)
    if x == bad:
        os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(LIMIT)
    return x


def large(size):
    return os.urandom(1) * size


class DiesWhenPickled:
    """A result whose worker dies while the result is encoded."""

    def __reduce__(self):
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("still alive")


def dies_when_pickled(_=None):
    return [b"x" * 10_000_000, DiesWhenPickled()]


# The worker itself.


def environment(name):
    return os.environ.get(name)


def worker_identity(_=None):
    import manyhands

    me = manyhands.worker()
    return (me.id, me.pid, me.name) if me is not None else None


def faulthandler_on(_=None):
    import faulthandler

    return faulthandler.is_enabled()


def start_own_pool(n):
    import manyhands

    with manyhands.Pool(2) as pool:
        return pool.map(square, range(n))


def multiply(a, b):
    return a * b


def wait_if(path, x, condition):
    """Wait for the file if `condition`; return `x`."""
    if condition:
        await_file(path)
    return x


def first_waits_third_fails(x, failed, release):
    """Item 3 fails at once; item 0 ends only after leave."""
    if x == 0:
        await_file(release)
    if x == 3:
        touch(failed)
        raise ValueError(f"item {x}")
    return x


def wait_then_boom(path):
    await_file(path)
    raise OwnError(9, "late")


def meet_identity(directory, number, total):
    """As `meet`, but return who the worker is."""
    meet(directory, number, total)
    return worker_identity()


def zero_waits_for_all(log, x, total):
    """Item 0 waits until all others have left a line in the journal."""
    if x == 0:
        deadline = time.monotonic() + LIMIT
        while not log.exists() or len(log.read_text().splitlines()) < total - 1:
            if time.monotonic() > deadline:
                raise TimeoutError("the others never came")
            time.sleep(0.005)
    else:
        note(log, x)
    return x


def sleep_and_place(x, seconds):
    time.sleep(seconds)
    return place()


def die_after_return():
    """Return the worker's pid, and let it be killed a moment after the task has ended."""
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGKILL)).start()
    return os.getpid()


def note_place_slowly(path, x):
    note_place(path, x)
    time.sleep(0.002)
    return x


def start_child(path):
    child = subprocess.Popen(["sleep", str(LIMIT)], stdin=subprocess.DEVNULL)
    note(path, child.pid)


def start_child_and_die(path):
    start_child(path)
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(LIMIT)


def start_child_and_wait(path):
    start_child(path)
    time.sleep(LIMIT)


def note_and_raise(log):
    note(log, os.getpid())
    raise OwnError(1, "init")


def note_and_exit(log):
    note(log, os.getpid())
    os._exit(5)


def init_only_once(path):
    """Works in the first worker, fails in every later one."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        raise OwnError(8, "not the first") from None


def note_pid_and_wait(log, release):
    note(log, os.getpid())
    await_file(release)


def refuse_to_load():
    raise ValueError("bad when loaded")


class BadWhenLoaded:
    def __reduce__(self):
        return refuse_to_load, ()


class DiesWhenLoaded:
    def __reduce__(self):
        return os._exit, (11,)


model = None


def load_model(log, weight):
    global model
    note(log, os.getpid())
    model = {"weight": weight}


def predict(x):
    return model["weight"] * x


def alone(directory):
    """An initializer that notes when another worker of the pool is still alive."""
    for former in Path(directory).glob("pid-*"):
        pid = int(former.name[4:])
        if pid != os.getpid() and alive(pid):
            note(Path(directory, "overlaps"), f"{os.getpid()} starts while {pid} lives")
    touch(Path(directory, f"pid-{os.getpid()}"))


def alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


counted = 0


def count_up():
    global counted
    counted += 1
    return counted


def parent_pid(_=None):
    return os.getppid()


def worker_in_a_fork():
    """What `worker()` is in a process that the worker itself has forked."""
    import manyhands

    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, repr(manyhands.worker()).encode())
        os._exit(0)
    os.close(write)
    os.waitpid(child, 0)
    answer = os.read(read, 1000).decode()
    os.close(read)
    return answer


def fork_and_wait(x):
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return x
