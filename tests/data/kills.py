"""Kills on either side of what carries an object, for kinds that need a library of their own.

The object of an `ObjectKind` is made by name, here and in the process that dies with it.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import samples

import manyhands

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class ObjectKind:
    """How an object is made, by a function that a child can import, and how it is compared."""

    make: Callable[..., Any]
    arguments: tuple[Any, ...]
    same: Callable[[Any, Any], bool]

    def new(self):
        return self.make(*self.arguments)

    def check(self, obj):
        assert self.same(obj, self.new())


def check_all(kind):
    """A worker, a producer, a consumer, a sender and a receiver die with the object in hand."""
    in_a_pool(kind)
    in_a_queue(kind)
    in_a_pipe(kind)


def in_a_pool(kind):
    with manyhands.Pool(1) as pool:
        with pytest.raises(manyhands.WorkerDied):
            pool.apply(samples.die, (kind.new(),))
        with pytest.raises(manyhands.WorkerDied):
            pool.apply(_make_and_die, (kind.make, kind.arguments))
        kind.check(pool.apply(kind.make, kind.arguments))


def in_a_queue(kind):
    queue = manyhands.Queue()
    _run(_put_and_die, queue, kind.make, kind.arguments)
    queue.put(kind.new())
    _run(samples.take_two_and_die, queue)
    for _ in range(2):
        kind.check(queue.get(timeout=30))
    assert queue.empty()


def in_a_pipe(kind):
    here, there = manyhands.Pipe()
    _run(_send_and_die, there, kind.make, kind.arguments)
    there.close()
    kind.check(here.recv())
    with pytest.raises(EOFError):
        here.recv()
    here.close()
    here, there = manyhands.Pipe()
    here.send(kind.new())
    here.send(kind.new())
    _run(samples.receive_and_die, there)
    kind.check(there.recv())
    here.close()
    there.close()


def _run(target, *args):
    process = manyhands.Process(target=target, args=args)
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    process.close()


def _make_and_die(make, arguments):
    made = make(*arguments)
    samples.die(made)


def _put_and_die(queue, make, arguments):
    for _ in range(3):
        queue.put(make(*arguments))
    samples.die(None)


def _send_and_die(connection, make, arguments):
    connection.send(make(*arguments))
    samples.die(None)
