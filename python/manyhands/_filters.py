"""The parent's warning filters in a child, without a module that only a filter mentions.

A filter names a class of warnings, and libraries that define such classes are heavy: numpy, pandas,
torch. A child that imported one because of a filter would pay for it, and open a GPU perhaps,
though nothing in it needs the library. So a class whose module is not loaded in the child yet is
stood for by an `Awaited`: a class that has no subclasses until its module is there, and then those
of the real one. Until then no warning of that class can exist, so nothing is lost; the order of the
filters stays, and no import is watched.

Refuses: to import anything. A class that its module does not know by its name is left out.
"""

from __future__ import annotations

import sys
from _pickle import dumps, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Awaited(type):
    """The type of classes that stand for a warning class whose module is not loaded."""

    def __subclasscheck__(cls, subclass: type) -> bool:
        real = _found(cls.__module__, cls.__qualname__)
        return real is not None and issubclass(subclass, real)


def take() -> list[bytes] | None:
    """The filters of this process, each by itself: one that cannot travel is left out."""
    if "warnings" not in sys.modules:
        return None
    taken = []
    for action, message, category, module, line in sys.modules["warnings"].filters:
        names = (category.__module__, category.__qualname__)
        try:
            if type(category) is not Awaited and _found(*names) is not category:
                continue
            taken.append(dumps((action, message, names, module, line), 5))
        except Exception:  # noqa: BLE001, S112 - whatever a foreign object's pickling may raise
            continue
    return taken


def restore(taken: list[bytes]) -> None:
    """Make them the filters of this process."""
    import warnings

    filters = []
    for entry in taken:
        action, message, (home, name), module, line = loads(entry)
        category = _found(home, name) or Awaited(name, (), {"__module__": home})
        filters.append((action, message, category, module, line))
    current: Any = warnings.filters
    if filters != current:
        current[:] = filters
        if hasattr(warnings, "_filters_mutated"):
            warnings._filters_mutated()  # noqa: SLF001 - forgets what was decided by the old ones


def _found(module: str, path: str) -> type | None:
    """The class of that name, if its module is loaded and has it."""
    found: Any = sys.modules.get(module)
    for name in path.split("."):
        try:
            # Not `getattr`: a lazy module would import what it is asked for.
            found = object.__getattribute__(found, "__dict__").get(name)
        except AttributeError:
            return None
    return found if isinstance(found, type) and not isinstance(found, Awaited) else None
