"""Forks that fail, over and over: they leave nothing in the roster of processes."""

from __future__ import annotations

from support import run_script

# More than the roster has places. Root's forks know no limit, so the script becomes somebody else.
SCRIPT = """
import os
import resource
import manyhands as mp

lock = mp.Lock()
with lock:
    pass
if os.getuid() == 0:
    os.setuid(65534)
soft, hard = resource.getrlimit(resource.RLIMIT_NPROC)
resource.setrlimit(resource.RLIMIT_NPROC, (0, hard))
failed = 0
for _ in range(5000):
    try:
        pid = os.fork()
    except BlockingIOError:
        failed += 1
    else:
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)
resource.setrlimit(resource.RLIMIT_NPROC, (soft, hard))
print(failed)
pid = os.fork()
if pid == 0:
    code = 1
    try:
        with lock:
            mp.Lock().acquire()
        code = 0
    finally:
        os._exit(code)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


def test_forks_that_fail_leave_room_for_those_that_do_not(tmp_path):
    outcome = run_script(tmp_path, SCRIPT)
    assert outcome.err == ""
    assert outcome.lines == ["5000", "0"]
