"""What the program has set for its signals beside Python's handlers stays while it starts things.

`faulthandler.register` puts a handler in C before Python's, `siginterrupt` sets a flag: the kernel
knows both, and `signal.signal` would forget them.
"""

from __future__ import annotations

import pytest
from support import run_script

PROLOGUE = """
import ctypes
import faulthandler
import os
import signal
import threading
import time
import manyhands as mp

heard = []

def hear(number, frame):
    heard.append(number)

def start_and_end():
    {start}
    process = mp.get_context({method!r}).Process(target=abs, args=(1,))
    process.start()
    process.join()
"""

STARTS = {
    "Pool": "with mp.Pool(1, context={method!r}) as pool: pool.map(abs, [1])",
    "ThreadPool": "with mp.ThreadPool(1) as pool: pool.map(abs, [1])",
}


def prologue(start, method):
    return PROLOGUE.format(start=STARTS[start].format(method=method), method=method)


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("method", ["template", "fork"])
def test_a_handler_in_c_stays(tmp_path, start, method):
    outcome = run_script(
        tmp_path,
        prologue(start, method)
        + """
dump = open("dump", "w+")
signal.signal(signal.SIGUSR1, hear)
faulthandler.register(signal.SIGUSR1, dump, chain=True)

def dumped():
    before = os.path.getsize("dump")
    signal.raise_signal(signal.SIGUSR1)
    return os.path.getsize("dump") > before, len(heard), signal.getsignal(signal.SIGUSR1) is hear

print(dumped())
for _ in range(2):
    start_and_end()
    print(dumped())
faulthandler.unregister(signal.SIGUSR1)
print(dumped())
""",
    )
    assert outcome.lines == [
        "(True, 1, True)",
        "(True, 2, True)",
        "(True, 3, True)",
        "(False, 4, True)",
    ], outcome.err


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("method", ["template", "fork"])
def test_calls_in_c_are_still_restarted(tmp_path, start, method):
    outcome = run_script(
        tmp_path,
        prologue(start, method)
        + """
library = ctypes.CDLL(None, use_errno=True)
signal.signal(signal.SIGUSR2, hear)
signal.siginterrupt(signal.SIGUSR2, False)

def read_on():
    reader, writer = os.pipe()
    main = threading.main_thread().ident

    def disturb():
        for _ in range(20):
            time.sleep(0.01)
            signal.pthread_kill(main, signal.SIGUSR2)
        os.write(writer, b"x")

    thread = threading.Thread(target=disturb)
    thread.start()
    got = library.read(reader, ctypes.create_string_buffer(1), 1)
    thread.join()
    return got, len(heard) > 0

print(read_on())
start_and_end()
heard.clear()
print(read_on())
""",
    )
    assert outcome.lines == ["(1, True)", "(1, True)"], outcome.err
