"""Shared values and arrays: ctypes objects in anonymous shared memory, with a lock or without.

The names, arguments and behaviour are those of `multiprocessing.sharedctypes`. The memory is part
of the program's world: no file, no descriptor of its own, gone with the last process that holds it.
An object is an ordinary instance of its ctypes type, which lies in that memory.

`RawValue`, `RawArray`, `copy`, and `Value` and `Array` with `lock=False`, give the ctypes object.
`Value`, `Array` and `synchronized` give a wrapper with `get_obj`, `get_lock`, `acquire` and
`release`, whose accesses take a lock: an RLock, if none is given.

`v.value += 1` is a read and a write, which take the lock one after the other: hold it over both,
with `with v.get_lock():`, or use `manyhands.Atomic`.

Refuses: to share what a pointer points to; only the object's own bytes are shared.
"""

from __future__ import annotations

import ctypes
from abc import ABCMeta
from multiprocessing.reduction import ForkingPickler
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from . import _handles
from ._native import Memory, Synchronized

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType
    from typing import Any

    Kind = Any  # a ctypes type

__all__ = ["Array", "RawArray", "RawValue", "Value", "copy", "synchronized"]

typecode_to_type: dict[str, Kind] = {
    "c": ctypes.c_char, "u": ctypes.c_wchar,
    "b": ctypes.c_byte, "B": ctypes.c_ubyte,
    "h": ctypes.c_short, "H": ctypes.c_ushort,
    "i": ctypes.c_int, "I": ctypes.c_uint,
    "l": ctypes.c_long, "L": ctypes.c_ulong,
    "q": ctypes.c_longlong, "Q": ctypes.c_ulonglong,
    "f": ctypes.c_float, "d": ctypes.c_double,
}  # fmt: skip


def RawValue(typecode_or_type: Any, *args: Any) -> Any:  # noqa: N802 - multiprocessing's name
    """A ctypes object in shared memory, without a lock.

    Args:
        typecode_or_type: a letter of the module `array`, or a ctypes type.
        args: what the type's constructor takes; without any, all bytes are zero.
    """
    obj = _new(_type_of(typecode_or_type))
    obj.__init__(*args)
    return obj


def RawArray(typecode_or_type: Any, size_or_initializer: int | Sequence[Any]) -> Any:  # noqa: N802
    """A ctypes array in shared memory, without a lock.

    Args:
        typecode_or_type: the type of an element, as for `RawValue`.
        size_or_initializer: how many elements, all zero, or what they are at first.
    """
    kind = _type_of(typecode_or_type)
    if isinstance(size_or_initializer, int):
        return _new(kind * size_or_initializer)
    obj = _new(kind * len(size_or_initializer))
    obj.__init__(*size_or_initializer)
    return obj


def Value(  # noqa: N802 - multiprocessing's name
    typecode_or_type: Any, *args: Any, lock: Any = True, ctx: Any = None
) -> Any:
    """A shared value, in a wrapper whose accesses take a lock.

    Args:
        typecode_or_type: a letter of the module `array`, or a ctypes type.
        args: what the type's constructor takes.
        lock: True for a new RLock, False for the bare ctypes object, or the lock to use.
        ctx: a context; it decides which class the new lock has.
    """
    return _guarded(RawValue(typecode_or_type, *args), lock, ctx)


def Array(  # noqa: N802 - multiprocessing's name
    typecode_or_type: Any,
    size_or_initializer: int | Sequence[Any],
    *,
    lock: Any = True,
    ctx: Any = None,
) -> Any:
    """A shared array, in a wrapper whose accesses take a lock; see `RawArray` and `Value`."""
    return _guarded(RawArray(typecode_or_type, size_or_initializer), lock, ctx)


def copy(obj: Any) -> Any:
    """A copy of a ctypes object, in shared memory."""
    made = _new(type(obj))
    ctypes.pointer(made)[0] = obj
    return made


def synchronized(obj: Any, lock: Any = None, ctx: Any = None) -> Any:
    """A wrapper for a ctypes object whose accesses take `lock`, or a new RLock."""
    if isinstance(obj, (SynchronizedBase, Synchronized)):
        raise AssertionError("object already synchronized")  # noqa: TRY004 - as multiprocessing
    return _wrapper_of(type(obj))(obj, lock, ctx)


def _type_of(typecode_or_type: Any) -> Kind:
    kind = typecode_to_type.get(typecode_or_type, typecode_or_type)
    try:
        ctypes.sizeof(kind)
    except TypeError:
        letters = "".join(typecode_to_type)
        text = f"typecode_or_type must be one of the letters {letters}, or a ctypes type"
        raise TypeError(f"{text}, not {typecode_or_type!r}") from None
    return kind


def _guarded(obj: Any, lock: Any, ctx: Any) -> Any:
    if lock is False:
        return obj
    if lock in (True, None):
        lock = new_lock(ctx)
    if not hasattr(lock, "acquire"):
        raise AttributeError(f"{lock!r} has no method 'acquire'")
    return synchronized(obj, lock, ctx)


def new_lock(ctx: Any) -> Any:
    """A new RLock, of the context's class."""
    if ctx is not None:
        return ctx.RLock()
    from .synchronize import RLock

    return RLock()


def letter_of(obj: Any) -> str:
    """The letter of a simple ctypes object of one of the types above, else an empty text."""
    return _LETTERS.get(type(obj), "")


_LETTERS: dict[Kind, str] = {kind: kind._type_ for kind in typecode_to_type.values()}


# In memory


def _new(kind: Kind) -> Any:
    return _place(kind, Memory(ctypes.sizeof(kind)))


def _place(kind: Kind, memory: Memory) -> Any:
    """An object of that type, in this memory, which it keeps alive."""
    ForkingPickler.register(kind, reduce_ctype)
    obj = kind.from_address(memory.address)
    obj._wrapper = memory  # noqa: SLF001 - where CPython keeps it, too
    return obj


def reduce_ctype(obj: Any) -> Any:
    """How a ctypes object is pickled: by name if it is shared, else as ctypes does it."""
    memory = getattr(obj, "_wrapper", None)
    if isinstance(memory, Memory):
        return _handles.reduce(memory, _adopt, _described(type(obj)))
    if memory is not None:
        from multiprocessing import sharedctypes

        return sharedctypes.reduce_ctype(obj)  # type: ignore[attr-defined]
    return obj.__reduce__()


def _adopt(world: int, handle: int, described: Any) -> Any:
    return _place(_kind_of(described), Memory._adopt(world, handle))  # noqa: SLF001 - ours


def _described(kind: Kind) -> Any:
    """A type as something that can be pickled: types of arrays have no name."""
    if issubclass(kind, ctypes.Array) and kind.__name__.endswith(f"_Array_{kind._length_}"):
        return _described(kind._type_), kind._length_
    return kind


def _kind_of(described: Any) -> Kind:
    if isinstance(described, tuple):
        inner, length = described
        return _kind_of(inner) * length
    return described


# Wrappers


class SynchronizedBase(metaclass=ABCMeta):  # noqa: B024 - for the native class that it counts in
    """A ctypes object with the lock that guards it."""

    def __init__(self, obj: Any, lock: Any = None, ctx: Any = None) -> None:
        self._obj = obj
        self._lock = new_lock(ctx) if lock is None else lock
        self.acquire: Callable[..., bool] = self._lock.acquire
        self.release: Callable[[], None] = self._lock.release

    def __enter__(self) -> Any:
        return self._lock.__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lock.__exit__(kind, error, trace)

    def __reduce__(self) -> Any:
        return reduce_guarded(self)

    def get_obj(self) -> Any:
        """The ctypes object, to be used without the lock."""
        return self._obj

    def get_lock(self) -> Any:
        """The lock."""
        return self._lock

    def __repr__(self) -> str:
        return f"<{type(self).__name__} wrapper for {self._obj}>"


def reduce_guarded(wrapper: Any) -> Any:
    """How a wrapper is pickled: what it holds, and its lock."""
    _handles.assert_travelling(wrapper)
    return _rebuild, (reduce_ctype(wrapper.get_obj()), wrapper.get_lock())


def _rebuild(reduced: tuple[Any, ...], lock: Any) -> Any:
    maker, arguments = reduced[:2]
    return synchronized(maker(*arguments), lock)


def _guarded_property(name: str) -> property:
    def get(self: Any) -> Any:
        self.acquire()
        try:
            return getattr(self._obj, name)
        finally:
            self.release()

    def set_(self: Any, value: Any) -> None:
        self.acquire()
        try:
            setattr(self._obj, name, value)
        finally:
            self.release()

    return property(get, set_)


SynchronizedBase.register(Synchronized)


class SynchronizedArray(SynchronizedBase):
    """An array with the lock that guards it."""

    def __len__(self) -> int:
        return len(self._obj)

    def __getitem__(self, i: Any) -> Any:
        with self:
            return self._obj[i]

    def __setitem__(self, i: Any, value: Any) -> None:
        with self:
            self._obj[i] = value

    def __getslice__(self, start: int, stop: int) -> Any:
        with self:
            return self._obj[start:stop]

    def __setslice__(self, start: int, stop: int, values: Any) -> None:
        with self:
            self._obj[start:stop] = values


class SynchronizedString(SynchronizedArray):
    """An array of characters with the lock that guards it."""

    value = _guarded_property("value")
    raw = _guarded_property("raw")


class_cache: WeakKeyDictionary[Kind, type[SynchronizedBase]] = WeakKeyDictionary()


def _wrapper_of(kind: Kind) -> Any:
    if issubclass(kind, ctypes._SimpleCData):  # noqa: SLF001 - the public name of all simple types
        return Synchronized
    if issubclass(kind, ctypes.Array):
        return SynchronizedString if kind._type_ is ctypes.c_char else SynchronizedArray
    made = class_cache.get(kind)
    if made is None:
        fields = {field[0]: _guarded_property(field[0]) for field in kind._fields_}
        made = class_cache[kind] = type(f"Synchronized{kind.__name__}", (SynchronizedBase,), fields)
    return made
