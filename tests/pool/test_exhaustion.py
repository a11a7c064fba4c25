"""Nothing left, of descriptors or of our memory: a clear exception, and the pool works on."""

from __future__ import annotations

import pytest
from support import run_script

NO_FILES = """
import contextlib
import os
import resource
import manyhands as mp

mp.WorkerDied  # what is imported then cannot be opened: that is no fault of the pool's

@contextlib.contextmanager
def no_files():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
    taken = []
    try:
        while True:
            taken.append(os.open("/dev/null", os.O_RDONLY))
    except OSError:
        pass
    try:
        yield
    finally:
        for fd in taken:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
"""


def test_no_pool_without_descriptors_and_one_afterwards(tmp_path):
    outcome = run_script(
        tmp_path,
        NO_FILES
        + """
with no_files():
    try:
        mp.Pool(2)
    except OSError as error:
        print("no pool:", "Too many open files" in str(error))
with mp.Pool(2) as pool:
    print(pool.map(abs, [-1, -2]))
""",
    )
    assert outcome.lines == ["no pool: True", "[1, 2]"], outcome.err


@pytest.mark.parametrize("method", ["template", "fork"])
def test_a_pool_goes_on_without_descriptors_and_grows_afterwards(tmp_path, method):
    outcome = run_script(
        tmp_path,
        NO_FILES
        + f"""
with mp.Pool(2, context={method!r}) as pool:
    print(pool.map(abs, [-1, -2]))
    with no_files():
        print(pool.map(abs, [-3, -4]))
        print(len(pool.apply(bytes, (3_000_000,))))
        # The second worker may have started only now, and given back what its start had taken.
        with no_files():
            try:
                pool.grow(1)
            except OSError as error:
                print("no growth:", "Too many open files" in str(error))
    pool.grow(1)
    print(sorted(pool.map(abs, range(-9, 0))) == list(range(1, 10)))
""",
    )
    expected = ["[1, 2]", "[3, 4]", "3000000", "no growth: True", "True"]
    assert outcome.lines == expected, outcome.err


def test_many_workers_start_within_a_few_descriptors_for_each(tmp_path):
    outcome = run_script(
        tmp_path,
        """
        import os
        import resource
        import manyhands as mp

        def meet(barrier):
            barrier.wait(30)
            return os.getpid()

        barrier = mp.Barrier(24)
        room = len(os.listdir("/proc/self/fd")) + 40 + 2 * 24
        resource.setrlimit(resource.RLIMIT_NOFILE, (room, room))
        with mp.Pool(24) as pool:
            print(len(set(pool.map(meet, [barrier] * 24, chunksize=1))))
        """,
    )
    assert outcome.lines == ["24"], outcome.err


def test_a_worker_that_dies_without_descriptors_is_replaced(tmp_path):
    outcome = run_script(
        tmp_path,
        NO_FILES
        + """
def die(x):
    os._exit(3)

with mp.Pool(1) as pool:
    print(pool.apply_async(die, (0,)).exception().exitcode)
    print(pool.map(abs, [-1]))
    with no_files():
        try:
            pool.apply(die, (0,))
        except mp.WorkerDied as error:
            print("died:", error.exitcode)
    try:
        print(pool.apply(abs, (-2,)))
    except (mp.LaunchError, OSError) as error:
        print("a clear error:", type(error).__name__)
with mp.Pool(1) as pool:
    print(pool.map(abs, [-3]))
""",
    )
    assert outcome.lines[:3] == ["3", "[1]", "died: 3"], outcome.err
    assert outcome.lines[3] in ("2", "a clear error: LaunchError", "a clear error: OSError")
    assert outcome.lines[4] == "[3]"


def test_memory_of_ours_is_bounded(tmp_path):
    outcome = run_script(
        tmp_path,
        """
        import os
        os.environ["MANYHANDS_MEMORY"] = "40M"
        import manyhands as mp

        queue = mp.Queue()
        try:
            for _ in range(100):
                queue.put(bytes(1 << 20))
        except MemoryError as error:
            print("full:", "MANYHANDS_MEMORY" in str(error))
        count = queue.qsize()
        print(10 < count < 40)
        with mp.Pool(2) as pool:
            print(pool.map(abs, [-1, -2]))
            for _ in range(count):
                queue.get()
            queue.put(bytes(1 << 20))
            print(pool.map(abs, [-3]))
        """,
    )
    assert outcome.lines == ["full: True", "True", "[1, 2]", "[3]"], outcome.err
