"""What the corpus is made of: the case, and classes that misbehave when they are pickled or loaded.

All of it goes by reference: a worker imports this module.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable


class Case(NamedTuple):
    """One hostile object."""

    name: str
    make: Callable[[], Any]
    fate: str


def collect(cases: list[Case], fate: str) -> Callable[[Callable[[], Any]], Callable[[], Any]]:
    """A decorator that adds what a function makes to `cases`, named after the function."""

    def add(make: Callable[[], Any]) -> Callable[[], Any]:
        cases.append(Case(make.__name__, make, fate))
        return make

    return add


class Private(BaseException):
    """A BaseException of a user's own."""


class Reduces:
    """Runs something when it is pickled."""

    def __init__(self, action: Callable[[], Any]) -> None:
        self.action = action

    def __reduce__(self) -> Any:
        return self.action()


class Loads:
    """Runs a function when it is unpickled."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


def throw(kind: type[BaseException], *arguments: Any) -> Any:
    raise kind(*arguments)


def recurse() -> Any:
    return recurse()


def throws(kind: type[BaseException]) -> Reduces:
    return Reduces(functools.partial(throw, kind, "hostile"))


class Anything:
    """Takes any attributes; equal when they are."""

    def __init__(self, **attributes: Any) -> None:
        self.__dict__.update(attributes)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Anything) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return 1


class SetState:
    """Runs something in __setstate__."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.function = function
        self.arguments = arguments

    def __setstate__(self, state: dict[str, Any]) -> None:
        state["function"](*state["arguments"])


class NeedsArguments(Exception):
    """Pickle gives its constructor one argument; it wants two."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
