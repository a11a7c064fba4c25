"""What the tests share: waiting for a condition, looking at processes, running scripts.

Nothing here measures time. A limit only turns a hang into a failure, and is generous.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import subprocess
import sys
import textwrap
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

import pytest

from manyhands import _native

TESTS = Path(__file__).resolve().parent
# Every process that descends from this one carries the mark in its environment, even one that was
# orphaned: how leftovers are found.
MARK = "MANYHANDS_TEST_RUN"

LIMIT = 30.0  # seconds after which a wait is called a hang

parallel = pytest.mark.parametrize("kind", ["process", "thread"], indirect=True)
processes = pytest.mark.parametrize("kind", ["process"], indirect=True)
local = pytest.mark.parametrize("kind", ["thread", "serial"], indirect=True)


def wait_until(predicate, what, limit=LIMIT):
    """Wait until `predicate()` is true and return its value; fail with `what` after `limit`."""
    deadline = time.monotonic() + limit
    while not (value := predicate()):
        if time.monotonic() > deadline:
            pytest.fail(f"not within {limit} s: {what() if callable(what) else what}")
        time.sleep(0.005)
    return value


def holds_once(check, times=5):
    """Try `check(turn)` until it holds: what is promised of a task that gets on within its grace.

    That is 0.3 s; a machine with other work to do may not run the task at all for so long.
    """
    for turn in range(times - 1):
        try:
            return check(turn)
        except AssertionError:
            continue
    return check(times - 1)


def named_objects():
    """What is in shared memory by name, and what the kernel knows of System V."""
    found = {path.name for path in Path("/dev/shm").iterdir()}  # noqa: S108 - looked at only
    for kind in ("sem", "shm", "msg"):
        table = Path("/proc/sysvipc", kind)
        rows = table.read_text().splitlines()[1:] if table.exists() else []
        found |= {(kind, *row.split()[:2]) for row in rows}
    return found


def assert_no_names(before):
    """Nothing is left that was not in `before`. What is new may be another test's: then it goes."""
    new = named_objects() - before
    wait_until(lambda: not new & named_objects(), lambda: f"left: {new & named_objects()}")


def gone(pid):
    """Whether process `pid` has ended and been reaped, or only waits to be reaped."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return stat.rpartition(")")[2].split()[0] in "ZX"


def state_of(pid):
    """The letter of the process's state in /proc, None if there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return None


def all_pids():
    """The pids of all processes that can be seen."""
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def descendants(root):
    """The pids of all processes below `root`, zombies too."""
    children = {}
    for pid in all_pids():
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        parent = int(stat.rpartition(")")[2].split()[1])
        children.setdefault(parent, []).append(pid)
    found, queue = set(), [root]
    while queue:
        for child in children.get(queue.pop(), ()):
            found.add(child)
            queue.append(child)
    return found


def marked(mark):
    """The pids of all processes but this one whose environment carries `mark`."""
    needle = f"{MARK}={mark}".encode()
    found = set()
    for pid in all_pids():
        try:
            environment = Path(f"/proc/{pid}/environ").read_bytes()
        except OSError:
            continue
        if needle in environment.split(b"\0"):
            found.add(pid)
    return found - {os.getpid()}


def describe(pids):
    """The command lines of `pids`, for a message."""
    lines = []
    for pid in sorted(pids):
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            command = "(gone)"
        lines.append(f"{pid} {state_of(pid)} {command[:200]}")
    return "; ".join(lines)


def assert_no_process(mark):
    """No process that carries `mark` is left, or it ends soon."""
    wait_until(lambda: not marked(mark), lambda: f"left over: {describe(marked(mark))}")


def open_files():
    """What is open in this process: file descriptor -> target."""
    found = {}
    for entry in sorted(path.name for path in Path("/proc/self/fd").iterdir()):
        try:
            found[int(entry)] = str(Path(f"/proc/self/fd/{entry}").readlink())
        except FileNotFoundError:
            continue  # the descriptor of the listing itself
    return found


class Inventory:
    """The processes and open files of now, to be compared with those of later."""

    def __init__(self):
        self._processes = self._all_processes()
        self._files = open_files()

    def check(self):
        """Fail if something new is there that does not go away soon; it is killed then."""
        if not self._new_processes() and not self._new_files():
            return
        gc.collect()  # a test may have dropped a pool in a circle
        try:
            _native.sweep()  # it closes what was kept to know of dead processes
            wait_until(
                lambda: not self._new_processes(),
                lambda: f"processes left: {describe(self._new_processes())}",
            )
            wait_until(
                lambda: not self._new_files(), lambda: f"files left open: {self._new_files()}"
            )
        finally:
            for pid in self._new_processes():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)  # so that one leak fails one test

    @staticmethod
    def _all_processes():
        return descendants(os.getpid()) | marked(os.environ[MARK])

    def _new_processes(self):
        return self._all_processes() - self._processes

    def _new_files(self):
        now = open_files().items()
        return {fd: target for fd, target in now if self._files.get(fd) != target}


@dataclass
class Outcome:
    """How a script ended."""

    code: int
    out: str
    err: str
    mark: str

    @property
    def lines(self):
        return self.out.splitlines()


def script_environment(mark, **extra):
    """The environment of a script: marked, and able to import the tests' modules."""
    path = os.pathsep.join([str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, MARK: mark, "PYTHONPATH": path, **extra}


def start_python(arguments, **options):
    """Start an interpreter with `arguments`; returns the Popen and its mark."""
    mark = uuid.uuid4().hex
    environment = script_environment(mark, **options.pop("env", {}))
    options.setdefault("stdout", subprocess.PIPE)
    options.setdefault("stderr", subprocess.PIPE)
    process = subprocess.Popen([sys.executable, *arguments], env=environment, text=True, **options)
    return process, mark


def run_python(arguments, *, stdin=None, limit=LIMIT, leftovers=False, **options):
    """Run an interpreter to its end; unless `leftovers`, no process may be left after it."""
    options.setdefault("stdin", subprocess.PIPE if stdin is not None else subprocess.DEVNULL)
    process, mark = start_python(arguments, **options)
    try:
        out, err = process.communicate(stdin, timeout=limit)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        pytest.fail(f"hangs: {arguments}\n--- stdout\n{out}\n--- stderr\n{err}")
    if not leftovers:
        assert_no_process(mark)
    return Outcome(process.returncode, out, err, mark)


def run_script(tmp_path, source, **options):
    """Run `source` as a script file; see `run_python`."""
    path = tmp_path / "script.py"
    path.write_text(textwrap.dedent(source))
    return run_python([str(path)], cwd=tmp_path, **options)


def journal(path):
    """The lines that tasks have written by `tasks.note`."""
    return path.read_text().splitlines() if path.exists() else []
