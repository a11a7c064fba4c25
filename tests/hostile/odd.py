"""Values that look hostile and must arrive; `same` tells whether they did."""

from __future__ import annotations

import collections
import datetime as dt
import decimal
import enum
import io
import os
import pathlib
import re
import sys
import types
from typing import Any

from .cases import Anything, Case, collect, recurse

ODD: list[Case] = []


@collect(ODD, "travels")
def self_reference():
    made: list[Any] = []
    made.append(made)
    return made


@collect(ODD, "travels")
def circle_of_objects():
    one, other = Anything(), Anything()
    one.other, other.one = other, one
    return one


@collect(ODD, "travels")
def huge_integer():
    return 7**40_000


@collect(ODD, "travels")
def not_a_number():
    return [float("nan"), float("inf"), -0.0]


@collect(ODD, "travels")
def lone_surrogate():
    return "\ud800"


@collect(ODD, "travels")
def deep_but_not_too_deep():
    made: tuple[Any, ...] = ()
    for _ in range(200):
        made = (made,)
    return made


@collect(ODD, "travels")
def singletons():
    return [None, True, False, Ellipsis, NotImplemented, type(None), type(...)]


@collect(ODD, "travels")
def types_without_a_name():
    return [types.FunctionType, types.GeneratorType, types.CellType, types.MappingProxyType]


@collect(ODD, "travels")
def a_lambda():
    return lambda x: x + 1


@collect(ODD, "travels")
def closure_on_itself():
    def factorial(n):
        return 1 if n == 0 else n * factorial(n - 1)

    return factorial


@collect(ODD, "travels")
def default_dictionary_of_a_lambda():
    return collections.defaultdict(lambda: 3, a=1)


@collect(ODD, "travels")
def instance_of_a_local_class():
    class Local(Anything):
        pass

    return Local(a=1)


@collect(ODD, "travels")
def member_of_a_local_enum():
    class Local(enum.Enum):
        A = 1

    return Local.A


@collect(ODD, "travels")
def unhelpful_comparisons():
    class Unhelpful:
        def __eq__(self, other):
            raise RuntimeError("no comparing")

        def __hash__(self):
            raise RuntimeError("no hashing")

        def __bool__(self):
            raise RuntimeError("neither true nor false")

        def __len__(self):
            raise RuntimeError("no length")

    return Unhelpful()


@collect(ODD, "travels")
def read_only_mapping():
    return types.MappingProxyType({"a": 1})


@collect(ODD, "travels")
def library_objects():
    return [
        decimal.Decimal("1.5"), dt.datetime(2026, 11, 1, tzinfo=dt.UTC),
        re.compile("a+"), pathlib.PurePosixPath("/a/b"), collections.deque([1, 2], maxlen=2),
        collections.Counter("aab"), collections.OrderedDict(a=1), frozenset({(1, 2)}),
        range(3), slice(1, 2), bytearray(b"x" * 100_000), 1j, io.BytesIO(b"x").getvalue(),
    ]  # fmt: skip


@collect(ODD, "travels")
def definitions():
    return [int, len, print, os.path.join, Anything, recurse, collections.OrderedDict, str.upper]


@collect(ODD, "travels")
def standard_error():
    return [sys.stderr, sys.stdout]


@collect(ODD, "travels")
def module_made_by_hand():
    made = types.ModuleType("made_by_hand")
    made.answer = 42
    return made


@collect(ODD, "travels")
def exception_with_attributes():
    made = ValueError("a", 1)
    made.extra = [1]
    return made


def same(value: Any, back: Any) -> bool:
    """Whether `back` is `value` after its journey, as far as can be told from outside."""
    if type(value) is int:
        return bool(value == back)
    if repr(value) == repr(back):
        return True
    if isinstance(value, types.FunctionType):
        return bool(value(5) == back(5))
    # A local class is made anew at each call, here and there.
    return type(value).__qualname__ == type(back).__qualname__ and _shape(value) == _shape(back)


def _shape(value: Any) -> Any:
    if isinstance(value, (collections.defaultdict, types.ModuleType)):
        return sorted(k for k in getattr(value, "__dict__", value) if not k.startswith("__"))
    return sorted(getattr(value, "__dict__", ()))
