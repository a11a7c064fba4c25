"""What a pool remembers of the code that it has serialised.

Each call looks whether what it needs has changed since; when nothing has, the blobs of the earlier
call are used again, which costs about a microsecond and sends nothing (see `_stable`).

This module refuses to serialise: that is `_code`.
"""

from __future__ import annotations

from itertools import count
from types import BuiltinFunctionType, FunctionType, ModuleType

from ._globals import by_reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _pickle import PickleError
    from collections.abc import Iterable
    from typing import Any

    from ._native import Collector
    from ._stable import Guard

_MAX_PLANS = 1024  # functions; a program that makes more of them does not repeat them
_KEEP = 4096  # bytes of a blob that are kept to compare with; larger ones by their hash
_WATCHED = frozenset({FunctionType, BuiltinFunctionType})


class Definition:
    """A global of `__main__` as it was when it was last serialised."""

    __slots__ = (
        "data", "failure", "guards", "hard", "mark", "met",
        "name", "number", "soft", "stamp", "value",
    )  # fmt: skip

    def __init__(self, name: str, value: Any) -> None:
        self.name = name
        self.value = value
        self.data: bytes | None = None  # until it is registered
        self.met: Collector | None = None  # what is kept alive as long as the bytes
        self.mark = b""  # equal for equal bytes
        self.hard: dict[str, Any] = {}  # what must exist before this is loaded: name, object
        self.soft: dict[str, None] = {}  # what must exist before its functions run
        self.guards: list[Guard] | None = None
        self.failure: PickleError | None = None
        self.number: int | None = None
        self.stamp = b""  # what it referred to when it was registered

    def release(self) -> None:
        """Keep no object alive that is only compared as bytes."""
        if self.guards is None:
            self.value = None
            self.hard = {}

    def unchanged(self, space: dict[str, Any]) -> bool:
        """Whether serialising it now would give the same bytes; False when nobody can tell."""
        return (
            self.guards is not None
            and space.get(self.name) is self.value
            and all(guard.holds() for guard in self.guards)
            and all(space.get(name) is held for name, held in self.hard.items())
        )


class Plan:
    """What a function needed when it was shipped, and how to tell that it needs the same now."""

    __slots__ = ("_bound", "_guards", "_space", "numbers")

    def __init__(
        self, space: dict[str, Any], bound: dict[str, Any], guards: list[Guard], numbers: list[int]
    ) -> None:
        self.numbers = numbers
        self._space = space
        self._bound = list(bound.items())
        self._guards = guards

    def holds(self) -> bool:
        """Whether the names are bound as they were, and to things that have not changed."""
        space = self._space
        for name, value in self._bound:
            if space.get(name) is not value:
                return False
        for guard in self._guards:  # noqa: SIM110 (a generator costs more than the loop)
            if not guard.holds():
                return False
        return True


class Codebook:
    """What one pool has serialised, so that later calls can use it again.

    It belongs to the engine whose numbers it holds. Several threads may use it at once.
    """

    def __init__(self) -> None:
        self.definitions: dict[str, Definition] = {}
        self.groups: dict[tuple[str, ...], tuple[tuple[bytes, ...], int]] = {}
        self.roots: dict[str, tuple[bytes, int]] = {}
        self.unsent: dict[str, tuple[str, int]] = {}
        self.plans: dict[Any, Plan] = {}
        # The blob that last set a name. A name that goes back to an earlier value needs a blob of
        # its own: the workers have loaded the earlier one already, and would not load it again.
        self.current: dict[str, int] = {}
        self._serial = count()

    def is_current(self, names: Iterable[str], number: int) -> bool:
        """Whether a blob is still what last set each of these names."""
        return all(self.current.get(name) == number for name in names)

    def stamp(self, names: Iterable[str]) -> bytes:
        """Which blobs set these names: what refers to them by name is another thing after a change.

        Bytes, to be put behind a pickle; empty for no names.
        """
        return b"".join(b"#%s=%d" % (n.encode(), self.current.get(n, -1)) for n in sorted(names))

    def distinct(self, data: bytes) -> bytes:
        """The same pickle as bytes that no blob had before; what follows a pickle is not read."""
        return b"%b#%d" % (data, next(self._serial))

    def known(self, func: Any) -> list[int] | None:
        """The blobs that a function needs, its own last, if it was shipped and has not changed.

        None otherwise; a `Shipper` finds out. This is the short way for a pool that runs the same
        function many times.
        """
        if type(func) not in _WATCHED:
            return None
        plan = self.plans.get(func)
        return plan.numbers if plan is not None and plan.holds() else None

    def plan(self, func: Any, plan: Plan) -> None:
        """Keep the plan for a function."""
        if len(self.plans) >= _MAX_PLANS:
            self.plans.clear()
        self.plans[func] = plan

    def is_watched(self, func: Any) -> bool:
        """Whether `func` is of a kind that a plan can be kept for."""
        return type(func) in _WATCHED


def is_reference(func: Any) -> bool:
    """Whether a callable is one that any process gets by importing its module."""
    kind = type(func)
    if kind is BuiltinFunctionType:
        return isinstance(func.__self__, ModuleType)
    return (kind is FunctionType or issubclass(kind, type)) and by_reference(func)


def mark_of(data: bytes) -> bytes:
    """Something short that is equal for equal bytes, and no others."""
    if len(data) <= _KEEP:
        return data
    from _blake2 import blake2b

    return blake2b(data).digest()
