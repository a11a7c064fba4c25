"""Values that pickle refuses, or whose pickling goes wrong."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import mmap
import os
import sqlite3
import sys
import threading
import weakref
from pathlib import Path
from typing import Any

from .cases import Anything, Case, Private, Reduces, collect, throw, throws

UNSENDABLE: list[Case] = []


@collect(UNSENDABLE, "pickle")
def lock():
    return threading.Lock()


@collect(UNSENDABLE, "pickle")
def reentrant_lock():
    return threading.RLock()


@collect(UNSENDABLE, "pickle")
def condition_deep_inside():
    return {"a": [1, (2, {"b": Anything(c=threading.Condition())})]}


@collect(UNSENDABLE, "pickle")
def text_file():
    with Path(os.devnull).open() as made:  # closed: it makes no difference
        return made


@collect(UNSENDABLE, "pickle")
def binary_file():
    with Path(os.devnull).open("rb") as made:
        return made


@collect(UNSENDABLE, "pickle")
def generator():
    return (x for x in range(3))


@collect(UNSENDABLE, "pickle")
def coroutine():
    async def never_run():
        """Closed at once, so that nobody warns that it was not awaited."""

    made = never_run()
    made.close()
    return made


@collect(UNSENDABLE, "pickle")
def frame():
    return sys._getframe()


@collect(UNSENDABLE, "pickle")
def traceback_object():
    try:
        throw(ValueError)
    except ValueError as error:
        return error.__traceback__


@collect(UNSENDABLE, "pickle")
def view_of_bytes():
    return memoryview(b"abc")


@collect(UNSENDABLE, "pickle")
def thread():
    return threading.Thread()


@collect(UNSENDABLE, "pickle")
def weak_reference():
    return weakref.ref(Case)


@collect(UNSENDABLE, "pickle")
def memory_map():
    return mmap.mmap(-1, 4096)


@collect(UNSENDABLE, "pickle")
def database():
    made = sqlite3.connect(":memory:")
    made.close()
    return made


@collect(UNSENDABLE, "pickle")
def context():
    return contextvars.copy_context()


@collect(UNSENDABLE, "pickle")
def event_loop_future():
    loop = asyncio.new_event_loop()
    try:
        return loop.create_future()
    finally:
        loop.close()


@collect(UNSENDABLE, "pickle")
def too_deep():
    made: list[Any] = []
    for _ in range(100_000):
        made = [made]
    return made


@collect(UNSENDABLE, "pickle")
def endless_reduce():
    class Endless:
        def __reduce__(self):
            return Anything, (Endless(),)

    return Endless()


@collect(UNSENDABLE, "pickle")
def reduce_raises():
    return throws(ValueError)


@collect(UNSENDABLE, "pickle")
def reduce_exits():
    return throws(SystemExit)


@collect(UNSENDABLE, "pickle")
def reduce_raises_generator_exit():
    return throws(GeneratorExit)


@collect(UNSENDABLE, "pickle")
def reduce_raises_private():
    return throws(Private)


@collect(UNSENDABLE, "pickle")
def reduce_raises_stop_iteration():
    return throws(StopIteration)


@collect(UNSENDABLE, "pickle")
def reduce_gives_a_number():
    return Reduces(lambda: 42)


@collect(UNSENDABLE, "pickle")
def reduce_gives_an_empty_tuple():
    return Reduces(tuple)


@collect(UNSENDABLE, "pickle")
def reduce_gives_an_unknown_name():
    return Reduces(lambda: "no_such_name_anywhere")


@collect(UNSENDABLE, "pickle")
def state_raises():
    class StateRaises:
        def __getstate__(self):
            raise LookupError("no state")

    return StateRaises()


@collect(UNSENDABLE, "pickle")
def state_cannot_be_pickled():
    class BadState:
        def __getstate__(self):
            return {"held": threading.Lock()}

    return BadState()


@collect(UNSENDABLE, "pickle")
def lock_in_a_slot():
    class Slotted:
        __slots__ = ("held",)

    made = Slotted()
    made.held = threading.Lock()
    return made


@collect(UNSENDABLE, "pickle")
def lock_as_key():
    return {threading.Lock(): 1}


@collect(UNSENDABLE, "pickle")
def generator_in_a_set():
    return {(x for x in ())}


@collect(UNSENDABLE, "pickle")
def attributes_raise():
    class Raising:
        def __getattribute__(self, name):
            raise RuntimeError("do not look at me")

    return Raising()


@collect(UNSENDABLE, "pickle")
def closure_over_a_lock():
    held = threading.Lock()
    return lambda: held


@collect(UNSENDABLE, "pickle")
def default_is_a_lock():
    held = threading.Lock()
    return lambda held=held: held


@collect(UNSENDABLE, "pickle")
def partial_of_a_lock():
    return functools.partial(print, threading.Lock())


@collect(UNSENDABLE, "pickle")
def method_of_a_lock():
    return threading.Lock().acquire


@collect(UNSENDABLE, "pickle")
def repr_raises_too():
    class Silent:
        def __repr__(self):
            raise SystemExit("repr")

        def __reduce__(self):
            raise ValueError("reduce")

    return {Silent(): [Silent()]}


@collect(UNSENDABLE, "pickle")
def element_far_out():
    return [*range(5000), threading.Lock(), *range(5000)]


@collect(UNSENDABLE, "pickle")
def lock_in_a_self_reference():
    made: list[Any] = [1]
    made += [made, {"me": made, "held": threading.Lock()}]
    return made


@collect(UNSENDABLE, "pickle")
def false_class():
    class Liar:
        @property
        def __class__(self):
            return int

    return Liar()
