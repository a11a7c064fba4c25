"""Handlers of signals that use the very end on which the thread that they interrupt waits."""

from __future__ import annotations

import contextlib
import os
import signal
import threading

import pytest
import support

from manyhands.connection import Pipe

LARGE = os.urandom(3 << 20)


class Caught(Exception):
    """What a handler raises and another one catches."""


@pytest.fixture
def pipe():
    a, b = Pipe()
    with a, b:
        yield a, b


@contextlib.contextmanager
def handled(handler, which=signal.SIGUSR1):
    old = signal.signal(which, handler)
    try:
        yield
    finally:
        signal.signal(which, old)


@contextlib.contextmanager
def beside(function):
    thread = threading.Thread(target=function, daemon=True)
    thread.start()
    yield
    thread.join(20)
    assert not thread.is_alive()


def ring(number=signal.SIGUSR1):
    os.kill(os.getpid(), number)


def test_a_handler_sends_while_a_send_waits_for_room(pipe):
    a, b = pipe
    ringing = threading.Event()
    got = []

    def beat(*_):
        ringing.set()
        a.send("beat")

    def read():
        # Long enough, mostly, that the pipe is full.
        ringing.wait(0.2)
        ring()
        assert ringing.wait(20)
        while (value := b.recv()) is not None:
            got.append(value)

    with handled(beat), beside(read):
        for number in range(1000):
            a.send(b"%1000d" % number)
        a.send(None)
    assert got.count("beat") == 1
    got.remove("beat")
    assert got == [b"%1000d" % number for number in range(1000)]


@pytest.mark.parametrize("exact", [False, True])
def test_a_handler_receives_while_a_recv_waits(pipe, exact):
    a, b = pipe
    ringing = threading.Event()
    got = []
    if exact:
        assert a.fileno() > 0

    def receive(*_):
        ringing.set()
        got.append(a.recv())

    def write():
        ringing.wait(0.2)
        ring()
        assert ringing.wait(20)
        b.send("one")
        b.send("two")

    with handled(receive), beside(write):
        got.append(a.recv())
    assert got == ["one", "two"]
    assert not a.poll()


def test_in_the_middle_of_a_message_nothing_else_can_be_sent(pipe):
    a, b = pipe
    refused = threading.Event()
    got = []

    def send(*_):
        for call in (a.send, a.send_bytes):
            with pytest.raises(RuntimeError, match="middle of sending a message"):
                call(b"other")
        b.send("another way")
        refused.set()

    def read():
        assert b.poll(20)
        ring()
        assert refused.wait(20)
        got.extend(b.recv() for _ in range(2))

    with handled(send), beside(read):
        a.send(LARGE)
        a.send("after")
    assert got == [LARGE, "after"]
    assert a.recv() == "another way"


def test_in_the_middle_of_a_message_nothing_else_can_be_received(pipe):
    a, b = pipe
    stalled, looked = threading.Event(), threading.Event()
    child = os.fork()
    if child == 0:
        try:
            b.recv()
            b.send(LARGE)
        finally:
            os._exit(0)

    def receive(*_):
        a.send("go")
        assert a.poll(20)
        os.kill(child, signal.SIGSTOP)
        stalled.set()
        with pytest.raises(Caught):
            a.recv()
        os.kill(child, signal.SIGCONT)

    def look(*_):
        if looked.is_set() or not stalled.is_set() or a.poll():
            return  # not in the middle of it
        looked.set()
        for call in (a.recv, a.recv_bytes, lambda: a.poll(None)):
            with pytest.raises(RuntimeError, match="middle of receiving a message"):
                call()
        assert not a.poll(30)
        raise Caught

    def rings():
        ring()
        while not looked.wait(0.1):
            ring(signal.SIGUSR2)

    try:
        with handled(receive), handled(look, signal.SIGUSR2), beside(rings):
            # What the handler had of it is not lost.
            assert a.recv() == LARGE
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_the_lock_of_another_thread_is_waited_for(pipe):
    a, b = pipe
    with beside(lambda: a.send(LARGE)):
        assert b.poll(20)
        with beside(lambda: a.send("small")):
            support.wait_until(lambda: threading.active_count() >= 3, "both send")
            assert b.recv() == LARGE
            assert b.recv() == "small"
