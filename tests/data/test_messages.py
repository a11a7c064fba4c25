"""Large data through pipes: how much is under way, and what becomes of it when a reader is slow."""

from __future__ import annotations

import os
import signal
import threading

import numpy as np
import pytest
import samples
import support
from usage import SLACK, used

import manyhands
from manyhands import _native
from manyhands.connection import Pipe

pytestmark = [
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded"),
    pytest.mark.usefixtures("memory_comes_back"),
]

MOST = 8 << 20  # bytes that may be under way in one direction


class Sender(threading.Thread):
    """Sends what it is given; `sent` counts."""

    def __init__(self, connection, objects):
        super().__init__(daemon=True)
        self.connection, self.objects = connection, objects
        self.sent, self.error = 0, None
        self.start()

    def run(self):
        try:
            for obj in self.objects:
                self.connection.send(obj)
                self.sent += 1
        except OSError as error:
            self.error = error


def settled(sender):
    """How many messages it has sent when it sends no more, one at least."""
    seen = [-1] * 40

    def still():
        seen.append(sender.sent)
        return sender.sent > 0 and len(set(seen[-40:])) == 1

    support.wait_until(still, lambda: f"it goes on after {sender.sent}")
    return sender.sent


@pytest.mark.parametrize("size", [20_000, 400_000, 3_000_000, 20_000_000])
def test_a_sender_waits_for_a_reader_that_is_slow(size):
    here, there = Pipe()
    before, count = used(), max(4, 3 * MOST // size)
    with here, there:
        sender = Sender(here, (np.full(size // 8, float(number)) for number in range(count)))
        under_way = settled(sender)
        assert 1 <= under_way < count
        assert under_way * size <= max(MOST, 2 * size)
        # One more has its copy already; a copy may be rounded up to huge pages.
        assert used() - before <= (under_way + 1) * (size + 4096) * 9 // 8 + SLACK
        for number in range(count):
            assert there.recv()[-1] == number
        sender.join()
        assert sender.error is None


def test_as_much_as_a_socket_takes_passes_without_a_reader():
    here, there = Pipe()
    with here, there:
        for number in range(150):
            here.send(np.full(5_000, float(number)))
        assert [there.recv()[0] for _ in range(150)] == list(range(150))
        here.send(np.ones(6_000_000))
        assert there.recv().sum() == 6e6


def test_light_and_heavy_ones_keep_their_order():
    sizes = [3, 40_000, 5, 3_000_000, 30_000, 100, 2_000_000, 7, 1_100_000, 50_000] * 3
    here, there = Pipe()
    with here, there:
        sender = Sender(here, (np.full(size, float(n)) for n, size in enumerate(sizes)))
        for number, size in enumerate(sizes):
            array = there.recv()
            assert array.shape == (size,)
            assert array[0] == array[-1] == number
        sender.join()


def test_several_senders_and_readers_of_one_pipe():
    here, there = Pipe()
    with here, there:
        senders = [Sender(here, (np.full(200_000, float(n)) for n in range(40))) for _ in range(2)]
        totals = []

        def take():
            totals.extend(there.recv()[7] for _ in range(40))

        takers = [threading.Thread(target=take) for _ in range(2)]
        for thread in takers:
            thread.start()
        for thread in (*takers, *senders):
            thread.join()
        assert sorted(totals) == sorted([*range(40)] * 2)


def test_a_sender_that_waits_learns_that_the_reader_is_gone():
    here, there = Pipe()
    there_too = os.dup(there.fileno())
    sender = Sender(here, (np.ones(500_000) for _ in range(20)))
    assert settled(sender) < 20
    there.close()
    assert settled(sender) < 20  # somebody else could read still
    os.close(there_too)
    sender.join(30)
    assert isinstance(sender.error, BrokenPipeError)
    here.close()


def test_a_reader_that_is_killed_while_a_sender_waits():
    here, there = Pipe()
    process = manyhands.Process(target=samples.receive_and_die, args=(there,))
    process.start()
    there.close()
    sender = Sender(here, (np.ones(500_000) for _ in range(50)))
    process.join()
    process.close()
    sender.join(30)
    assert isinstance(sender.error, BrokenPipeError)
    here.close()


def test_a_sender_that_is_killed_while_it_waits():
    here, there = Pipe()
    ready, told = Pipe(duplex=False)
    process = manyhands.Process(target=samples.send_for_ever, args=(here, told))
    process.start()
    here.close()
    told.close()
    count = 0
    while ready.poll(1):
        count = ready.recv()
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    for number in range(count):
        assert there.recv()[0] == number
    with pytest.raises(EOFError):
        there.recv()
    process.close()
    there.close()
    ready.close()


def test_nobody_ever_reads():
    """Both ends are dropped with messages in the pipe: their memory comes back."""
    here, there = Pipe()
    here.send(samples.numbers())
    here.send([samples.numbers(), "x" * 100_000])
    del here, there


def test_ctrl_c_while_a_sender_waits_sends_nothing():
    here, there = Pipe()
    array = np.ones(1_500_000)
    here.send(array)
    signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        with pytest.raises(InterruptedError, match="by hand"):
            send_often(here, array)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
    received = 0
    while there.poll():
        assert there.recv()[5] == 1
        received += 1
    assert received <= 2
    here.send("next")
    assert there.recv() == "next"
    here.close()
    there.close()


def send_often(connection, array):
    for _ in range(10):
        connection.send(array)


def interrupt(_number, _frame):
    raise InterruptedError("by hand")


def test_a_pipe_waits_for_memory_as_long_as_its_reader_gives_some_back(tmp_path):
    outcome = support.run_script(
        tmp_path,
        """
        import manyhands as mp
        import numpy as np

        def read(connection):
            for number in range(12):
                array = connection.recv()
                assert array[0] == array[-1] == number
                del array
            connection.send("all")

        here, there = mp.Pipe()
        reader = mp.Process(target=read, args=(there,))
        reader.start()
        for number in range(12):
            here.send(np.full(1_000_000, float(number)))
        print(here.recv())
        reader.join()
        try:
            here.send(np.ones(10_000_000))
        except MemoryError as error:
            print("MANYHANDS_MEMORY" in str(error), there.poll())
        here.send(np.ones(10))
        print(there.recv().sum())
        """,
        env={"MANYHANDS_MEMORY": "28M"},
    )
    assert outcome.lines == ["all", "True False", "10.0"], outcome.err


def test_what_has_its_own_memory_is_copied_once_each_way():
    """A text or a `bytearray` lies in a block, `bytes` go through the ring."""
    here, there = Pipe()
    with here, there:
        for obj in ("ä" * 400_000, bytearray(b"x" * 400_000)):
            before = _native.usage()[0] - _native.usage()[1]
            here.send(obj)
            assert _native.usage()[0] - _native.usage()[1] >= before + 400_000
            back = there.recv()
            assert back == obj
            assert type(back) is type(obj)
        here.send("ü" * 400_000)
        assert there.recv_bytes()  # its pickle


def test_a_connection_does_not_make_pickling_slow():
    """What else is sent needs no pickler of Python's."""
    from manyhands import _pickling

    Pipe()
    assert not _pickling.needs_forking_pickler()
