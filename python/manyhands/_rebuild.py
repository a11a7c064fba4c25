"""Makes functions, classes and enums again from what `_reduce` took them apart into.

Pickles name the functions of this module; they run where the bytes are read. A class keeps an
identity across processes: its tag, chosen by the process that first took it apart. Wherever the
tag is already known, the known class is used, so a class that went to a worker and came back is
the parent's own, and shipping a class a second time makes no second class. Its attributes then
follow the rule of `_namespace`: set if absent or still as an earlier shipment left them.

A class is made without running user code that has already run in the parent (the `__new__` of a
metaclass, `__init_subclass__`, an enum's `__init__`): what that code did to the class is part of
the class's attributes, which are shipped. Code of imported libraries does run.

This module refuses to look at the parent's `__main__`, and imports nothing heavy.
"""

from __future__ import annotations

import marshal
import sys
import weakref
from types import CellType, CodeType, FunctionType, MappingProxyType, MethodType, ModuleType

from . import _namespace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

_tag_of: weakref.WeakKeyDictionary[type, str] = weakref.WeakKeyDictionary()
_class_of: weakref.WeakValueDictionary[str, type] = weakref.WeakValueDictionary()
_attributes: weakref.WeakKeyDictionary[type, dict[str, Any]] = weakref.WeakKeyDictionary()
_built: weakref.WeakSet[type] = weakref.WeakSet()


# Functions


def load_code(data: bytes) -> CodeType:
    """The code object that `marshal` wrote."""
    code: CodeType = marshal.loads(data)  # noqa: S302 (between our own processes, as pickle)
    return code


def make_cell() -> CellType:
    """A cell without contents; `fill_cell` fills it, so that cells may refer to themselves."""
    return CellType()


def fill_cell(cell: CellType, contents: tuple[Any]) -> None:
    """Give a cell its contents."""
    (cell.cell_contents,) = contents


def main_function(code: CodeType, closure: tuple[CellType, ...] | None = None) -> FunctionType:
    """A function whose globals are this process's `__main__`."""
    return FunctionType(code, _namespace.main().space, None, None, closure)


def module_function(
    code: CodeType, module: str, closure: tuple[CellType, ...] | None = None
) -> FunctionType:
    """A function whose globals are those of an importable module, which is imported."""
    return FunctionType(code, import_module(module).__dict__, None, None, closure)


def private_function(
    code: CodeType, token: str, closure: tuple[CellType, ...] | None = None
) -> FunctionType:
    """A function whose globals stand for an unimportable namespace of the parent."""
    return FunctionType(code, _namespace.private(token).space, None, None, closure)


def set_function(function: FunctionType, state: dict[str, Any]) -> None:
    """Give a new function its attributes, and its namespace the globals that came along.

    `state` maps attribute names to values, besides these: `token` (the private namespace, if
    any), `globals`, `submodules` (names to import), `attributes` (the function's `__dict__`).
    """
    token = state.pop("token", None)
    home = _namespace.main() if token is None else _namespace.private(token)
    for name, value in state.pop("globals", {}).items():
        home.bind(name, value)
    for name in state.pop("submodules", ()):
        _import_quietly(name)
    function.__dict__.update(state.pop("attributes", {}))
    for name, value in state.items():
        setattr(function, name, value)


def make_lru_cache(function: Callable[..., Any], maxsize: int | None, typed: bool) -> Any:
    """A `functools.lru_cache` wrapper with an empty cache."""
    import functools

    return functools.lru_cache(maxsize=maxsize, typed=typed)(function)


def make_cached_property(function: Callable[..., Any], name: str | None) -> Any:
    """A `functools.cached_property`, which holds an unpicklable lock before Python 3.12."""
    import functools

    made: Any = functools.cached_property(function)
    made.attrname = name
    return made


def make_method(function: Callable[..., Any], instance: Any) -> MethodType:
    """A bound method; unlike `getattr` it finds private and overridden ones."""
    return MethodType(function, instance)


def make_mapping_proxy(mapping: dict[Any, Any]) -> MappingProxyType[Any, Any]:
    """A read-only view of a dictionary."""
    return MappingProxyType(mapping)


def standard_stream(name: str) -> Any:
    """This process's own `sys.stdin`, `sys.stdout` or `sys.stderr`."""
    return getattr(sys, name)


def import_module(name: str) -> ModuleType:
    """The module called `name`, imported if need be."""
    __import__(name)
    return sys.modules[name]


def make_module(name: str) -> ModuleType:
    """A module that exists only in memory; its contents follow as state."""
    module = ModuleType(name)
    module.__dict__["__builtins__"] = sys.modules["builtins"]
    return module


def fill_module(module: ModuleType, contents: dict[str, Any]) -> None:
    """Give a module of `make_module` its contents."""
    module.__dict__.update(contents)


def make_type_variable(
    kind: Any, name: str, constraints: tuple[Any, ...], options: dict[str, Any]
) -> Any:
    """A `typing.TypeVar`, `ParamSpec`, `TypeVarTuple` or `NewType` of `__main__`."""
    supertype = options.pop("supertype", None)
    made = kind(name, *constraints, *(() if supertype is None else (supertype,)), **options)
    made.__module__ = "__main__"
    return made


def _import_quietly(name: str) -> None:
    # A submodule that the parent had loaded and the function may use. When it is missing here the
    # attribute lookup says so at the line that needs it, which tells more than a failure now.
    try:
        __import__(name)
    except ImportError:
        return


# Classes


def tag(cls: type) -> str:
    """The identity of a class across processes, given to it at the first call."""
    known = _tag_of.get(cls)
    if known is None:
        import os

        known = _tag_of.setdefault(cls, os.urandom(16).hex())
        _class_of[known] = cls
    return known


def make_class(
    metaclass: type, name: str, bases: tuple[type, ...], body: dict[str, Any], identity: str
) -> type:
    """The class known under the tag `identity`, or a new one that `set_class` will fill."""
    known = _known(identity, body)
    if known is not None:
        return known
    owner = _hook_owner(bases)
    if owner is None:
        return _remember(_new_class(metaclass, name, bases, body), identity)
    hook = vars(owner)["__init_subclass__"]
    type.__setattr__(owner, "__init_subclass__", _passing_on(owner))
    try:
        return _remember(_new_class(metaclass, name, bases, body), identity)
    finally:
        type.__setattr__(owner, "__init_subclass__", hook)


def _known(identity: str, body: dict[str, Any]) -> type | None:
    known = _class_of.get(identity)
    if known is None and body["__module__"] == "__main__":
        known = _namespace.own_class(body["__qualname__"])
    return known


def set_class(cls: type, state: dict[str, Any]) -> None:
    """Give a class its attributes: those that are absent, or still as a shipment left them.

    A class that was not made here from a shipment is this process's own, and stays as it is.
    """
    registered = state.pop("_abc_registered", ())
    shipped = _attributes.get(cls)
    if shipped is None:
        return
    held = vars(cls)
    for name, value in state.items():
        if name not in held or held[name] is shipped.get(name, _namespace.ABSENT):
            type.__setattr__(cls, name, value)
            if name in held:
                shipped[name] = held[name]
    for subclass in registered:
        cls.register(subclass)  # type: ignore[attr-defined]


def _new_class(metaclass: type, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> type:
    # The first metaclass whose code lives in an importable module; user code in between has
    # already had its effect on the attributes.
    maker: Any = next(m for m in metaclass.__mro__ if m not in _built)
    try:
        cls: type = maker.__new__(metaclass, name, bases, dict(body))
        maker.__init__(cls, name, bases, dict(body))
    except TypeError:
        # A metaclass that wants keyword arguments of the class statement, which are lost, or one
        # that checks the bases as written (TypedDict).
        cls = type.__new__(metaclass, name, bases, dict(body))
    return cls


def _remember(cls: type, identity: str) -> type:
    _tag_of[cls] = identity
    _class_of[identity] = cls
    _attributes[cls] = dict(vars(cls))
    _built.add(cls)
    return cls


def _hook_owner(bases: Iterable[type]) -> type | None:
    """The shipped class whose `__init_subclass__` would run, if it is a shipped one."""
    for base in bases:
        for cls in base.__mro__[:-1]:
            if "__init_subclass__" in vars(cls):
                return cls if cls in _built else None
    return None


def _passing_on(owner: Any) -> Any:
    """An `__init_subclass__` that leaves out `owner`'s, and runs those of its bases."""

    def quiet(cls: type) -> None:
        super(owner, cls).__init_subclass__()

    return classmethod(quiet)


# Enums


class _Member:
    """What an enum member is made from: its value, and the arguments of its data type."""

    def __init__(self, value: Any, arguments: tuple[Any, ...]) -> None:
        self.value = value
        self.arguments = arguments


def _new_member(cls: Any, member: Any) -> Any:
    # EnumType wraps the value once more when the data type is tuple.
    member = member[0] if type(member) is tuple else member
    made = cls._member_type_.__new__(cls, *member.arguments)
    made._value_ = member.value
    return made


def _no_init(self: Any, *ignored: Any) -> None:
    """Stands for the enum's own `__init__`, whose effects are part of the members' state."""


def make_enum(
    heading: tuple[Any, str, tuple[type, ...], dict[str, Any]],
    members: list[tuple[str, Any, tuple[Any, ...]]],
    options: dict[str, Any],
    identity: str,
) -> type:
    """The enum known under the tag `identity`, or a new one with its members, aliases included.

    `heading` is metaclass, name, bases and body; `members` name, value and arguments of the data
    type of each; `options` the keywords of the class statement that can be told afterwards.
    """
    metaclass, name, bases, body = heading
    known = _known(identity, body)
    if known is not None:
        return known
    space = metaclass.__prepare__(name, bases)
    for key, value in body.items():
        space[key] = value
    space["__new__"] = _new_member
    space["__init__"] = _no_init
    for key, value, arguments in members:
        space[key] = _Member(value, arguments)
    cls = _remember(metaclass.__new__(metaclass, name, bases, space, **options), identity)
    for key in ("__init__", "__new_member__", "_new_member_"):
        if key in vars(cls):
            type.__delattr__(cls, key)
    return cls


def set_enum(cls: Any, state: tuple[dict[str, Any], Mapping[str, dict[str, Any]]]) -> None:
    """Give an enum its attributes, and each member its own (what its `__init__` had set)."""
    attributes, members = state
    fresh = "_new_member_" not in vars(cls)
    set_class(cls, attributes)
    for name, values in members.items() if fresh else ():  # else it is known, and complete
        cls._member_map_[name].__dict__.update(values)
