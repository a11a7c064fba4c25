"""Objects that make multiprocessing hang, lose results or end the program: a corpus for all tests.

Lists of `Case(name, make, fate)`; `make()` gives a new object each time.

`VALUES` are for use as argument, result or initializer argument. Their fate is what must happen:

- `"travels"`: it arrives, and `same(value, back)` holds
- `"pickle"`: sending it is a `PicklingError`
- `"unpickle"`: it can be sent, and receiving it is an `UnpicklingError`
- `"dies"`: receiving it ends the process that does (never to be received in the parent)

`EXCEPTIONS` are for tasks to raise. Their fate is the type that the caller must catch: `"itself"`,
`"TaskExit"` or `"RemoteError"`.

`PLACES` says where each of them is tried, with those alone that must end in an error.

The package must be importable in workers, so that most of its classes go by reference.
"""

from __future__ import annotations

from typing import Any

from .cases import (
    Anything,
    Case,
    Loads,
    NeedsArguments,
    Private,
    Reduces,
    SetState,
    recurse,
    throw,
    throws,
)
from .exceptions import EXCEPTIONS
from .odd import ODD, same
from .unloadable import UNLOADABLE
from .unsendable import UNSENDABLE

__all__ = [
    "EXCEPTIONS",
    "PLACES",
    "VALUES",
    "Anything",
    "Case",
    "Loads",
    "NeedsArguments",
    "Private",
    "Reduces",
    "SetState",
    "identity",
    "raise_exception_called",
    "recurse",
    "same",
    "throw",
    "throws",
    "value_called",
]

VALUES = [*UNSENDABLE, *UNLOADABLE, *ODD]

_ERRORS = [*UNSENDABLE, *UNLOADABLE]
_RECEIVED = [case for case in _ERRORS if case.fate != "dies"]

PLACES = {
    "argument": _ERRORS,
    "result": _RECEIVED,
    "exception": EXCEPTIONS,
    "initializer argument": _ERRORS,
    "queue item": _ERRORS,
}


def identity(x: Any) -> Any:
    return x


def value_called(name: str) -> Any:
    """The hostile value of that name: a task whose result is hostile."""
    return next(case.make() for case in VALUES if case.name == name)


def raise_exception_called(name: str) -> Any:
    """A task that raises the hostile exception of that name."""
    raise next(case.make() for case in EXCEPTIONS if case.name == name)
