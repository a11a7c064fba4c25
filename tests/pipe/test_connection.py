"""`Pipe` and `Connection`: multiprocessing's names, arguments, errors and their texts."""

from __future__ import annotations

import array
import multiprocessing
import multiprocessing.connection
import os
import pickle
import signal
import threading
import time

import pytest
import support

from manyhands.connection import Connection, Pipe

MEGABYTE = 1 << 20
VALUES = [
    None,
    True,
    False,
    0,
    -(2**63),
    2**70,
    1.5,
    "",
    "häh",
    "x" * 100_000,
    b"",
    b"x" * 300,
    b"y" * 40_000,
    (1, "two", b"3", None),
    ((1,), [2]),
    {"a": [1, 2, {3}]},
    list(range(20_000)),
]


@pytest.fixture
def pipe():
    a, b = Pipe()
    with a, b:
        yield a, b


def in_thread(function, *args):
    thread = threading.Thread(target=function, args=args, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value)[:20])
def test_values_come_back_as_they_were(pipe, value):
    a, b = pipe
    a.send(value)
    found = b.recv()
    assert found == value
    assert type(found) is type(value)


def test_a_large_message_streams_through(pipe):
    a, b = pipe
    message = os.urandom(MEGABYTE) * 9
    thread = in_thread(a.send_bytes, message)
    assert b.recv_bytes() == message
    thread.join()
    thread = in_thread(b.send, [message, 1])
    assert a.recv() == [message, 1]
    thread.join()


def test_objects_and_bytes_are_one_stream(pipe):
    a, b = pipe
    a.send_bytes(pickle.dumps({"x": 1}))
    assert b.recv() == {"x": 1}
    for value in (7, "text", b"bytes", [1, 2]):
        a.send(value)
        assert pickle.loads(b.recv_bytes()) == value


def test_parts_of_a_buffer(pipe):
    a, b = pipe
    data = b"abcdefghij"
    for arguments, expected in (
        ((data, 3), data[3:]),
        ((data, 3, 4), data[3:7]),
        ((data, 10), b""),
        ((bytearray(data), 1, 2), b"bc"),
        ((memoryview(data)[2:5],), b"cde"),
        ((array.array("i", [1, 2]),), array.array("i", [1, 2]).tobytes()),
    ):
        a.send_bytes(*arguments)
        assert b.recv_bytes() == expected
    for arguments, text in (
        ((data, -1), "offset is negative"),
        ((data, 11), "buffer length < offset"),
        ((data, 1, -1), "size is negative"),
        ((data, 1, 10), r"buffer length < offset \+ size"),
    ):
        with pytest.raises(ValueError, match=text):
            a.send_bytes(*arguments)
    assert not b.poll()


def test_into_a_buffer(pipe):
    a, b = pipe
    room = bytearray(b"." * 10)
    a.send_bytes(b"abc")
    assert b.recv_bytes_into(room, 4) == 3
    assert room == b"....abc..."
    a.send_bytes(b"longer than ten")
    with pytest.raises(multiprocessing.BufferTooShort) as caught:
        b.recv_bytes_into(room)
    assert caught.value.args == (b"longer than ten",)
    a.send_bytes(b"next")
    with pytest.raises(ValueError, match="offset too large"):
        b.recv_bytes_into(room, 11)
    with pytest.raises(ValueError, match="negative offset"):
        b.recv_bytes_into(room, -1)
    with pytest.raises(TypeError):
        b.recv_bytes_into(b"read-only")
    assert b.recv_bytes() == b"next"


def test_a_message_that_is_too_long_ends_the_receiving(pipe):
    a, b = pipe
    a.send_bytes(b"12345")
    assert b.recv_bytes(5) == b"12345"
    a.send_bytes(b"123456")
    with pytest.raises(OSError, match="bad message length"):
        b.recv_bytes(5)
    assert not b.readable
    assert b.writable
    with pytest.raises(ValueError, match="negative maxlength"):
        a.recv_bytes(-1)


def test_one_direction():
    reader, writer = Pipe(duplex=False)
    with reader, writer:
        assert (reader.readable, reader.writable) == (True, False)
        assert (writer.readable, writer.writable) == (False, True)
        writer.send(1)
        assert reader.recv() == 1
        with pytest.raises(OSError, match="connection is read-only"):
            reader.send(1)
        for refused in (writer.recv, writer.poll, writer.recv_bytes):
            with pytest.raises(OSError, match="connection is write-only"):
                refused()


def test_closed(pipe):
    a, _ = pipe
    assert not a.closed
    a.close()
    a.close()
    assert a.closed
    for refused in (a.recv, a.poll, a.fileno, a.recv_bytes, lambda: a.send(1)):
        with pytest.raises(OSError, match="handle is closed"):
            refused()


def test_the_end(pipe):
    a, b = pipe
    a.send("last")
    a.close()
    with pytest.raises(BrokenPipeError):
        b.send(1)
    assert b.poll()
    assert b.recv() == "last"
    assert b.poll()
    for refused in (b.recv, b.recv_bytes):
        with pytest.raises(EOFError):
            refused()


def test_what_cannot_be_pickled_sends_nothing(pipe):
    a, b = pipe
    with pytest.raises(pickle.PicklingError, match="generator"):
        a.send({"here": [None for _ in ()], "there": (None for _ in ())})
    a.send([1])
    assert b.recv() == [1]


def test_what_cannot_be_unpickled_is_one_error(pipe):
    a, b = pipe
    # Made of bytes: the class may not be importable where the tests run.
    a.send_bytes(b"cos\nno_such_name\n.")
    a.send("next")
    with pytest.raises(AttributeError):
        b.recv()
    assert b.recv() == "next"


def test_poll(pipe):
    a, b = pipe
    assert b.poll() is False
    assert b.poll(-1) is False
    begin = time.monotonic()
    assert b.poll(0.1) is False
    assert time.monotonic() - begin >= 0.1
    a.send_bytes(b"")
    assert b.poll()
    assert b.poll(None)
    assert b.poll(10)
    assert b.recv_bytes() == b""
    thread = in_thread(lambda: (time.sleep(0.05), a.send(1)))
    assert b.poll(20)
    thread.join()


def test_a_full_pipe_waits_until_it_is_read(pipe):
    a, b = pipe
    thread = in_thread(lambda: [a.send_bytes(b"x" * 10_000) for _ in range(100)])
    assert [b.recv_bytes() for _ in range(100)] == [b"x" * 10_000] * 100
    thread.join()


def test_a_signal_handler_ends_a_wait_and_leaves_nothing_behind(pipe):
    a, b = pipe

    def ring(*_):
        raise InterruptedError

    old = signal.signal(signal.SIGUSR1, ring)
    try:
        for wait in (b.recv, lambda: b.poll(20), lambda: a.send_bytes(b"x" * MEGABYTE)):
            timer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGUSR1))
            timer.start()
            with pytest.raises(InterruptedError):
                wait()
            timer.join()
    finally:
        signal.signal(signal.SIGUSR1, old)
    a.send("after")
    assert b.recv() == "after"


def test_an_interrupted_recv_of_a_large_message_goes_on(pipe):
    a, b = pipe
    message = os.urandom(4 * MEGABYTE)

    def ring(*_):
        raise InterruptedError

    old = signal.signal(signal.SIGUSR1, ring)
    found = None
    try:
        thread = in_thread(a.send_bytes, message)
        for _ in range(4):
            timer = threading.Timer(0.0005, os.kill, (os.getpid(), signal.SIGUSR1))
            timer.start()
            try:
                found = b.recv_bytes()
            except InterruptedError:
                continue
            break
        support.wait_until(lambda: not timer.is_alive(), "the timer has run")
    except InterruptedError:
        pass
    finally:
        signal.signal(signal.SIGUSR1, old)
    assert (found or b.recv_bytes()) == message
    thread.join()


def test_close_ends_the_wait_of_another_thread(pipe):
    _, b = pipe
    outcome = []

    def receive():
        try:
            b.recv()
        except OSError as error:
            outcome.append(str(error))

    thread = in_thread(receive)
    time.sleep(0.05)
    b.close()
    thread.join(20)
    assert outcome == ["handle is closed"]


def test_a_handle_makes_a_connection_of_the_standard_library():
    r, w = os.pipe()
    reader, writer = Connection(r, writable=False), Connection(w, readable=False)
    with reader, writer:
        assert type(reader) is multiprocessing.connection.Connection
        assert isinstance(reader, Connection)
        writer.send(3)
        assert reader.recv() == 3
    with pytest.raises(ValueError, match="invalid handle"):
        Connection(-1)


def test_pickling_on_its_own_is_refused(pipe):
    with pytest.raises(RuntimeError, match="shared between processes"):
        pickle.dumps(pipe[0])
