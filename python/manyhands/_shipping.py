"""The picklers of a call: for arguments, and for the definitions that these need.

Both note, while they pickle, which globals of `__main__` must be in the worker: `hard` ones before
the bytes are loaded (a class whose instance they hold), `soft` ones before the functions among
them run (what these read as globals).

This module refuses to send anything: `_code` ships what was noted.
"""

from __future__ import annotations

from . import _namespace, _pickling
from ._reduce import ValuePickler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from ._globals import Main
    from ._reduce import Writable


class ItemPickler(ValuePickler):
    """Pickles an argument: what `__main__` knows by name goes by name, and must be shipped."""

    def __init__(self, file: Writable, table: dict[type, Any], main: Main) -> None:
        super().__init__(file, table, main)
        self.hard: dict[str, Any] = {}
        self.soft: dict[str, None] = {}

    def refer(self, path: str, obj: Any) -> Any:
        """By name, always."""
        top = path.partition(".")[0]
        self.hard[top] = self.main.space[top]
        return _pickling.by_name(path, obj)

    def carry(self, reads: dict[str, Any]) -> dict[str, Any]:
        """None: each is a definition of its own, so that the latest one shipped is what counts."""
        self.soft.update(dict.fromkeys(reads))
        return {}


class CodePickler(ItemPickler):
    """Pickles definitions: those of `group` by value, the rest of `__main__` by name.

    Here data counts as well: an object that is the value of a global is that global wherever it
    appears, as a default argument or inside another one.
    """

    def __init__(
        self, file: Writable, table: dict[type, Any], main: Main, group: Iterable[str]
    ) -> None:
        super().__init__(file, table, main)
        self._group = frozenset(group)
        self._names = main.names()

    def persistent_id(self, obj: Any) -> str | None:
        """Called by the pickler for every object."""
        name = self._names.get(id(obj))
        if name is None or name in self._group or self.main.space.get(name) is not obj:
            return None
        self.hard[name] = obj
        return name

    def refer(self, path: str, obj: Any) -> Any:  # noqa: ARG002 (the pickler's interface)
        """What is not itself a global but part of one, such as a nested class."""
        top = path.partition(".")[0]
        if top in self._group:
            return None
        self.hard[top] = self.main.space[top]
        return _namespace.resolve, (path,)


class Binding:
    """Pickles as the setting of a global, so that it happens while the blob is loaded."""

    def __init__(self, name: str, value: Any) -> None:
        self._name = name
        self._value = value

    def __reduce__(self) -> Any:
        return _namespace.bind, (self._name, self._value)


class Call:
    """Pickles as a call."""

    def __init__(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        self._reduced = (function, arguments)

    def __reduce__(self) -> Any:
        return self._reduced
