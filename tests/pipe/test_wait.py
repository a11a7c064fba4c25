"""`wait` over connections, sockets and sentinels: ours, and the standard library's on ours."""

from __future__ import annotations

import itertools
import multiprocessing.connection
import socket
import threading
import time

import pytest

import manyhands
from manyhands import _readiness, connection
from manyhands.connection import Pipe

LIMIT = 20


@pytest.fixture(params=[connection.wait, multiprocessing.connection.wait], ids=["ours", "standard"])
def wait(request):
    return request.param


@pytest.fixture
def pipe():
    a, b = Pipe()
    with a, b:
        yield a, b


def test_beside_sockets_and_the_end(wait, pipe):
    a, b = pipe
    one, two = socket.socketpair()
    with one, two:
        everything = [a, b, one]
        assert wait(everything, 0) == []
        a.send(1)
        assert wait(everything, 20) == [b]
        two.send(b"x")
        assert wait(everything, 20) == [b, one]
        assert b.recv() == 1
        assert wait(everything, 20) == [one]
        a.close()
        assert wait([b], 20) == [b]
        with pytest.raises(EOFError):
            b.recv()


def test_every_message_of_many_senders(wait):
    pipes = [Pipe(duplex=False) for _ in range(4)]

    def send(writer):
        with writer:
            for number in range(300):
                writer.send(number)

    threads = [threading.Thread(target=send, args=(writer,)) for _, writer in pipes]
    for thread in threads:
        thread.start()
    found = {reader: [] for reader, _ in pipes}
    readers = list(found)
    while readers:
        for reader in wait(readers, 20):
            try:
                found[reader].append(reader.recv())
            except EOFError:
                readers.remove(reader)
                reader.close()
    for thread in threads:
        thread.join()
    assert all(numbers == list(range(300)) for numbers in found.values())


def test_the_time_runs_out(wait, pipe):
    for timeout in (0, -1, 0.001, 0.05):
        begin = time.monotonic()
        assert wait(list(pipe), timeout) == []
        assert time.monotonic() - begin >= timeout


def test_what_comes_while_it_sleeps(wait, pipe):
    a, b = pipe
    for pause in (0, 0.0001, 0.01, 0.1):
        timer = threading.Timer(pause, a.send, (pause,))
        timer.start()
        assert wait([b], LIMIT) == [b]
        assert b.recv() == pause
        timer.join()


def test_without_a_timeout_it_waits_as_long_as_it_takes(wait, pipe):
    a, b = pipe
    threading.Timer(0.3, a.send, ("late",)).start()
    assert wait(iter([a, b])) == [b]


def test_a_descriptor_and_a_sentinel(wait, pipe):
    a, b = pipe
    process = manyhands.Process(target=abs, args=(1,))
    process.start()
    assert wait([process.sentinel, b.fileno()], LIMIT) == [process.sentinel]
    process.join()
    a.send(1)
    assert set(wait([process.sentinel, b.fileno()], LIMIT)) == {process.sentinel, b.fileno()}


def test_what_cannot_be_watched(wait, pipe):
    a, _ = pipe
    with pytest.raises(KeyError):
        wait([a, a], 0)
    for wrong in ("text", -1, object()):
        with pytest.raises(ValueError):
            wait([wrong], 0)
    closed = socket.socket()
    closed.close()
    with pytest.raises(ValueError):
        wait([closed], 0)


def test_a_pause_between_two_looks_at_the_clock_is_no_wait_without_end(pipe, monkeypatch):
    # A negative timeout of `poll` waits for ever: a thread may get no core for seconds, anywhere.
    moments = itertools.count(step=3)
    monkeypatch.setattr(_readiness, "monotonic", lambda: float(next(moments)))
    assert connection.wait(list(pipe), 5) == []


def test_a_timeout_without_end(pipe):
    a, b = pipe
    threading.Timer(0.05, a.send, (1,)).start()
    assert connection.wait([b], float("inf")) == [b]


def _answer(end, count):
    for _ in range(count):
        connection.wait([end])
        end.send(end.recv() + 1)


def test_a_conversation_of_two_that_wait():
    here, there = Pipe()
    with here:
        process = manyhands.Process(target=_answer, args=(there, 500))
        process.start()
        there.close()
        for number in range(500):
            here.send(number)
            assert connection.wait([here], LIMIT) == [here]
            assert here.recv() == number + 1
            if number % 50 == 0:
                time.sleep(0.01)  # the other side sleeps now
        process.join(LIMIT)
        assert process.exitcode == 0
