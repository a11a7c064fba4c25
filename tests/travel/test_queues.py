"""Shared objects through queues of ours, from process to process."""

from __future__ import annotations

import gc
import os
import signal
import time
from pathlib import Path

import kinds
import pytest
from support import LIMIT, wait_until

import manyhands
from manyhands import _native, sharedctypes


@pytest.mark.parametrize("kind", kinds.KINDS, ids=repr)
@pytest.mark.parametrize("method", ["template", "fork", "spawn"])
def test_an_object_made_after_the_start_goes_through_a_queue(method, kind):
    there, back = manyhands.Queue(), manyhands.Queue()
    process = manyhands.get_context(method).Process(
        target=kinds.serve, args=(kind.name, there, back)
    )
    process.start()
    obj = kind.make()
    there.put({"it": obj})
    got = back.get(timeout=LIMIT)
    assert kind.touched(obj)
    assert kind.touched(got[0])
    there.put(None)
    process.join(LIMIT)
    assert process.exitcode == 0
    process.close()


def test_an_object_in_a_queue_outlives_whoever_put_it():
    queue = manyhands.Queue()
    process = manyhands.Process(target=kinds.put_and_die, args=(queue,))
    process.start()
    process.join(LIMIT)
    others = [sharedctypes.RawValue("i", 99) for _ in range(50)]
    assert queue.get(timeout=LIMIT).value == 5
    inner = queue.get(timeout=LIMIT)
    assert inner.get(timeout=LIMIT) == "inside"
    del others
    process.close()


class Stuck:
    """Whoever unpickles it says so by a file, and goes no further."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return stick, (self.path,)


def stick(path):
    path.touch()
    time.sleep(600)


def usage():
    return Path(f"/proc/self/fd/{_native.home_world()[1]}").stat().st_blocks * 512


def queue_ways():
    queue = manyhands.Queue()
    return queue.put, queue.get


def pipe_ways():
    reader, writer = manyhands.Pipe(duplex=False)
    return writer.send, reader.recv


@pytest.mark.parametrize("ways", [queue_ways, pipe_ways])
def test_whoever_is_killed_while_it_unpickles_leaves_no_memory_behind(tmp_path, ways):
    put, get = ways()
    before = usage()
    for turn in range(20):
        mark = tmp_path / str(turn)
        put([sharedctypes.RawArray("b", 4 << 20), Stuck(mark)])
        pid = os.fork()
        if pid == 0:
            get()
            os._exit(0)
        wait_until(mark.exists, "nobody unpickles")
        os.kill(pid, signal.SIGKILL)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
        gc.collect()
        _native.sweep()
    # Some pages stay warm; without being given back it would be more than 80 MiB.
    assert usage() <= before + (40 << 20)
