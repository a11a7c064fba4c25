"""What a handler of a signal raises is meant for the program, whatever was being pickled just then.

The objects here raise the signal themselves, in the middle of their own pickling or rebuilding: so
the moment is always the same.
"""

from __future__ import annotations

import functools
import os
import signal
import sys

import pytest
import tasks
from interrupt_tasks import NUMBER, Interrupts, armed, interrupt_once, interrupting, value_of
from support import LIMIT, processes

import manyhands


class LateError(Exception):
    """The timeout of a program's own."""


def leaves(_number, _frame):
    signal.signal(NUMBER, signal.SIG_IGN)  # as those do that clean up
    sys.exit(3)


def late(*_):
    raise LateError


class Object:
    def __call__(self, number, frame):
        late(number, frame)

    def method(self, number, frame, *, more=None):
        late(number, frame, more)


HANDLERS = {
    "Ctrl-C": (signal.default_int_handler, KeyboardInterrupt),
    "exit": (leaves, SystemExit),
    "lambda": (lambda *_: sys.exit(3), SystemExit),
    "late": (late, LateError),
    "object": (Object(), LateError),
    "method": (Object().method, LateError),
    "partial": (functools.partial(Object.method, Object()), LateError),
}


@pytest.fixture(params=HANDLERS)
def expected(request):
    handler, kind = HANDLERS[request.param]
    before = signal.signal(NUMBER, handler)
    armed[:] = [True]
    yield kind
    armed.clear()
    signal.signal(NUMBER, before)


CALLS = {
    "apply": lambda pool, odd: pool.apply(value_of, (odd,)),
    "apply_async": lambda pool, odd: pool.apply_async(value_of, (), {"item": odd}),
    "map": lambda pool, odd: pool.map(value_of, [1, odd, 2]),
    "map, errors": lambda pool, odd: pool.map(value_of, [1, odd, 2], errors="return"),
    "map_async": lambda pool, odd: pool.map_async(value_of, [1, odd], errors="return"),
    "imap": lambda pool, odd: list(pool.imap(value_of, [1, odd, 2], errors="return")),
    "function": lambda pool, odd: pool.apply(functools.partial(value_of, odd)),
    "closure": lambda pool, odd: pool.apply(lambda: odd.value),
    "initializer": lambda _, odd: manyhands.Pool(1, value_of, (odd,)).apply(abs, (1,)),
    "Queue.put": lambda _, odd: manyhands.Queue().put(odd),
    "Pipe.send": lambda _, odd: manyhands.Pipe()[1].send(odd),
    "Process": lambda _, odd: manyhands.Process(target=value_of, args=(odd,)).start(),
    "share": lambda _, odd: manyhands.share(odd),
}


@processes
@pytest.mark.parametrize("name", CALLS)
def test_while_something_is_pickled(make_pool, expected, name):
    pool = make_pool(1)
    with pytest.raises(expected):
        CALLS[name](pool, Interrupts("dumps"))
    assert pool.map(abs, [-1, -2]) == [1, 2]


@processes
@pytest.mark.parametrize("many", [False, True])
def test_a_result_that_was_interrupted_can_be_had_again(make_pool, expected, many):
    pool = make_pool(1)
    if many:
        result = pool.map_async(interrupting, range(3), errors="return")
    else:
        result = pool.apply_async(interrupting, (7,))
    with pytest.raises(expected):
        result.get(LIMIT)
    got = result.get(LIMIT)
    assert [item.value for item in got] == [0, 1, 2] if many else got.value == 7
    assert result.ready()
    assert result.successful()


@processes
@pytest.mark.parametrize("errors", ["raise", "return"])
def test_an_interrupt_is_no_items_failure(make_pool, expected, errors):
    pool = make_pool(1)
    with pytest.raises(expected):
        pool.map(interrupting, range(3), errors=errors)
    assert pool.map(abs, [-1, -2]) == [1, 2]


@processes
@pytest.mark.parametrize("at", ["loads", "dumps", "source"])
def test_lazy_results_go_on_after_an_interrupt(make_pool, expected, at):
    pool, many = make_pool(1), 20_000  # more than is pulled before the first result

    def pull(index):
        if at == "source" and index == many - 5:
            interrupt_once()
        return Interrupts(at, index) if at == "dumps" and index == many - 5 else index

    task = interrupting if at == "loads" else value_of
    lazy, got, interrupts = pool.imap(task, map(pull, range(many)), errors="return"), [], 0
    while True:
        try:
            got.append(value_of(next(lazy)))
        except StopIteration:
            break
        except expected:
            interrupts += 1
    assert interrupts == 1
    # What a source had in hand is the source's: it is asked for the next one.
    lost = {many - 5} if at == "source" else set()
    assert got == [index for index in range(many) if index not in lost]


@pytest.mark.parametrize("kind", ["Queue", "Pipe"])
def test_while_an_item_is_rebuilt(expected, kind):
    if kind == "Queue":
        queue = manyhands.Queue()
        queue.put(Interrupts("loads"))
        receive = queue.get
    else:
        reader, writer = manyhands.Pipe()
        writer.send(Interrupts("loads"))
        receive = reader.recv
    with pytest.raises(expected):
        receive()


@processes
def test_what_an_object_raises_by_itself_is_its_own_failure(make_pool):
    class Exits:
        def __reduce__(self):
            self.frame = sys._getframe(1)
            raise SystemExit(os.EX_USAGE)

    pool = make_pool(1)
    with pytest.raises(manyhands.PicklingError):
        pool.apply(value_of, (Exits(),))
    got = pool.map(tasks.square, [1, Exits(), 3], errors="return")
    assert [got[0], type(got[1]), got[2]] == [1, manyhands.PicklingError, 9]
