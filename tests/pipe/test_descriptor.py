"""The descriptor of a connection: selectors, asyncio, and open files between messages."""

from __future__ import annotations

import asyncio
import os
import select
import selectors
import threading
from multiprocessing import reduction

import pytest

from manyhands.connection import Pipe


@pytest.fixture
def pipe():
    a, b = Pipe()
    with a, b:
        yield a, b


def readable(connection):
    return bool(select.select([connection], [], [], 0)[0])


@pytest.mark.parametrize("asked", ["before", "between", "after"])
def test_readable_exactly_while_there_is_a_message(pipe, asked):
    a, b = pipe
    if asked == "before":
        b.fileno()
    a.send(0)
    assert b.recv() == 0
    if asked == "between":
        b.fileno()
    for number in range(3):
        a.send(number)
    assert readable(b)
    for number in range(3):
        assert readable(b)
        assert b.recv() == number
    assert not readable(b)
    assert not readable(a)
    b.send(1)
    assert readable(a)


def test_asyncio(pipe):
    a, b = pipe

    async def echo(count):
        loop, found, done = asyncio.get_running_loop(), [], asyncio.Event()

        def receive():
            found.append(b.recv())
            if len(found) == count:
                done.set()

        loop.add_reader(b.fileno(), receive)
        thread = threading.Thread(target=lambda: [a.send(n) for n in range(count)])
        thread.start()
        await asyncio.wait_for(done.wait(), 30)
        loop.remove_reader(b.fileno())
        thread.join()
        return found

    assert asyncio.run(echo(500)) == list(range(500))


def test_selectors_level(pipe):
    a, b = pipe
    with selectors.DefaultSelector() as selector:
        selector.register(b, selectors.EVENT_READ)
        assert selector.select(0) == []
        a.send_bytes(b"")
        assert len(selector.select(20)) == 1
        assert len(selector.select(20)) == 1
        assert b.recv_bytes() == b""
        assert selector.select(0) == []


def test_open_files_keep_their_place_among_messages(pipe):
    a, b = pipe
    ends = [os.pipe() for _ in range(3)]
    a.send("begin")
    for number, (r, _) in enumerate(ends):
        a.send(number)
        reduction.send_handle(a, r, os.getpid())
    a.send("end")
    assert b.recv() == "begin"
    for number, (_, w) in enumerate(ends):
        assert b.recv() == number
        fd = reduction.recv_handle(b)
        os.write(w, b"x")
        assert os.read(fd, 2) == b"x"
        os.close(fd)
    assert b.recv() == "end"
    assert not readable(b)
    for fd in (fd for both in ends for fd in both):
        os.close(fd)


def test_a_byte_without_a_file_is_an_error(pipe):
    a, b = pipe
    os.write(a.fileno(), b"\0")
    with pytest.raises(RuntimeError):
        reduction.recv_handle(b)


def test_recv_waits_past_a_foreign_byte(pipe):
    a, b = pipe
    os.write(a.fileno(), b"\0")
    assert b.poll()
    threading.Timer(0.05, a.send, (5,)).start()
    assert b.recv() == 5
