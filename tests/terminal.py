"""A pseudo-terminal with a job in the foreground, seen from the keyboard."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import termios
import textwrap
import time
import uuid

import pytest
from support import LIMIT, TESTS, assert_no_process, script_environment

CTRL_C, CTRL_Z, CTRL_BACKSLASH = b"\x03", b"\x1a", b"\x1c"


class Terminal:
    """Runs a script under `job_shell.py`; a context manager that leaves nothing behind."""

    def __init__(self, directory, source):
        script = directory / "script.py"
        script.write_text(textwrap.dedent(source))
        self.mark = uuid.uuid4().hex
        self._master, slave = os.openpty()
        termios.tcsetwinsize(slave, (24, 80))
        self._report, report = os.pipe()
        order, self._order = os.pipe()
        shell = [sys.executable, str(TESTS / "job_shell.py"), str(report), str(order)]
        self._shell = subprocess.Popen(
            [*shell, sys.executable, str(script)],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            pass_fds=(report, order),
            start_new_session=True,
            cwd=directory,
            env=script_environment(self.mark),
        )
        for fd in (slave, report, order):
            os.close(fd)
        self._output = b""
        self._reports = b""
        self._screen_is_open = True

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        if self._shell.poll() is None:
            self._shell.kill()
        self.hang_up()
        self._shell.wait()
        for fd in (self._report, self._order):
            os.close(fd)
        if exception[0] is None:
            assert_no_process(self.mark)

    @property
    def text(self):
        """What the screen shows so far."""
        return self._output.decode(errors="replace").replace("\r\n", "\n")

    @property
    def lines(self):
        return self.text.splitlines()

    def press(self, keys):
        os.write(self._master, keys)

    def hang_up(self):
        """Close the terminal's window."""
        if self._master is not None:
            os.close(self._master)
            self._master = None

    def foreground(self):
        """Type `fg`; returns when the job has the terminal again."""
        os.write(self._order, b"fg\n")
        assert self._next_report() == "continued"

    def wait_stopped(self):
        assert self._next_report() == "stopped"

    def wait_ended(self, look=lambda: None):
        """Wait for the end of the job; its exit code, negative for a signal. Meanwhile `look()`."""
        word, _, code = self._next_report(look).partition(" ")
        assert word == "ended", f"the job {word}\n{self.text}"
        while self._screen_is_open:
            assert self._read([self._master], LIMIT), f"the terminal is still held\n{self.text}"
        return int(code)

    def _next_report(self, look=lambda: None):
        deadline = time.monotonic() + LIMIT
        while b"\n" not in self._reports:
            left = deadline - time.monotonic()
            if left <= 0:
                pytest.fail(f"the job neither ends nor stops; the screen shows\n{self.text}")
            self._read([self._report, *([self._master] if self._screen_is_open else [])], left)
            look()
        line, _, self._reports = self._reports.partition(b"\n")
        return line.decode()

    def _read(self, sources, timeout):
        """Take in what comes from one of the sources within `timeout`; whether any did."""
        ready = select.select(sources, [], [], timeout)[0]
        if self._report in ready:
            self._reports += os.read(self._report, 65536)
        if self._master in ready:
            try:
                self._output += os.read(self._master, 65536)
            except OSError:  # nobody has the terminal open any more
                self._screen_is_open = False
        return bool(ready)
