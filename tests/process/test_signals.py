"""Signals to a program and its processes: by the kernel, to the whole group, all at once."""

from __future__ import annotations

import pytest
from support import run_script

METHODS = ["template", "fork", "spawn", "forkserver"]

# Without a shell in its session the group is orphaned by whoever ends as a child of another group.
STOPPED = """
import os
import signal
import subprocess
import time
import manyhands as mp
from support import state_of, wait_until

def end(how):
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "exit":
        os._exit(3)

if __name__ == "__main__":
    context = mp.get_context({method!r})
    hangups = []
    signal.signal(signal.SIGHUP, lambda *_: hangups.append(1))
    stopped = subprocess.Popen(["sleep", "1000"])
    stopped.send_signal(signal.SIGSTOP)
    wait_until(lambda: state_of(stopped.pid) == "T", "it was not stopped")
    try:
        for how in ("return", "exit", "kill"):
            process = context.Process(target=end, args=(how,))
            process.start()
            process.join()
            print(how, process.exitcode)
        with context.Pool(2) as pool:
            print(pool.map(abs, [-1, 2]))
        time.sleep(0.1)
        print(len(hangups), state_of(stopped.pid))
    finally:
        stopped.kill()
"""

# The template itself is started by the first process, and is a member from then on.
SENT = """
import os
import signal
import time
import manyhands as mp

NUMBERS = [signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1,
           signal.SIGUSR2, signal.SIGALRM, signal.SIGTSTP, signal.SIGCONT, signal.SIGWINCH]

def count(connection):
    heard = []
    for number in NUMBERS:
        signal.signal(number, lambda number, _: heard.append(number))
    connection.send("ready")
    for number in NUMBERS:
        while number not in heard:
            time.sleep(0.001)
        connection.send(number)

def meanings():
    return [signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler)
            for number in NUMBERS]

def tell(connection):
    status = open("/proc/self/status").read()
    masks = [line for line in status.splitlines() if line.startswith(("SigIgn", "SigBlk"))]
    connection.send((meanings(), masks))

def ask(context, target):
    ours, theirs = mp.Pipe()
    process = context.Process(target=target, args=(theirs,))
    process.start()
    return process, ours

if __name__ == "__main__":
    for number in NUMBERS:
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    context = mp.get_context({method!r})
    before, connection = ask(context, tell)
    first = connection.recv()
    before.join()
    for number in NUMBERS:
        signal.signal(number, lambda *_: None)
    process, connection = ask(context, count)
    assert connection.recv() == "ready"
    for number in NUMBERS:
        os.killpg(0, number)
        assert connection.recv() == number
    process.join()
    print(process.exitcode)
    for number in NUMBERS:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    after, connection = ask(context, tell)
    print(connection.recv() == first, all(first[0]))
    after.join()
    print(after.exitcode)
"""


@pytest.mark.parametrize("method", METHODS)
def test_a_stopped_member_of_the_group_harms_nobody(tmp_path, method):
    """When the last process ended, the kernel sent SIGHUP to the program and all its relatives."""
    outcome = run_script(tmp_path, STOPPED.format(method=method), start_new_session=True)
    assert outcome.lines == ["return 0", "exit 3", "kill -9", "[1, 2]", "0 T"], outcome.err


# The standard library's fork server ends by them.
@pytest.mark.parametrize("method", ["template", "fork", "spawn"])
def test_signals_to_the_group_mean_the_processes_and_not_their_template(tmp_path, method):
    outcome = run_script(tmp_path, SENT.format(method=method), start_new_session=True)
    assert outcome.lines == ["0", "True True", "0"], outcome.err


HANDLERS = """
import os
import signal

NUMBERS = [signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGWINCH]

def end(number, frame):
    raise SystemExit(f"the module's handler runs in {os.getpid()}")

for number in NUMBERS:
    signal.signal(number, end)

def tell(connection):
    ends = [signal.getsignal(number) is end for number in NUMBERS]
    # The template is told by its number, for it may not be another one afterwards.
    connection.send((os.getppid(), all(ends)))
    connection.recv()
    signal.raise_signal(signal.SIGHUP)
"""

MODULE = """
import os
import signal
import manyhands as mp

def told(context, target):
    ours, theirs = mp.Pipe()
    process = context.Process(target=target, args=(theirs,))
    process.start()
    answer = ours.recv()
    ours.send("go on")
    process.join()
    return answer, process.exitcode

def parent(connection):
    connection.send(os.getppid())
    connection.recv()

if __name__ == "__main__":
    context = mp.get_context({method!r})
    print(told(context, parent)[1])
    import handlers
    first = told(context, handlers.tell)
    print(first[0][1], first[1])
    for number in handlers.NUMBERS:
        signal.signal(number, lambda *_: None)
    for number in handlers.NUMBERS:
        os.killpg(0, number)
        signal.signal(number, handlers.end)
    again = told(context, handlers.tell)
    print(again == first, told(context, parent)[1])
"""


@pytest.mark.parametrize("method", ["template", "fork"])
def test_handlers_of_a_module_are_for_the_processes_and_not_for_their_template(tmp_path, method):
    """The handlers ran in the template, at its next fork, which failed then."""
    (tmp_path / "handlers.py").write_text(HANDLERS)
    outcome = run_script(tmp_path, MODULE.format(method=method), start_new_session=True)
    assert outcome.lines == ["0", "True 1", "True 0"], outcome.err


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
