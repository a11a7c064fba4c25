"""Many signals at a time, in a program, its workers and its processes."""

from __future__ import annotations

import pytest
from support import run_script

METHODS = ["template", "fork", "spawn", "forkserver"]

MANY = """
import os
import signal
import manyhands as mp

NUMBERS = [number for number in signal.valid_signals() - {{signal.SIGKILL, signal.SIGSTOP}}
           if signal.getsignal(number) is not None and number < signal.SIGRTMIN
           and number not in (signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL,
                              signal.SIGTRAP, signal.SIGABRT, signal.SIGSYS, signal.SIGCHLD,
                              signal.SIGCONT)]

def at_once(_=None):
    heard = []
    before = {{number: signal.signal(number, lambda number, _: heard.append(number))
              for number in NUMBERS}}
    signal.pthread_sigmask(signal.SIG_BLOCK, NUMBERS)
    for number in NUMBERS:
        os.kill(os.getpid(), number)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, NUMBERS)
    for number in NUMBERS:
        signal.signal(number, before[number])
    return sorted(heard) == sorted(NUMBERS)

def tell(connection):
    connection.send(at_once())

if __name__ == "__main__":
    context = mp.get_context({method!r})
    with context.Pool(1) as pool:
        print(pool.map(at_once, range(2)))
    ours, theirs = mp.Pipe()
    process = context.Process(target=tell, args=(theirs,))
    process.start()
    print(ours.recv())
    process.join()
    print(process.exitcode, at_once(), len(NUMBERS) > 15)
"""


@pytest.mark.parametrize("method", METHODS)
def test_all_signals_at_once(tmp_path, method):
    """Their handlers run in one another, on the stack that comes with faulthandler."""
    outcome = run_script(tmp_path, MANY.format(method=method))
    assert outcome.lines == ["[True, True]", "True", "0 True True"], outcome.err
