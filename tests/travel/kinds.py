"""Every kind of shared object: how it is made, changed in one process, seen in another.

`touch` changes an object, `touched` says whether it was changed. Both are given the object itself,
so that a copy is found out: what a child does to a copy cannot be seen in the parent.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import manyhands
from manyhands import sharedctypes

if TYPE_CHECKING:
    from collections.abc import Callable


class Point(ctypes.Structure):
    _fields_ = (("x", ctypes.c_int), ("y", ctypes.c_double))


@dataclass(frozen=True)
class Kind:
    name: str
    make: Callable[[], Any]
    touch: Callable[[Any], object]
    touched: Callable[[Any], bool]

    def __repr__(self):
        return self.name


def set_value(obj):
    obj.value = 7


def set_first(obj):
    obj[0] = 7


def set_x(obj):
    obj.x = 7


def set_text(obj):
    obj.value = b"abc"


def take(lock):
    lock.acquire()
    lent.append(lock)


def taken(lock):
    return not lock.acquire(False)


lent = []

KINDS = [
    Kind("RawValue", lambda: sharedctypes.RawValue("i"), set_value, lambda o: o.value == 7),
    Kind("RawArray", lambda: sharedctypes.RawArray("d", 3), set_first, lambda o: o[0] == 7),
    Kind("RawStruct", lambda: sharedctypes.RawValue(Point), set_x, lambda o: o.x == 7),
    Kind(
        "Matrix",
        lambda: sharedctypes.RawArray(ctypes.c_int * 2, 2),
        lambda o: set_first(o[1]),
        lambda o: o[1][0] == 7,
    ),
    Kind("Value", lambda: manyhands.Value("i"), set_value, lambda o: o.value == 7),
    Kind("ValueOfShort", lambda: manyhands.Value("h"), set_value, lambda o: o.value == 7),
    Kind("Struct", lambda: manyhands.Value(Point), set_x, lambda o: o.x == 7),
    Kind("Array", lambda: manyhands.Array("d", 3), set_first, lambda o: o[0] == 7),
    Kind("String", lambda: manyhands.Array("c", 3), set_text, lambda o: o.value == b"abc"),
    Kind("Lock", manyhands.Lock, take, taken),
    Kind("Semaphore", manyhands.Semaphore, take, lambda o: o.get_value() == 0),
    Kind("Event", manyhands.Event, lambda o: o.set(), lambda o: o.is_set()),
    Kind("Atomic", manyhands.Atomic, lambda o: o.add(7), lambda o: o.load() == 7),
    Kind("Barrier", lambda: manyhands.Barrier(2), lambda o: o.abort(), lambda o: o.broken),
    Kind("Queue", manyhands.Queue, lambda o: o.put([7]), lambda o: o.qsize() > 0),
    Kind("SimpleQueue", manyhands.SimpleQueue, lambda o: o.put(7), lambda o: not o.empty()),
    Kind("JoinableQueue", manyhands.JoinableQueue, lambda o: o.put(7), lambda o: o.qsize() > 0),
]

BY_NAME = {kind.name: kind for kind in KINDS}


class Holder:
    """An object of a user's that holds one of ours."""

    def __init__(self, held):
        self.held = held


WRAPPERS = {
    "bare": (lambda obj: obj, lambda wrapped: wrapped),
    "list": (lambda obj: [1, obj], lambda wrapped: wrapped[1]),
    "dict": (lambda obj: {"a": obj}, lambda wrapped: wrapped["a"]),
    "instance": (Holder, lambda wrapped: wrapped.held),
    "twice": (lambda obj: (obj, [obj]), lambda wrapped: wrapped[1][0]),
}


def touch(name, wrapper, wrapped):
    """What a child does: change the object that arrived."""
    BY_NAME[name].touch(WRAPPERS[wrapper][1](wrapped))


def touch_and_return(name, wrapper, wrapped):
    touch(name, wrapper, wrapped)
    return wrapped


def make_touched(name):
    """What a worker does: make an object, and give it away."""
    obj = BY_NAME[name].make()
    BY_NAME[name].touch(obj)
    return obj


def raise_with(name):
    error = ValueError("with luggage")
    error.luggage = make_touched(name)
    raise error


def touch_all(wrapper, wrapped):
    for name, obj in wrapped.items():
        touch(name, wrapper, obj)


def copy_value(source, target):
    target.value = source.value


def hand_on(method, value):
    found = manyhands if method == "template" else multiprocessing
    process = found.get_context(method).Process(target=set_value, args=(value,))
    process.start()
    process.join()


kept = {}


def keep(objects):
    kept.update(objects)


def touch_kept():
    for name, obj in kept.items():
        BY_NAME[name].touch(obj)


def kept_value():
    return kept["RawValue"].value


def value_of(value):
    return value.value


def same(value):
    return value


def make_large():
    return sharedctypes.RawArray("b", 4 << 20)


def make_large_and_drop(_):
    make_large()


def die_with(value):
    kept["dying"] = value
    os.kill(os.getpid(), signal.SIGKILL)


def serve(name, there, back):
    while (item := there.get()) is not None:
        BY_NAME[name].touch(item["it"])
        back.put([item["it"]])


def put_and_die(queue):
    queue.put(sharedctypes.RawValue("i", 5))
    inner = manyhands.Queue()
    inner.put("inside")
    queue.put(inner)
    os.kill(os.getpid(), signal.SIGKILL)
