"""Processes where file descriptors run out: a start fails clearly, and nothing else does."""

from __future__ import annotations

from support import run_script

PROGRAM = """
import os
import resource
import time
import manyhands as mp

def mark(path):
    open(path, "w").close()

def hold(path):
    while not os.path.exists(path):
        time.sleep(0.01)
    os._exit(7)

if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    pool = mp.Pool(1)
    other = mp.Process(target=hold, args=("end",))
    other.start()
    refused = started = 0
    for spare in range(14):
        pool.map(abs, range(4))
        taken = [open("/dev/null") for _ in range(64 - len(os.listdir("/proc/self/fd")) - spare)]
        path = f"ran-{spare}"
        process = mp.Process(target=mark, args=(path,))
        try:
            process.start()
        except OSError as error:
            refused += 1
            assert "could not be started" in str(error) or error.errno == 24, error
            assert not os.path.exists(path), (spare, error)
        else:
            started += 1
            process.join()
            assert process.exitcode == 0, (spare, process.exitcode)
            assert os.path.exists(path), spare
            process.close()
        for file in taken:
            file.close()
    assert refused >= 2 and started >= 2, (refused, started)
    assert other.is_alive()
    open("end", "w").close()
    other.join()
    assert other.exitcode == 7, other.exitcode
    assert pool.map(abs, [-1]) == [1]
    pool.terminate()
    print("done")
"""


def test_a_start_without_descriptors_fails_alone(tmp_path):
    result = run_script(tmp_path, PROGRAM)
    assert result.code == 0, result.err
    assert result.out == "done\n"


SERVER = """
import os
import resource
import signal
import time
from multiprocessing import forkserver

import manyhands as mp

def run():
    process = mp.get_context("forkserver").Process(target=os._exit, args=(7,))
    process.start()
    process.join()
    return process.exitcode

if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    assert run() == 7
    server = forkserver._forkserver
    first = server._forkserver_pid
    refused = 0
    for spare in range(10):
        taken = [open("/dev/null") for _ in range(64 - len(os.listdir("/proc/self/fd")) - spare)]
        try:
            assert run() == 7
        except OSError as error:
            refused += 1
            assert error.errno == 24, error
        for file in taken:
            file.close()
    assert run() == 7
    assert 3 < refused < 10, refused
    print(server._forkserver_pid == first)

    # One that takes no requests any more, and ends a little later.
    pid = os.fork()
    if pid == 0:
        time.sleep(0.5)
        os._exit(0)
    server._forkserver_address, server._forkserver_pid = "\\0gone" + str(pid), pid
    print(run())
    os.kill(first, signal.SIGKILL)  # it waits for the end of whoever can ask it
    os.waitpid(first, 0)
"""


def test_a_fork_server_outlives_a_want_of_descriptors(tmp_path):
    result = run_script(tmp_path, SERVER)
    assert (result.lines, result.err) == (["True", "7"], "")
