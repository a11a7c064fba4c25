"""`manyhands.dummy`, which stands for `multiprocessing.dummy`."""

from __future__ import annotations

import multiprocessing.dummy
import threading

import manyhands
from manyhands import dummy
from manyhands.dummy import Pool


def test_its_pool_is_our_thread_pool():
    with Pool(2, initializer=threading.current_thread) as pool:
        assert isinstance(pool, manyhands.ThreadPool)
        assert pool.map(lambda x: x + 1, range(3)) == [1, 2, 3]


def test_every_name_of_the_standard_librarys_is_there():
    theirs = {name for name in dir(multiprocessing.dummy) if not name.startswith("_")}
    assert theirs - set(dummy.__all__) == {"array", "sys", "threading", "weakref"}
    assert dummy.Manager() is dummy


def test_its_processes_are_threads_that_share():
    seen, queue = [], dummy.Queue()
    process = dummy.Process(target=lambda: (seen.append(1), queue.put(2)))
    process.start()
    process.join()
    assert (seen, queue.get(), process.exitcode) == ([1], 2, 0)
