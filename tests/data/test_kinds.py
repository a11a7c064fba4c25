"""Every kind of data: one object stays one, and nothing is left when either side is killed."""

from __future__ import annotations

import functools
import queue as queue_module
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import numpy as np
import pytest
import samples
import support
from usage import SLACK, used

import manyhands
from manyhands import _native

pytestmark = [
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded"),
    pytest.mark.usefixtures("memory_comes_back"),
]

every = pytest.mark.parametrize("sample", samples.SAMPLES, ids=repr)


# One object stays one


@every
def test_twice_the_same_object_is_one_on_the_other_side(workers, sample):
    obj = sample.make()
    assert workers.apply(samples.are_one, ((obj, obj),))
    back = workers.map(samples.twice_the_same, [sample.name] * 2)
    assert all(one is other for one, other in back)


@every
def test_twice_the_same_object_in_an_item_of_a_queue_and_in_a_message(sample):
    obj = sample.make()
    queue = manyhands.Queue()
    queue.put([obj, {"again": obj}])
    one, other = queue.get()
    assert one is other["again"]
    here, there = manyhands.Pipe()
    with here, there:
        sender = threading.Thread(target=here.send, args=((obj, obj),))
        sender.start()
        one, other = there.recv()
        sender.join()
    assert one is other
    assert sample.same(one, obj)


WRITTEN = [sample for sample in samples.SAMPLES if sample.write]


@pytest.mark.parametrize("sample", WRITTEN, ids=repr)
def test_what_arrives_is_not_what_was_sent(workers, sample):
    """Whoever writes what he got changes nothing for the sender, nor for the next to get it."""
    obj, expected = sample.make(), sample.make()
    queue = manyhands.Queue()
    queue.put(obj)
    queue.put(obj)
    made = workers.map(samples.make, [sample.name] * 2)
    for first, second in ((queue.get(), queue.get()), made):
        sample.write(first)
        assert not sample.same(first, expected)
        assert sample.same(second, expected)
    assert sample.same(obj, expected)


# Kills


@every
def test_a_worker_that_is_killed_with_an_argument_or_a_result(sample):
    with manyhands.Pool(1) as pool:
        with pytest.raises(manyhands.WorkerDied):
            pool.apply(samples.die, (sample.make(),))
        with pytest.raises(manyhands.WorkerDied):
            pool.apply(samples.make_and_die, (sample.name,))
        assert sample.same(pool.apply(samples.make, (sample.name,)), sample.make())


@every
def test_a_producer_and_a_consumer_that_are_killed(sample):
    queue = manyhands.Queue()
    run(samples.put_some_and_die, queue, sample.name)
    queue.put(sample.make())
    run(samples.take_two_and_die, queue)
    for _ in range(2):
        assert sample.same(queue.get(timeout=30), sample.make())
    assert queue.empty()


@every
def test_either_end_of_a_pipe_is_killed(sample):
    here, there = manyhands.Pipe()
    process = manyhands.Process(target=samples.send_and_die, args=(there, sample.name))
    process.start()
    there.close()
    assert sample.same(here.recv(), sample.make())
    with pytest.raises(EOFError):
        here.recv()
    process.join()
    process.close()
    here.close()
    here, there = manyhands.Pipe()
    here.send(1)
    process = manyhands.Process(target=samples.receive_and_die, args=(there,))
    process.start()
    there.close()
    process.join()
    process.close()
    with pytest.raises(OSError, match=r"[Pp]ipe|peer|closed"):
        send_for_long(here, sample)
    here.close()


def send_for_long(connection, sample):
    for _ in range(100):
        connection.send(sample.make())


def run(target, *args):
    process = manyhands.Process(target=target, args=args)
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    process.close()


def test_nothing_is_left_of_a_program_that_is_killed(tmp_path):
    """Its memory has no name, and nobody maps it any more once its processes are gone."""
    program = tmp_path / "program.py"
    program.write_text(
        textwrap.dedent("""
        import os, time
        import manyhands as mp
        import numpy as np
        from manyhands import _native

        array = mp.zeros(1_000_000)
        table = mp.share(np.ones(1_000_000))
        pool = mp.Pool(2)
        pool.map(np.sum, [np.ones(100_000)] * 10)
        print(os.fstat(_native.home_world()[1]).st_ino, flush=True)
        time.sleep(60)
        """)
    )
    with subprocess.Popen([sys.executable, program], stdout=subprocess.PIPE, text=True) as process:
        inode = process.stdout.readline().strip()
        assert len(mappers(inode)) >= 3
        process.kill()
    support.wait_until(lambda: not mappers(inode), lambda: f"{mappers(inode)} map it", limit=20)


def mappers(inode):
    """The processes that map the memory file of that number."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            lines = (entry / "maps").read_text().splitlines()
        except OSError:
            continue
        if any("memfd:manyhands-world" in line and line.split()[4] == inode for line in lines):
            found.append(int(entry.name))
    return found


# Bounds


def test_map_sends_no_more_bytes_ahead_than_it_may(workers):
    size = 1_000_000
    before = _native.usage()[0] - _native.usage()[1]
    most = 0

    def arrays():
        nonlocal most
        for number in range(40):
            yield np.full(size // 8, float(number))
            most = max(most, used() - before)

    bound = 3 * size
    sums = workers.map(samples.total, arrays(), max_bytes_in_flight=bound)
    assert sums == [125_000.0 * number for number in range(40)]
    assert most <= bound + 2 * (size + SLACK)
    for value in (0, -1):
        with pytest.raises(ValueError, match="max_bytes_in_flight"):
            workers.map(len, [b""], max_bytes_in_flight=value)


@pytest.mark.parametrize(("name", "megabytes"), [("map", 20), ("imap", 70)])
def test_large_items_keep_all_workers_busy(workers, name, megabytes):
    """Also those of which one alone is as much as small ones may be ahead: two meet in pairs."""
    meet = functools.partial(samples.meet, manyhands.Barrier(2))
    arrays = [np.full(megabytes * 125_000, float(number)) for number in range(4)]
    assert list(getattr(workers, name)(meet, arrays)) == [0, 1, 2, 3]


def test_a_queue_that_counts_bytes_counts_those_in_blocks():
    queue = manyhands.Queue(10, max_bytes=1_000_000)
    queue.put(np.ones(60_000))
    queue.put(np.ones(60_000))
    assert queue.full() is False
    with pytest.raises(queue_module.Full):
        queue.put(np.ones(60_000), block=False)
    with pytest.raises(MemoryError, match="max_bytes=1000000"):
        queue.put(np.ones(130_000))
    assert queue.get().flags.writeable
    queue.put(np.ones(60_000), block=False)
    assert queue.qsize() == 2
    assert [queue.get().sum(), queue.get().sum()] == [60_000, 60_000]
    queue.put(np.ones(120_000), block=False)
    assert queue.get().sum() == 120_000


@pytest.mark.deep
def test_what_is_idle_goes_back_to_the_system(workers):
    workers.map(samples.total, [np.ones(500_000)] * 20)
    assert _native.usage()[1] > 8 << 20
    support.wait_until(
        lambda: _native.usage()[1] <= 1 << 20, lambda: f"{_native.usage()}", limit=60
    )
    assert workers.map(samples.total, [np.ones(500_000)] * 20) == [5e5] * 20


@pytest.mark.deep
def test_what_is_idle_goes_back_where_there_is_no_pool(tmp_path):
    outcome = support.run_script(
        tmp_path,
        """
        import queue
        import manyhands as mp
        import numpy as np
        from manyhands import _native

        items = mp.Queue()
        for _ in range(4):
            items.put(np.ones(2_000_000))
        while not items.empty():
            items.get()
        print(_native.usage()[1] > 8 << 20)
        try:
            items.get(timeout=25)
        except queue.Empty:
            print(_native.usage()[1] <= 1 << 20)
        """,
    )
    assert outcome.lines == ["True", "True"], outcome.err
