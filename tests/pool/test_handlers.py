"""Handlers of signals that raise in the middle of a call, or use the pool themselves."""

from __future__ import annotations

import pytest
from support import processes, run_script

from manyhands import _snapshot


class LateError(Exception):
    """What a handler raises."""


@processes
def test_a_first_call_that_was_interrupted_leaves_a_pool_that_works(make_pool, monkeypatch):
    pool = make_pool(2)

    def interrupted(*_args):
        raise LateError

    with monkeypatch.context() as patched:
        patched.setattr(_snapshot, "take", interrupted)
        for _ in range(2):
            with pytest.raises(LateError):
                pool.map(abs, [-1])
    assert pool.map(abs, [-1, -2]) == [1, 2]


STORM = """
import signal
import time
import manyhands as mp

calls, busy = 0, False

def handle(number, frame):
    global calls, busy
    if busy:
        return
    busy = True
    calls += 1
    {action}
    busy = False

pool, queue, lock = mp.Pool(2), mp.Queue(), mp.RLock()
signal.signal(signal.SIGALRM, handle)
signal.setitimer(signal.ITIMER_REAL, 0.003, 0.003)
end = time.monotonic() + 1
while time.monotonic() < end or calls < 20:
    assert list(pool.imap(abs, range(20))) == list(range(20))
    assert pool.map(abs, range(50)) == list(range(50))
    queue.put(1)
    queue.get()
    with lock:
        assert pool.apply(abs, (-1,)) == 1
signal.setitimer(signal.ITIMER_REAL, 0)
pool.close()
pool.join()
print("right")
"""


@pytest.mark.parametrize(
    "action",
    [
        "assert list(pool.imap(abs, range(5))) == list(range(5))",
        "assert pool.map(abs, range(10)) == list(range(10))",
        "queue.put(2), queue.qsize(), queue.get()",
        "lock.acquire(), lock.release()",
        "mp.Pool(1).terminate()",
    ],
)
def test_a_handler_uses_what_it_interrupts(tmp_path, action):
    outcome = run_script(tmp_path, STORM.format(action=action))
    assert outcome.lines == ["right"], outcome.err


ENDS = """
import signal
import threading
import time
import manyhands as mp

for turn in range(40):
    pool = mp.Pool(2)
    signal.signal(signal.SIGALRM, lambda *_: pool.terminate())
    signal.setitimer(signal.ITIMER_REAL, 0.001 * turn + 0.001)
    try:
        while True:
            list(pool.imap(abs, range(20)))
            pool.map(abs, range(50))
    except (mp.CancelledError, ValueError):
        pool.join()
print("ended")
"""


def test_a_handler_ends_the_pool_at_any_moment(tmp_path):
    outcome = run_script(tmp_path, ENDS)
    assert outcome.lines == ["ended"], outcome.err
