"""What a function reads from its globals, and what can be imported instead of being shipped.

`names_read` looks at the bytecode: names that are loaded as globals, in the function and in every
function and class body nested in it. A name that is only stored (`global model; model = ...`) is
not read, so its value in the parent need not travel.

`importable` says whether another process gets the same module by importing it. Being in
`sys.modules` is not enough: modules made by hand, or imported by a tool's own loader, are there
too. The finders are asked, once per module.

`Main` is the parent's `__main__`: it finds the name under which an object is known there.

This module refuses to pickle anything.
"""

from __future__ import annotations

import functools
import sys
import weakref
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAIN_MODULES = frozenset({"__main__", "__mp_main__"})
"""The names that the module of the user's script goes by (the second one in spawned children)."""

ATOMS = frozenset({
    type(None), bool, int, float, complex, str, bytes, range, type(Ellipsis), type(NotImplemented),
})  # fmt: skip
"""Immutable types whose values have no identity that a program may rely on."""

LRU_CACHE: type = type(functools.lru_cache(len))
"""The type of functions that `functools.lru_cache` wraps."""

_READS = frozenset({
    "LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS", "DELETE_GLOBAL",
})  # fmt: skip
_NEVER = frozenset({"__builtins__", "__spec__", "__loader__", "__name__"})

_read_by: weakref.WeakKeyDictionary[CodeType, tuple[str, ...]] = weakref.WeakKeyDictionary()
_importable: dict[str, tuple[ModuleType, bool]] = {}


def names_read(code: CodeType) -> tuple[str, ...]:
    """The global names that `code` and the code nested in it read, in order, each once."""
    known = _read_by.get(code)
    if known is None:
        known = _read_by[code] = tuple(dict.fromkeys(_walk_reads(code)))
    return known


def _walk_reads(code: CodeType) -> list[str]:
    import dis

    found = [i.argval for i in dis.get_instructions(code) if i.opname in _READS]
    for const in code.co_consts:
        if isinstance(const, CodeType):
            found.extend(_walk_reads(const))
    return [name for name in found if name not in _NEVER]


def attribute_names(code: CodeType) -> set[str]:
    """Every name that `code` and the code nested in it mention, attributes included."""
    names = set(code.co_names)
    for const in code.co_consts:
        if isinstance(const, CodeType):
            names |= attribute_names(const)
    return names


def submodules_used(code: CodeType, package: ModuleType) -> list[str]:
    """Loaded submodules of `package` that `code` can reach by attribute (`xml` -> `xml.dom`)."""
    if not hasattr(package, "__path__"):
        return []
    prefix = package.__name__ + "."
    loaded = [name for name in sys.modules if name.startswith(prefix)]
    mentioned = attribute_names(code) if loaded else set()
    return sorted(n for n in loaded if mentioned.issuperset(n[len(prefix) :].split(".")))


def importable(name: str) -> bool:
    """Whether importing `name` in another process gives the module that is loaded here."""
    module = sys.modules.get(name)
    if module is None or name in MAIN_MODULES:
        return False
    known = _importable.get(name)
    if known is not None and known[0] is module:
        return known[1]
    answer = _findable(name, module)
    _importable[name] = (module, answer)
    return answer


def _findable(name: str, module: ModuleType) -> bool:
    spec = getattr(module, "__spec__", None)
    if spec is None:
        return False
    if getattr(spec, "origin", None) in ("built-in", "frozen"):
        return True
    parent, _, _ = name.rpartition(".")
    if parent and not importable(parent):
        return False
    path = getattr(sys.modules.get(parent), "__path__", None) if parent else None
    found = _find_spec(name, path)
    return found is not None and found.origin == spec.origin


def _find_spec(name: str, path: Any) -> Any:
    for finder in sys.meta_path:
        find = getattr(finder, "find_spec", None)
        try:
            spec = find(name, path) if find is not None else None
        except Exception:  # noqa: BLE001 (a foreign finder's failure means that it has not found)
            spec = None
        if spec is not None:
            return spec
    return None


def by_reference(obj: Any) -> bool:
    """Whether a function or class can be had in another process by importing its module."""
    module = getattr(obj, "__module__", None)
    path = getattr(obj, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(path, str) or module in MAIN_MODULES:
        return False
    found: Any = sys.modules.get(module)
    for name in path.split("."):
        found = getattr(found, name, None)
    return found is obj and importable(module)


def by_namespace(function: FunctionType) -> bool:
    """Whether a function's globals are those of a module that another process can import."""
    space = function.__globals__
    name = space.get("__name__")
    module = sys.modules.get(name) if isinstance(name, str) else None
    return module is not None and vars(module) is space and importable(module.__name__)


class Main:
    """The parent's `__main__` as it is now: which name leads to which object.

    Only objects that need it have a name here: functions and classes that cannot be imported, and
    data other than atoms. Looking one up is exact: the name still leads to that very object.
    """

    def __init__(self) -> None:
        self.space: dict[str, Any] = sys.modules["__main__"].__dict__
        self._names: dict[int, str] | None = None
        self._cells: dict[int, list[str]] | None = None

    def path(self, obj: Any) -> str | None:
        """The path of an object in `__main__`: its qualified name, or what it is bound to."""
        kind = type(obj)
        # An instance is not asked for attributes: it may answer anything.
        definition = kind is FunctionType or kind is LRU_CACHE or issubclass(kind, type)
        qualname = getattr(obj, "__qualname__", None) if definition else None
        if type(qualname) is str and obj.__module__ in MAIN_MODULES:
            top, _, rest = qualname.partition(".")
            found = self.space.get(top)
            for name in rest.split(".") if rest else ():
                found = getattr(found, name, None)
            if found is obj:
                return qualname
        return self.name(obj)

    def name(self, obj: Any) -> str | None:
        """The top-level name that leads to `obj`, when `obj` is one that needs a name."""
        name = self.names().get(id(obj))
        return name if name is not None and self.space.get(name) is obj else None

    def partners(self, value: Any) -> list[str]:
        """The globals that are closures over a variable which `value`, a closure too, shares."""
        if type(value) is not FunctionType or value.__closure__ is None:
            return []
        if self._cells is None:
            self._cells = {}
            for name, other in list(self.space.items()):
                for cell in (other.__closure__ or ()) if type(other) is FunctionType else ():
                    self._cells.setdefault(id(cell), []).append(name)
        return [name for cell in value.__closure__ for name in self._cells.get(id(cell), ())]

    def names(self) -> dict[int, str]:
        """The names by the `id` of what they led to when this was first asked for."""
        if self._names is None:
            self._names = self._index()
        return self._names

    def _index(self) -> dict[int, str]:
        names: dict[int, str] = {}
        for name, value in list(self.space.items()):
            if name.startswith("__") or not _needs_name(value):
                continue
            if self.space.get(_own_name(value)) is value:
                names[id(value)] = _own_name(value)
            elif names.get(id(value), "_").startswith("_"):
                names[id(value)] = name  # `_` and the like are bound anew all the time
        return names


def _own_name(value: Any) -> str:
    """What a function or class calls itself; nothing for other objects."""
    kind = type(value)
    named = kind is FunctionType or issubclass(kind, type)
    return value.__qualname__ if named else ""


def _needs_name(value: Any) -> bool:
    kind = type(value)
    if kind in ATOMS or kind is ModuleType or kind is BuiltinFunctionType:
        return False
    if kind is FunctionType or issubclass(kind, type):
        return not by_reference(value)
    return True
