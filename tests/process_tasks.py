"""What the processes of tests/process do: importable, so that every start method finds it."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

import manyhands

SLEEP = 120.0  # longer than any test; what sleeps is killed


def write(path, *values):
    """Tell the test something: a line of JSON, written at once."""
    with Path(path).open("a") as file:
        file.write(json.dumps(values) + "\n")


def lines(path):
    """What has been told so far."""
    path = Path(path)
    text = path.read_text() if path.exists() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def tell_arguments(path, *args, **kwargs):
    write(path, args, kwargs)


def tell_identity(path):
    own, parent = manyhands.current_process(), manyhands.parent_process()
    write(path, os.getpid(), own.pid, own.name, own.daemon, bytes(own.authkey).hex())
    write(path, parent.pid, parent.name, parent.is_alive(), manyhands.get_start_method())


def tell_surroundings(path):
    umask = os.umask(0)
    os.umask(umask)
    write(path, str(Path.cwd()), list(sys.path), list(sys.argv), umask, os.getpgrp())
    write(path, sys.stdin.read(), Path("/proc/self/fd/0").readlink().name)


def tell_environment(path, *names):
    write(path, *[os.environ.get(name) for name in names])


def tell_early(path):
    """What a module of the program found when it was imported."""
    import reads_environment

    write(path, reads_environment.found)


def print_both(out, err):
    print(out)
    print(err, file=sys.stderr)


def fail():
    raise LookupError("what went wrong")


def leave(code):
    sys.exit(code)


def leave_hard(code):
    os._exit(code)


def end_by(number):
    os.kill(os.getpid(), number)
    time.sleep(SLEEP)


def sleep_on(path):
    write(path, os.getpid())
    time.sleep(SLEEP)


def sleep_until_interrupted(path):
    try:
        write(path, os.getpid())
        time.sleep(SLEEP)
    except KeyboardInterrupt:
        write(path, "interrupted")
        raise
    finally:
        write(path, "finally")


def ignore_sigterm(path):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sleep_on(path)


def send_and_release(sock, lock):
    sock.sendall(b"hello")
    assert lock.acquire(timeout=SLEEP)


def start_child(path, method):
    """Have a child of one's own, which tells too."""
    child = manyhands.get_context(method).Process(target=tell_identity, args=(path,))
    child.start()
    child.join()
    write(path, child.exitcode)


def start_sleeper(path, method, options):
    """Have a child that sleeps, and sleep."""
    child = manyhands.get_context(method).Process(target=sleep_on, args=(path,), **options)
    child.start()
    sleep_on(path)


def try_child_of_daemon(path):
    try:
        manyhands.Process(target=print).start()
    except AssertionError as error:
        write(path, str(error))


def fork_without_warning(path):
    import warnings

    warnings.simplefilter("error")
    pid = os.fork()
    if pid == 0:
        os._exit(3)
    write(path, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


class Told(manyhands.Process):
    """A subclass with state and a `run` of its own."""

    def __init__(self, path, value):
        super().__init__(name="Teller")
        self.path = path
        self.value = value

    def run(self):
        write(self.path, self.name, self.value)
        self.value = "changed in the child"
