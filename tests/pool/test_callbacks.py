"""The thread that runs callbacks: what ends it, what keeps it from starting, and a fork."""

from __future__ import annotations

import os
import threading

import pytest
import tasks
from support import LIMIT

import manyhands
from manyhands import _callbacks, _local_crew


@pytest.fixture
def pool():
    with manyhands.Pool(1) as pool:
        yield pool


@pytest.fixture
def gate(tmp_path):
    """For `tasks.hold`: says that it runs, and lets it end."""
    yield tmp_path / "started", tmp_path / "release"
    (tmp_path / "release").touch()


def answer(pool, **options):
    """Whether a callback that comes now is called."""
    called = threading.Event()
    pool.apply_async(tasks.square, (3,), callback=lambda _: called.set(), **options)
    return called.wait(LIMIT)


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, ValueError])
@pytest.mark.parametrize("make", [manyhands.Pool, manyhands.ThreadPool])
def test_what_a_callback_raises_ends_no_thread(make, kind, capfd):
    def fail(_):
        raise kind("mine")

    with make(1) as pool:
        first = pool.apply_async(tasks.square, (2,), callback=fail)
        assert first.get(LIMIT) == 4
        assert pool.apply_async(tasks.boom, (1,), error_callback=fail).exception(LIMIT)
        assert answer(pool)
    assert capfd.readouterr().err.count(": mine\n") == 2


def refuse(*_):
    raise RuntimeError("can't start new thread")


def test_a_thread_that_cannot_start_is_tried_again(pool, monkeypatch):
    result = pool.apply_async(tasks.square, (3,))
    with monkeypatch.context() as patch:
        patch.setattr(_callbacks, "start_thread", refuse)
        for _ in range(2):
            with pytest.raises(RuntimeError, match="new thread"):
                pool.apply_async(tasks.square, (3,), callback=print)
    assert answer(pool)
    assert result.get(LIMIT) == 9
    assert pool.apply(tasks.square, (5,)) == 25


def test_a_result_whose_thread_could_not_start_takes_another_callback(pool, gate, monkeypatch):
    result, seen = pool.apply_async(tasks.hold, gate), []
    with monkeypatch.context() as patch:
        patch.setattr(_callbacks, "start_thread", refuse)
        with pytest.raises(RuntimeError, match="new thread"):
            result.add_done_callback(lambda _: seen.append("refused"))
    called = threading.Event()
    result.add_done_callback(lambda _: called.set())
    gate[1].touch()
    assert called.wait(LIMIT)
    assert seen == []


def test_the_thread_of_a_thread_pool_is_tried_again(monkeypatch):
    with manyhands.ThreadPool(1) as pool:
        with monkeypatch.context() as patch:
            patch.setattr(_local_crew.threading.Thread, "start", refuse)
            with pytest.raises(RuntimeError, match="new thread"):
                pool._notify(print)
        assert answer(pool)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_begins_with_none_of_it(pool, gate):
    """Its own pool has callbacks, although its parent's thread and results are not here."""
    waiting = [pool.apply_async(tasks.hold, gate, callback=print) for _ in range(3)]
    assert _callbacks._engines
    child = os.fork()
    if child == 0:
        try:
            clean = not _callbacks._engines
            with manyhands.Pool(1) as own:
                code = 0 if clean and answer(own) else 1
        except BaseException:
            code = 2
        os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    gate[1].touch()
    assert [result.get(LIMIT) for result in waiting] == ["held"] * 3
