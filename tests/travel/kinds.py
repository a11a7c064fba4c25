"""Every kind of shared object that there is: how it is made, changed in one process, seen in another.

`touch` changes an object, `touched` says whether it was changed. Both are given the object itself, so
that a copy is found out: what a child does to a copy cannot be seen in the parent.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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
