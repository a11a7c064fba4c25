"""Tells, in about a microsecond, that a function or class is as it was when it was serialised.

A pool that gets `apply(f, ...)` fifty thousand times must not pickle `f` fifty thousand times, and
must not send a stale one either. So each definition of `__main__` that can be watched gets guards:
small objects that remember by identity what the definition consisted of. When all of them hold,
the bytes made earlier are still right.

What can be changed without any identity changing (a list, a dict, an instance) cannot be watched:
`watch` then gives None, and the definition is serialised again at each call and compared.

This module refuses to guess: what it does not know is not watched.
"""

from __future__ import annotations

import sys
from types import (
    FunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    ModuleType,
    WrapperDescriptorType,
)

from ._globals import ATOMS, LRU_CACHE, by_namespace, by_reference, names_read
from ._namespace import ABSENT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import CellType, CodeType
    from typing import Any, Protocol

    from ._globals import Main

    class Guard(Protocol):
        """Something that was true when a definition was serialised."""

        def holds(self) -> bool:
            """Whether it is true still."""


# Attributes of classes that hold containers, but are written by the class statement alone.
_METADATA = frozenset({
    "__annotations__", "__dataclass_fields__", "__dataclass_params__", "__match_args__",
    "__slots__", "__orig_bases__", "__parameters__", "__abstractmethods__", "__weakref__",
    "__dict__", "__static_attributes__", "__type_params__", "__annotations_cache__",
    "_abc_impl", "__slotnames__", "_fields", "_field_defaults", "__protocol_attrs__",
})  # fmt: skip
_CACHE = "__slotnames__"  # set on a class by copyreg when an instance is pickled
_DESCRIPTORS = (GetSetDescriptorType, MemberDescriptorType, WrapperDescriptorType)


class _Unwatchable(Exception):
    """The definition holds something that can change unseen."""


def watch(name: str, value: Any, main: Main) -> list[Guard] | None:
    """Guards that hold as long as the global `name`, which is `value`, is unchanged.

    None when nobody can tell. Other definitions that it refers to are not its parts.
    """
    watcher = _Watcher(name, main)
    try:
        watcher.add(value)
    except (_Unwatchable, RecursionError):
        return None
    return watcher.guards


class _FunctionGuard:
    """A function has its code, defaults and closure; what it found missing is missing still."""

    __slots__ = ("absent", "attributes", "cells", "code", "contents", "defaults", "function",
                 "kwdefaults", "space")  # fmt: skip

    def __init__(self, function: FunctionType) -> None:
        self.function = function
        self.code: CodeType = function.__code__
        self.defaults = function.__defaults__
        self.kwdefaults = dict(function.__kwdefaults__ or {})
        self.attributes = dict(function.__dict__)
        self.cells: tuple[CellType, ...] = function.__closure__ or ()
        self.contents = [_contents(cell) for cell in self.cells]
        self.space = function.__globals__
        self.absent = [name for name in names_read(self.code) if name not in self.space]

    def holds(self) -> bool:
        function = self.function
        return (
            function.__code__ is self.code
            and function.__defaults__ is self.defaults
            and _same_items(function.__kwdefaults__ or {}, self.kwdefaults)
            and _same_items(function.__dict__, self.attributes)
            and all(map(_is, map(_contents, self.cells), self.contents))
            and self.space.keys().isdisjoint(self.absent)
        )


class _PlainGuard:
    """The same for a function that has no closure, attributes or keyword defaults.

    It is what most functions are, and checked at every call.
    """

    __slots__ = ("absent", "code", "defaults", "function", "space")

    def __init__(self, whole: _FunctionGuard) -> None:
        self.function = whole.function
        self.code = whole.code
        self.defaults = whole.defaults
        self.space = whole.space
        self.absent = whole.absent

    def holds(self) -> bool:
        function = self.function
        return (
            function.__code__ is self.code
            and function.__defaults__ is self.defaults
            and not function.__kwdefaults__
            and not function.__dict__
            and (not self.absent or self.space.keys().isdisjoint(self.absent))
        )


class _ClassGuard:
    """A class has the same attributes, by identity."""

    __slots__ = ("attributes", "bases", "cls")

    def __init__(self, cls: type) -> None:
        self.cls = cls
        self.bases = cls.__bases__
        self.attributes = dict(vars(cls))
        self.attributes.pop(_CACHE, None)

    def holds(self) -> bool:
        now = vars(self.cls)
        count = len(now) - (_CACHE in now)
        return (
            self.cls.__bases__ is self.bases
            and count == len(self.attributes)
            and all(now.get(k, ABSENT) is v for k, v in self.attributes.items())
        )


class _Watcher:
    """Collects the guards of one definition, part by part."""

    def __init__(self, name: str, main: Main) -> None:
        self.guards: list[Guard] = []
        self._name = name
        self._main = main
        self._seen: set[int] = set()

    def add(self, value: Any) -> None:
        """Guard `value` and what it consists of; raise _Unwatchable if that cannot be done."""
        if id(value) in self._seen:
            return
        self._seen.add(id(value))
        kind = type(value)
        if kind in ATOMS or kind is ModuleType or value is ABSENT or self._elsewhere(value):
            return
        for part in self._parts(value, kind):
            self.add(part)

    def _parts(self, value: Any, kind: type) -> Iterable[Any]:
        if kind is tuple or kind is frozenset:
            parts: Iterable[Any] = value
        elif kind is FunctionType:
            parts = self._function_parts(value)
        elif kind is staticmethod or kind is classmethod:
            parts = (value.__func__,)
        elif kind is property:
            parts = (value.fget, value.fset, value.fdel)
        elif kind is LRU_CACHE:
            parts = (value.__wrapped__,)
        elif issubclass(kind, type):
            self.guards.append(_ClassGuard(value))
            parts = _class_parts(value)
        else:
            raise _Unwatchable
        return parts

    def _function_parts(self, function: FunctionType) -> Iterable[Any]:
        guard = _FunctionGuard(function)
        if guard.attributes.keys() - {"__wrapped__"}:
            raise _Unwatchable
        if guard.space is not self._main.space and not by_namespace(function):
            raise _Unwatchable  # its globals travel inside it
        plain = not (guard.attributes or guard.cells or guard.kwdefaults)
        self.guards.append(_PlainGuard(guard) if plain else guard)
        dataclasses = sys.modules.get("dataclasses")
        if dataclasses is not None and guard.space is vars(dataclasses):
            return ()  # the wrapper of __repr__, whose set of running calls is not worth watching
        return (
            *(guard.defaults or ()),
            *guard.kwdefaults.values(),
            *guard.contents,
            *guard.attributes.values(),
        )

    def _elsewhere(self, value: Any) -> bool:
        """Whether `value` is a definition of its own, or importable: only referred to here."""
        kind = type(value)
        if kind is FunctionType or kind is LRU_CACHE or issubclass(kind, type):
            path = self._main.path(value)
            return by_reference(value) or (path is not None and self._top(path) != self._name)
        name = self._main.name(value)
        return name is not None and name != self._name

    @staticmethod
    def _top(path: str) -> str:
        return path.partition(".")[0]


def _class_parts(cls: type) -> list[Any]:
    import enum

    attributes = [v for k, v in vars(cls).items() if k not in _METADATA]
    if issubclass(cls, enum.Enum):
        # The members and their indexes are written by the class statement alone.
        return [v for v in attributes if type(v) in (FunctionType, staticmethod, classmethod)]
    return [v for v in attributes if not isinstance(v, _DESCRIPTORS)]


def _contents(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return ABSENT


def _same_items(now: Mapping[str, Any], then: dict[str, Any]) -> bool:
    return len(now) == len(then) and all(now.get(k, ABSENT) is v for k, v in then.items())


def _is(one: Any, other: Any) -> bool:
    return one is other
