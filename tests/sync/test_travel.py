"""Objects travel as arguments under every start method, and a normal exit is no death.

Each test is a program of its own, as users write them: `spawn` and `forkserver` import its main
module again, and their helpers end with it.
"""

from __future__ import annotations

import pytest
from support import run_script

methods = pytest.mark.parametrize("method", ["template", "fork", "spawn", "forkserver"])

ALL_KINDS = """
    import sys
    import manyhands
    from manyhands import synchronize

    def use(locks, semaphore, condition, event, rest):
        barrier, number = rest
        for lock in locks:
            with lock:
                pass
        with semaphore, condition:
            number.add(1)
            condition.notify()
        event.set()
        barrier.wait(30)

    if __name__ == "__main__":
        locks = [synchronize.Lock(), synchronize.RLock(on_death="raise")]
        semaphore, condition = synchronize.BoundedSemaphore(2), synchronize.Condition()
        event, rest = synchronize.Event(), (synchronize.Barrier(2), synchronize.Atomic(0))
        arguments = (locks, semaphore, condition, event, rest)
        process = manyhands.get_context(sys.argv[1]).Process(target=use, args=arguments)
        process.start()
        with condition:
            assert condition.wait_for(lambda: rest[1].load() == 1, 30)
        assert event.wait(30)
        rest[0].wait(30)
        process.join()
        assert process.exitcode == 0
        assert semaphore.get_value() == 2
        print("done")
"""

NORMAL_EXIT = """
    import sys
    import manyhands
    from manyhands import synchronize

    def take(lock):
        lock.acquire()

    if __name__ == "__main__":
        lock = synchronize.Lock()
        process = manyhands.get_context(sys.argv[1]).Process(target=take, args=(lock,))
        process.start()
        process.join()
        assert process.exitcode == 0
        assert lock.locked()
        assert lock.acquire(timeout=0.2) is False
        lock.release()
        assert not lock.locked()
        print("done")
"""


@methods
def test_all_kinds_travel(tmp_path, method):
    outcome = run_script(tmp_path, ALL_KINDS.replace("sys.argv[1]", repr(method)))
    assert (outcome.code, outcome.lines) == (0, ["done"]), outcome.err


@methods
def test_a_normal_exit_leaves_a_lock_locked_and_anybody_releases_it(tmp_path, method):
    outcome = run_script(tmp_path, NORMAL_EXIT.replace("sys.argv[1]", repr(method)))
    assert (outcome.code, outcome.lines) == (0, ["done"]), outcome.err
