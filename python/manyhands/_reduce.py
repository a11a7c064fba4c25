"""Takes functions, classes and enums apart, so that they can travel by value.

`ValuePickler` sends by reference what can be imported, and by value what cannot: lambdas,
closures, local classes, whatever lives in `__main__`. Its subclasses decide two things: whether an
object that `__main__` knows by name is referred to (`refer`), and which of the globals that a
function reads travel inside it (`carry`).

Why not cloudpickle's own reducers: its import takes longer than the start of a pool; its classes
lose `__slots__`, enums lose aliases and what `__init__` set, required arguments of
`__init_subclass__` break it, closures stop sharing cells, and its functions get a private
namespace. What is rarer than these (type variables, views of dictionaries) is left to cloudpickle's
table; see `_tables`.

Functions of an importable module, closures included, read the real globals of that module where
they arrive; nothing of the module is copied.

This module refuses to rebuild anything: that is `_rebuild`.
"""

from __future__ import annotations

import functools
import marshal
import sys
import types
from _pickle import Pickler
from types import (
    CellType,
    CodeType,
    FunctionType,
    MappingProxyType,
    MemberDescriptorType,
    ModuleType,
)

from . import _namespace, _rebuild
from ._globals import (
    LRU_CACHE,
    MAIN_MODULES,
    by_namespace,
    by_reference,
    importable,
    names_read,
    submodules_used,
)
from ._native import stow_buffer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import MethodType
    from typing import Any, Protocol

    from ._globals import Main

    class Writable(Protocol):
        """Where a pickler writes."""

        def write(self, data: bytes, /) -> object:
            """Take some bytes."""


_HIDDEN_TYPES = {value: name for name, value in vars(types).items() if type(value) is type}
_PLAIN_REDUCE: Any = object.__reduce__
_HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE: the class was made by a class statement or the like

_CLASS_SKIP = frozenset({
    "__dict__", "__weakref__", "__module__", "__slots__", "__orig_bases__", "_abc_impl",
    "__annotate_func__", "__annotations_cache__", "__slotnames__",
})  # fmt: skip
_ENUM_SKIP = _CLASS_SKIP | {
    "_member_names_", "_member_map_", "_member_type_", "_value2member_map_", "_value_repr_",
    "_hashable_values_", "_unhashable_values_", "_unhashable_values_map_", "_boundary_",
    "_flag_mask_", "_singles_mask_", "_all_bits_", "_inverted_", "__new__",
}  # fmt: skip
_MEMBER_SKIP = frozenset({"_value_", "_name_", "__objclass__", "_sort_order_", "_inverted_"})


class ValuePickler(Pickler):
    """Pickles by value what another process cannot import."""

    def __init__(self, file: Writable, table: dict[type, Any], main: Main) -> None:
        super().__init__(file, 5, buffer_callback=stow_buffer)
        self.dispatch_table: dict[type, Any] = table
        self.main = main
        self.carries_globals = False  # functions of unimportable namespaces take theirs along
        self.modules: dict[str, None] = {}  # those that must be imported where this is loaded

    def refer(self, path: str, obj: Any) -> Any:
        """How to refer to `obj`, which is `__main__.path`; None to send it by value."""
        raise NotImplementedError

    def carry(self, reads: dict[str, Any]) -> dict[str, Any]:
        """Which of the globals of `__main__` that a function reads travel inside the function."""
        raise NotImplementedError

    def reducer_override(self, obj: Any) -> Any:
        """Called by the pickler for everything but plain containers and atoms."""
        kind = type(obj)
        if kind is FunctionType or kind is LRU_CACHE or issubclass(kind, type):
            return self._definition(obj, kind)
        if issubclass(kind, ModuleType):
            self._mention(obj.__name__)
            return reduce_module(obj)
        self._mention(kind.__module__)
        if kind.__reduce__ is not _PLAIN_REDUCE and kind not in self.dispatch_table:
            return self._perhaps_named(obj, kind)
        return NotImplemented

    def _mention(self, module: Any) -> None:
        if type(module) is str:
            self.modules[module] = None

    def _perhaps_named(self, obj: Any, kind: type) -> Any:
        """An object that may pickle itself as the name of a global (type variables, sentinels)."""
        name = self.main.name(obj)
        if name is None:
            return NotImplemented
        reduced = obj.__reduce_ex__(5)
        if not isinstance(reduced, str):
            return reduced
        if obj.__module__ not in MAIN_MODULES:
            return NotImplemented
        reference = self.refer(name, obj)
        if reference is not None:
            return reference
        return _reduce_type_variable(obj) if kind.__module__ == "typing" else object.__reduce__(obj)

    def _definition(self, obj: Any, kind: type) -> Any:
        if by_reference(obj):
            self._mention(obj.__module__)
            return NotImplemented
        path = self.main.path(obj)
        reference = None if path is None else self.refer(path, obj)
        if reference is not None:
            return reference
        if kind is FunctionType:
            return self._function(obj)
        if kind is LRU_CACHE:
            size = obj.cache_parameters()
            return _rebuild.make_lru_cache, (obj.__wrapped__, size["maxsize"], size["typed"])
        return reduce_class(obj)

    def _function(self, function: FunctionType) -> Any:
        state = _function_state(function)
        space = function.__globals__
        place: tuple[Any, ...]
        if space is self.main.space:
            maker: Any = _rebuild.main_function
            place = ()
            state.update(self._main_reads(function.__code__))
        elif by_namespace(function):
            maker, place = _rebuild.module_function, (space["__name__"],)
        else:
            self.carries_globals = True
            token = _namespace.token_of(space)
            maker, place = _rebuild.private_function, (token,)
            state.update(token=token, **_private_reads(function.__code__, space))
        closure = () if function.__closure__ is None else (function.__closure__,)
        arguments = (function.__code__, *place, *closure)
        return maker, arguments, state or None, None, None, _rebuild.set_function

    def _main_reads(self, code: CodeType) -> dict[str, Any]:
        space = self.main.space
        reads = {name: space[name] for name in names_read(code) if name in space}
        package = space.get("__package__")
        if package:  # relative imports inside the function look for it
            reads["__package__"] = package
        state = _reads_state(code, reads, self.carry(reads))
        self.modules.update(dict.fromkeys(state.get("submodules", ())))
        return state


def _reads_state(code: CodeType, reads: dict[str, Any], carried: dict[str, Any]) -> dict[str, Any]:
    state: dict[str, Any] = {"globals": carried} if carried else {}
    modules = [value for value in reads.values() if isinstance(value, ModuleType)]
    submodules = [name for module in modules for name in submodules_used(code, module)]
    if submodules:
        state["submodules"] = tuple(submodules)
    return state


def _private_reads(code: CodeType, space: dict[str, Any]) -> dict[str, Any]:
    reads = {name: space[name] for name in ("__name__", *names_read(code)) if name in space}
    return _reads_state(code, reads, reads)


def _function_state(function: FunctionType) -> dict[str, Any]:
    """What a new function over the same code would not have of itself."""
    code = function.__code__
    doc = code.co_consts[0] if code.co_consts and isinstance(code.co_consts[0], str) else None
    module = function.__module__
    given: dict[str, tuple[Any, Any]] = {
        "__name__": (function.__name__, code.co_name),
        "__qualname__": (function.__qualname__, code.co_qualname),
        "__doc__": (function.__doc__, doc),
        "__module__": (module, module if module in MAIN_MODULES else None),
        "__defaults__": (function.__defaults__, None),
        "__kwdefaults__": (function.__kwdefaults__, None),
        "__annotations__": (function.__annotations__, {}),
        "__type_params__": (getattr(function, "__type_params__", ()), ()),
        "attributes": (function.__dict__, {}),
    }
    return {name: value for name, (value, usual) in given.items() if value != usual}


# Classes


def reduce_class(cls: Any) -> Any:
    """Take a class apart; types that are not made by class statements are left to pickle."""
    if not cls.__flags__ & _HEAP_TYPE:
        name = _HIDDEN_TYPES.get(cls)
        return NotImplemented if name is None else (getattr, (types, name))
    if "enum" in sys.modules and issubclass(type(cls), sys.modules["enum"].EnumMeta):
        return _reduce_enum(cls)
    heading = (type(cls), cls.__name__, cls.__bases__, _class_body(cls), _rebuild.tag(cls))
    return _rebuild.make_class, heading, _class_state(cls), None, None, _rebuild.set_class


def _class_body(cls: type) -> dict[str, Any]:
    """What must be there when the class is made, since it cannot be set afterwards."""
    held = vars(cls)
    module = "__main__" if cls.__module__ in MAIN_MODULES else cls.__module__
    body = {"__module__": module, "__qualname__": cls.__qualname__}
    for name in ("__slots__", "__orig_bases__"):
        if name in held:
            body[name] = held[name]
    if isinstance(held.get("__dict__"), property):
        body["__dict__"] = held["__dict__"]
    return body


def _class_state(cls: type) -> dict[str, Any]:
    held = vars(cls)
    state = {
        name: value
        for name, value in held.items()
        if name not in _CLASS_SKIP and not _is_slot(cls, value)
    }
    if "__annotate_func__" in held:  # Python 3.14 evaluates annotations when asked for them
        state["__annotations__"] = dict(cls.__annotations__)
    if "_abc_impl" in held:
        from _abc import _get_dump  # type: ignore[import-not-found]

        registered = [reference() for reference in _get_dump(cls)[0]]
        state["_abc_registered"] = [subclass for subclass in registered if subclass is not None]
    return state


def _is_slot(cls: type, value: Any) -> bool:
    return type(value) is MemberDescriptorType and value.__objclass__ is cls


def _reduce_enum(cls: Any) -> Any:
    import enum

    named = cls.__members__
    members = [(name, m._value_, _data_arguments(cls, m)) for name, m in named.items()]
    options = {"boundary": cls._boundary_} if issubclass(cls, enum.Flag) else {}
    heading = (type(cls), cls.__name__, cls.__bases__, _class_body(cls))
    attributes = {
        name: value
        for name, value in vars(cls).items()
        if name not in _ENUM_SKIP and name not in named
    }
    own = {name: _member_state(member) for name, member in named.items()}
    state = (attributes, {name: values for name, values in own.items() if values})
    arguments = (heading, members, options, _rebuild.tag(cls))
    return _rebuild.make_enum, arguments, state, None, None, _rebuild.set_enum


def _member_state(member: Any) -> dict[str, Any]:
    return {name: value for name, value in vars(member).items() if name not in _MEMBER_SKIP}


def _data_arguments(cls: Any, member: Any) -> tuple[Any, ...]:
    """The arguments that give the data type of an enum (int, str, date) this member's data."""
    data: Any = cls._member_type_
    if data is object:
        return ()
    if hasattr(data, "__getnewargs__"):
        return tuple(data.__getnewargs__(member))
    if data.__reduce__ is not object.__reduce__:
        return tuple(data.__reduce__(member)[1])
    return ()


# Other things that a class or a function holds, and that pickle refuses


def reduce_module(module: ModuleType) -> Any:
    """A module by name if it can be imported, else with its contents."""
    name = module.__name__
    if sys.modules.get(name) is module and importable(name):
        return _rebuild.import_module, (name,)
    contents = {k: v for k, v in vars(module).items() if k not in ("__builtins__", "__spec__")}
    return _rebuild.make_module, (name,), contents, None, None, _rebuild.fill_module


def _reduce_code(code: CodeType) -> Any:
    try:
        # Version 2 writes no back references, which depend on reference counts: the same code
        # gives the same bytes, and so the same identity, each time.
        data = marshal.dumps(code, 2)
    except ValueError:
        data = marshal.dumps(code)
    return _rebuild.load_code, (data,)


def _reduce_cell(cell: CellType) -> Any:
    try:
        contents = cell.cell_contents
    except ValueError:
        return _rebuild.make_cell, ()
    # In a tuple, since a state of None means that there is none.
    return _rebuild.make_cell, (), (contents,), None, None, _rebuild.fill_cell


def _reduce_wrapping(wrapper: Any) -> Any:
    return type(wrapper), (wrapper.__func__,)


def _reduce_property(prop: property) -> Any:
    return property, (prop.fget, prop.fset, prop.fdel, prop.__doc__)


def _reduce_cached_property(prop: Any) -> Any:
    return _rebuild.make_cached_property, (prop.func, prop.attrname)


def _reduce_method(method: MethodType) -> Any:
    return _rebuild.make_method, (method.__func__, method.__self__)


def _reduce_proxy(proxy: MappingProxyType[Any, Any]) -> Any:
    return _rebuild.make_mapping_proxy, (dict(proxy),)


def _reduce_descriptor(descriptor: Any) -> Any:
    return getattr, (descriptor.__objclass__, descriptor.__name__)


def _reduce_weak_mapping(mapping: Any) -> Any:
    return type(mapping), (dict(mapping),)


def _reduce_weak_set(members: Any) -> Any:
    return type(members), (list(members),)


def reduce_stream(stream: Any) -> Any:
    """One of this process's standard streams as that of the other process."""
    for name in ("stdin", "stdout", "stderr"):
        if stream is getattr(sys, name):
            return _rebuild.standard_stream, (name,)
    return stream.__reduce_ex__(5)


def _reduce_type_variable(variable: Any) -> Any:
    given = ("bound", "covariant", "contravariant", "infer_variance", "supertype")
    options = {n: v for n in given if (v := getattr(variable, f"__{n}__", None))}
    if getattr(variable, "has_default", bool)():
        options["default"] = variable.__default__
    constraints = getattr(variable, "__constraints__", ())
    arguments = (type(variable), variable.__name__, constraints, options)
    return _rebuild.make_type_variable, arguments


def own_reducers() -> dict[type, Any]:
    """The reducers that pickle lacks, by type."""
    module = sys.modules.get("dataclasses")
    if module is not None and type(module.MISSING) not in _REDUCERS:
        _REDUCERS.update(_dataclass_reducers())
    return _REDUCERS


def _dataclass_reducers() -> dict[Any, Any]:
    """Markers that a dataclass compares by identity; they are attributes of `dataclasses`."""
    import dataclasses

    names = ("MISSING", "KW_ONLY", "_HAS_DEFAULT_FACTORY", "_FIELD", "_FIELD_CLASSVAR",
             "_FIELD_INITVAR")  # fmt: skip
    markers = {name: getattr(dataclasses, name) for name in names if hasattr(dataclasses, name)}

    def reduce_marker(marker: Any) -> Any:
        name = next(name for name, known in markers.items() if known is marker)
        return getattr, (dataclasses, name)

    return {type(marker): reduce_marker for marker in markers.values()}


def _reducers() -> dict[type, Any]:
    import io
    import weakref

    return {
        CodeType: _reduce_code,
        CellType: _reduce_cell,
        staticmethod: _reduce_wrapping,
        classmethod: _reduce_wrapping,
        property: _reduce_property,
        functools.cached_property: _reduce_cached_property,
        types.MethodType: _reduce_method,
        MappingProxyType: _reduce_proxy,
        types.GetSetDescriptorType: _reduce_descriptor,
        MemberDescriptorType: _reduce_descriptor,
        weakref.WeakKeyDictionary: _reduce_weak_mapping,
        weakref.WeakValueDictionary: _reduce_weak_mapping,
        weakref.WeakSet: _reduce_weak_set,
        io.TextIOWrapper: reduce_stream,
    }


_REDUCERS = _reducers()
