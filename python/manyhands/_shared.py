"""`Shared`: what stands for an object that was put into shared memory as a pickle.

The pickle lies there once. A process that gets the stand-in builds the object when it first uses
it, and keeps the objects that it used last, so that a thousand items with the same stand-in build
it once; those that are shared no more go when it builds the next one. Attributes, items, calls,
length, iteration, comparison and text are the object's own.

Refuses: to let the object be changed for others: each process has its own.
"""

from __future__ import annotations

from _pickle import PickleBuffer

from ._native import Cargo, adopt_cargo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    Name = tuple[int, int, int, int]

__all__ = ["Shared", "put"]

_KEPT = 16  # objects that a process keeps
_kept: dict[Name, Any] = {}


class Shared:
    """Stands for an object that `manyhands.share` has put into shared memory."""

    __slots__ = ("__weakref__", "_cargo")

    def __init__(self, cargo: Any) -> None:
        object.__setattr__(self, "_cargo", cargo)

    def __reduce__(self) -> tuple[Any, ...]:
        return Shared, (PickleBuffer(self._cargo),)

    def __getattr__(self, name: str) -> Any:
        return getattr(value_of(self), name)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"what is shared cannot be changed: {name!r} cannot be set")

    def __getitem__(self, key: Any) -> Any:
        return value_of(self)[key]

    def __contains__(self, part: object) -> bool:
        return part in value_of(self)

    def __len__(self) -> int:
        return len(value_of(self))

    def __bool__(self) -> bool:
        return bool(value_of(self))

    def __iter__(self) -> Iterator[Any]:
        return iter(value_of(self))

    def __call__(self, *args: Any, **kwds: Any) -> Any:
        return value_of(self)(*args, **kwds)

    def __eq__(self, other: object) -> bool:
        return bool(value_of(self) == (value_of(other) if type(other) is Shared else other))

    def __hash__(self) -> int:
        return hash(value_of(self))

    def __repr__(self) -> str:
        return repr(value_of(self))

    def __str__(self) -> str:
        return str(value_of(self))


def put(obj: Any) -> Shared:
    """Put an object into shared memory; its stand-in."""
    from ._by_item import dumps

    data = dumps(obj, "the shared object")
    cargo = Cargo(len(data), False)
    memoryview(cargo)[:] = data
    cargo.freeze()
    return Shared(cargo)


def value_of(shared: Shared) -> Any:
    """The object itself, as this process has it."""
    from ._pickling import loads_cargo

    cargo = shared._cargo  # noqa: SLF001 - our own
    if not isinstance(cargo, Cargo):
        return loads_cargo(cargo, None)
    name = cargo.name()
    try:
        value = _kept.pop(name)
    except KeyError:
        _forget_the_gone()
        value = loads_cargo(cargo, None)
    _kept[name] = value  # the one that was used last is the last one
    while len(_kept) > _KEPT:
        _kept.pop(next(iter(_kept)), None)
    return value


def _forget_the_gone() -> None:
    """Drop the objects whose shared memory nobody has any more: no stand-in can ask for them."""
    for name in list(_kept):
        try:
            adopt_cargo(*name)
        except ReferenceError:
            _kept.pop(name, None)
