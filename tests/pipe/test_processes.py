"""Ends in several processes: forked copies, children of every kind, ends sent through ends."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import zlib

import pytest
import support
from pipe_tasks import echo

import manyhands
from manyhands.connection import Pipe

KILLS = 60


def fork(function, *args):
    """Run a function in a forked child, which ends with it."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            function(*args)
            code = 0
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
        finally:
            os._exit(code)
    return pid


def reap(*pids):
    return [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]


def test_a_forked_child_answers_and_its_death_is_the_end():
    a, b = Pipe()
    pid = fork(lambda: (a.close(), echo(b)))
    b.close()
    for value in (1, "x", [b"y" * 100_000], b"z" * 1_000_000):
        a.send(value)
        assert a.recv() == value
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(EOFError):
        a.recv()
    with pytest.raises(BrokenPipeError):
        a.send(1)
    assert reap(pid) == [-signal.SIGKILL]
    a.close()


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver", "template"])
def test_an_end_as_an_argument(method):
    context = manyhands.get_context(method)
    a, b = Pipe()
    process = context.Process(target=echo, args=(b,))
    process.start()
    b.close()
    a.send("hello")
    assert a.recv() == "hello"
    a.send(None)
    a.close()
    process.join()
    assert process.exitcode == 0
    process.close()


def test_an_end_as_an_argument_of_the_standard_library():
    a, b = Pipe()
    process = multiprocessing.get_context("spawn").Process(target=echo, args=(b,))
    process.start()
    b.close()
    a.send("hello")
    assert a.recv() == "hello"
    a.close()
    process.join()
    process.close()


def _pass_on(outer):
    inner = outer.recv()
    inner.send("from the child")
    inner.close()
    outer.send("done")


def test_an_end_through_an_end():
    from multiprocessing import resource_sharer

    outer, theirs = Pipe()
    pid = fork(lambda: (outer.close(), _pass_on(theirs)))
    theirs.close()
    reader, writer = Pipe(duplex=False)
    outer.send(writer)
    writer.close()
    assert reader.recv() == "from the child"
    with pytest.raises(EOFError):
        reader.recv()
    assert outer.recv() == "done"
    assert reap(pid) == [0]
    reader.close()
    outer.close()
    resource_sharer.stop(timeout=20)


def message(size, number, who):
    body = bytes([who]) * size
    return b"%d %d %d " % (who, number, zlib.crc32(body)) + body


def check(data):
    """The sender and the number of a message that is as it was sent."""
    who, number, digest, body = data.split(b" ", 3)
    assert zlib.crc32(body) == int(digest)
    assert set(body) <= {int(who)}
    return int(who), int(number)


SIZES = (0, 10, 5_000, 31_000, 70_000, 400_000)


def send_for_ever(connection, who):
    number = 0
    while True:
        connection.send_bytes(message(SIZES[number * (who + 1) % len(SIZES)], number, who))
        number += 1


def test_many_writers_of_one_end_do_not_mix():
    reader, writer = Pipe(duplex=False)

    def send(who):
        for number in range(60):
            writer.send_bytes(message(SIZES[(number + who) % len(SIZES)], number, who))

    pids = [fork(send, who) for who in range(3)]
    writer.close()
    found = {who: [] for who in range(3)}
    for _ in range(180):
        who, number = check(reader.recv_bytes())
        found[who].append(number)
    assert all(numbers == list(range(60)) for numbers in found.values())
    with pytest.raises(EOFError):
        reader.recv_bytes()
    assert reap(*pids) == [0, 0, 0]
    reader.close()


@pytest.mark.parametrize("exact", [False, True], ids=["quiet", "exact"])
def test_killed_writers_damage_nothing(exact):
    """Two writers of one end are killed at random moments; the reader gets whole messages only."""
    reader, writer = Pipe(duplex=False)
    pids = [fork(send_for_ever, writer, who) for who in range(2)]
    last = {}

    def receive():
        if exact:
            assert multiprocessing.connection.wait([reader], 20) == [reader]
        who, number = check(reader.recv_bytes())
        assert number > last.get(who, -1)
        last[who] = number
        return who

    for kill in range(KILLS):
        for _ in range(kill % 7 + 1):
            receive()
        pid = pids.pop(0)
        os.kill(pid, signal.SIGKILL)
        assert reap(pid) == [-signal.SIGKILL]
        pids.append(fork(send_for_ever, writer, kill + 2))
        while receive() != kill + 2:
            pass
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    reap(*pids)
    reader.close()
    writer.close()


def test_killed_readers_damage_nothing():
    """Readers of one end are killed at random moments; the others get whole messages only."""
    reader, writer = Pipe(duplex=False)
    results, report = Pipe(duplex=False)

    def receive():
        while True:
            report.send(check(reader.recv_bytes()))

    pids = [fork(receive) for _ in range(2)]
    sender = fork(send_for_ever, writer, 1)
    for kill in range(KILLS):
        for _ in range(kill % 5 + 1):
            assert results.recv()[0] == 1
        pid = pids.pop(0)
        os.kill(pid, signal.SIGKILL)
        assert reap(pid) == [-signal.SIGKILL]
        pids.append(fork(receive))
    for pid in (*pids, sender):
        os.kill(pid, signal.SIGKILL)
    reap(*pids, sender)
    for connection in (reader, writer, results, report):
        connection.close()


def test_a_dead_reader_ends_a_sender_without_room():
    reader, writer = Pipe(duplex=False)
    pid = fork(lambda: (writer.close(), signal.pause()))
    reader.close()
    support.wait_until(lambda: support.state_of(pid) == "S", "the child pauses")
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(BrokenPipeError):
        writer.send_bytes(b"x" * (8 << 20))
    reap(pid)
    writer.close()


def test_a_daemon_thread_in_recv_when_the_interpreter_exits_holds_up_nobody(tmp_path):
    outcome = support.run_script(
        tmp_path,
        """
        import os, sys, threading, time
        from manyhands.connection import Pipe
        a, b = Pipe()
        pid = os.fork()
        if pid == 0:
            threading.Thread(target=b.recv, daemon=True).start()
            time.sleep(0.3)
            sys.exit(0)
        os.waitpid(pid, 0)
        a.send("for the parent")
        print(b.recv())
        """,
    )
    assert outcome.lines == ["for the parent"], outcome.err
