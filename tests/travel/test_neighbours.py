"""The standard library's own shared objects in our pools and processes."""

from __future__ import annotations

import multiprocessing
import multiprocessing.shared_memory
import socket
from pathlib import Path

import neighbours
import pytest
from support import run_script

import manyhands
from manyhands import shared_memory

METHODS = ["template", "fork", "spawn", "forkserver"]
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")


@pytest.fixture(params=METHODS)
def context(request):
    return manyhands.get_context(request.param)


LOCKS = ["Lock", "RLock", "Semaphore", "BoundedSemaphore", "Condition", "Event"]


@pytest.mark.parametrize("name", LOCKS)
def test_named_locks_among_initargs(context, name):
    lock = getattr(multiprocessing.get_context("spawn"), name)()
    with context.Pool(1, neighbours.keep, (lock,)) as pool:
        pool.apply(neighbours.take)
        if name == "Event":
            assert lock.is_set()
        else:
            assert not lock.acquire(False)
            pool.apply(neighbours.give_back)
            assert lock.acquire(False)
            lock.release()


def test_locks_without_a_name_are_inherited_by_fork():
    lock = multiprocessing.get_context("fork").Lock()
    with manyhands.get_context("fork").Pool(1, neighbours.keep, ([lock],)) as pool:
        pool.apply(neighbours.take_first)
        assert not lock.acquire(False)


def test_locks_without_a_name_cannot_reach_a_template():
    lock = multiprocessing.get_context("fork").Lock()
    with pytest.raises(manyhands.PicklingError, match="fork context"):
        manyhands.get_context("template").Pool(1, neighbours.keep, (lock,))


def test_a_queue_and_a_connection_among_initargs(context):
    queue = multiprocessing.get_context("spawn").Queue()
    ours, theirs = multiprocessing.Pipe()
    with context.Pool(2, neighbours.keep, ((queue, theirs),)) as pool:
        pool.apply(neighbours.tell, ("hello",))
        assert queue.get(timeout=20) == "hello"
        assert ours.recv() == "hello"
    queue.close()
    queue.join_thread()
    ours.close()
    theirs.close()


def test_a_socket_among_initargs_reaches_every_worker(context):
    ours, theirs = socket.socketpair()
    with ours, theirs, context.Pool(2, neighbours.keep, (theirs,)) as pool:
        pool.map(neighbours.send, [b"x"] * 6, chunksize=1)
        assert ours.recv(100, socket.MSG_WAITALL | socket.MSG_DONTWAIT).startswith(b"x")


def is_there(name):
    return (Path("/dev/shm") / name).exists()  # noqa: S108 - where named memory is


@pytest.mark.parametrize(
    "module", [multiprocessing.shared_memory, shared_memory], ids=["std", "our"]
)
def test_named_memory_outlives_the_workers_that_used_it(context, module):
    memory = module.SharedMemory(create=True, size=100)
    try:
        for _ in range(2):
            with context.Pool(1) as pool:
                pool.apply(neighbours.write, (memory,))
            assert is_there(memory.name)
            assert bytes(memory.buf[:2]) == b"ok"
            memory.buf[0] = 0
    finally:
        memory.close()
        memory.unlink()


def test_a_list_in_named_memory(context):
    numbers = shared_memory.ShareableList([1, 2, "three"])
    try:
        with context.Pool(1) as pool:
            assert pool.apply(neighbours.set_item, (numbers, 0, 7)) == [7, 2, "three"]
        assert numbers[0] == 7
    finally:
        numbers.shm.close()
        numbers.shm.unlink()


def test_untracked_memory_stays_when_its_program_ends(tmp_path):
    script = """
        from manyhands import shared_memory
        memory = shared_memory.SharedMemory(create=True, size=10, track=False)
        print(memory.name)
        """
    outcome = run_script(tmp_path, script)
    assert outcome.err == ""
    memory = shared_memory.SharedMemory(outcome.lines[0], track=False)
    memory.close()
    memory.unlink()
    assert not is_there(outcome.lines[0])


def test_proxies_and_a_socket_in_items_though_the_pool_was_first(tmp_path):
    script = """
        import socket
        import manyhands as mp

        def work(numbers, end):
            numbers.append(5)
            end.send(b"hi")

        if __name__ == "__main__":
            with mp.Pool(1) as pool:
                pool.apply(abs, (1,))
                import multiprocessing
                ours, theirs = socket.socketpair()
                with multiprocessing.Manager() as manager:
                    numbers = manager.list([1])
                    pool.apply(work, (numbers, theirs))
                    print(list(numbers), ours.recv(10))
        """
    outcome = run_script(tmp_path, script)
    assert (outcome.code, outcome.lines) == (0, ["[1, 5] b'hi'"]), outcome.err
