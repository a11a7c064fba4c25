"""`stacks` of a program whose processes have other numbers than here, as in a container."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from support import LIMIT, wait_until

SCRIPT = textwrap.dedent("""
    import os, time, manyhands

    def hold(x):
        with open("journal", "a") as log:
            log.write("there\\n")
        time.sleep(1000)

    with manyhands.Pool(2) as pool:
        pool.map(hold, range(2), 1)
""")


def namespaces():
    """The commands that may begin a program with numbers of its own for processes."""
    unshare = shutil.which("unshare")
    if unshare:
        own = ["--pid", "--fork", "--mount-proc", "--kill-child"]
        yield [unshare, *own]
        yield [unshare, "--user", "--map-root-user", *own]


def apart():
    """The beginning of a command that runs in a namespace of processes; empty if none may be."""
    for command in namespaces():
        tried = subprocess.run([*command, "true"], capture_output=True, timeout=20, check=False)
        if tried.returncode == 0:
            return command
    return []


def child_of(pid):
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(children[0]) if children else None


def stacks(pid):
    command = [sys.executable, "-m", "manyhands", "stacks", str(pid)]
    return subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=False)


@pytest.mark.skipif(not apart(), reason="no namespace of processes may be made here")
def test_a_program_in_another_namespace_of_processes(tmp_path):
    command = [*apart(), sys.executable, "-c", SCRIPT]
    program = subprocess.Popen(command, cwd=tmp_path, env=dict(os.environ))
    journal = tmp_path / "journal"
    try:
        wait_until(
            lambda: journal.exists() and journal.read_text().count("there") == 2,
            "the tasks do not begin",
        )
        pid = child_of(program.pid)
        deadline = time.monotonic() + LIMIT
        while (done := stacks(pid)).stdout.count("in hold") < 2:
            # On a busy machine a worker may be too late with its stack.
            assert time.monotonic() < deadline, done
        assert done.returncode == 0, done.stderr
        assert f"nsenter -t {pid} -p -m" in done.stdout
        assert done.stdout.count(": busy") == 2
    finally:
        program.kill()
        program.communicate()
