# What `Value`, `Array` and their relatives give, for type checkers. There is no module of this name
# when the program runs.

import ctypes
from collections.abc import Iterable, Sequence
from ctypes import _CData, _SimpleCData
from types import TracebackType
from typing import Any, Literal, Protocol, TypeAlias, TypeVar, overload

from ._native_world import Synchronized

_T = TypeVar("_T")
_C = TypeVar("_C", bound=_CData)
_C_co = TypeVar("_C_co", bound=_CData, covariant=True)

_Whole: TypeAlias = Literal["b", "B", "h", "H", "i", "I", "l", "L", "q", "Q"]
_Real: TypeAlias = Literal["f", "d"]
_Lock: TypeAlias = Any  # a lock of ours or another object with its methods; True or None: a new one

class Guarded(Protocol[_C_co]):
    """A ctypes object with the lock that guards it."""

    def acquire(self, block: bool = True, timeout: float | None = None) -> bool: ...
    def release(self) -> None: ...
    def get_obj(self) -> _C_co: ...
    def get_lock(self) -> Any: ...
    def __enter__(self) -> Any: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

class GuardedArray(Guarded[Any], Protocol[_T]):
    """An array with the lock that guards it."""

    def __len__(self) -> int: ...
    @overload
    def __getitem__(self, i: int) -> _T: ...
    @overload
    def __getitem__(self, i: slice) -> list[_T]: ...
    @overload
    def __setitem__(self, i: int, value: _T) -> None: ...
    @overload
    def __setitem__(self, i: slice, value: Iterable[_T]) -> None: ...
    def __iter__(self) -> Any: ...

class GuardedText(GuardedArray[bytes], Protocol):
    """An array of characters with the lock that guards it."""

    value: bytes
    raw: bytes

class MakesValue(Protocol):
    """`Value`."""

    @overload
    def __call__(
        self, typecode_or_type: _Whole, *args: Any, lock: Literal[False]
    ) -> _SimpleCData[int]: ...
    @overload
    def __call__(
        self, typecode_or_type: _Real, *args: Any, lock: Literal[False]
    ) -> _SimpleCData[float]: ...
    @overload
    def __call__(self, typecode_or_type: type[_C], *args: Any, lock: Literal[False]) -> _C: ...
    @overload
    def __call__(
        self, typecode_or_type: _Whole, *args: Any, lock: _Lock = True
    ) -> Synchronized[int]: ...
    @overload
    def __call__(
        self, typecode_or_type: _Real, *args: Any, lock: _Lock = True
    ) -> Synchronized[float]: ...
    @overload
    def __call__(
        self, typecode_or_type: Literal["c"], *args: Any, lock: _Lock = True
    ) -> Synchronized[bytes]: ...
    @overload
    def __call__(
        self, typecode_or_type: Literal["u"], *args: Any, lock: _Lock = True
    ) -> Synchronized[str]: ...
    @overload
    def __call__(
        self, typecode_or_type: type[_SimpleCData[_T]], *args: Any, lock: _Lock = True
    ) -> Synchronized[_T]: ...
    @overload
    def __call__(
        self, typecode_or_type: type[_C], *args: Any, lock: _Lock = True
    ) -> Guarded[_C]: ...
    @overload
    def __call__(self, typecode_or_type: str, *args: Any, lock: _Lock = True) -> Any: ...

class MakesArray(Protocol):
    """`Array`."""

    @overload
    def __call__(
        self,
        typecode_or_type: type[_C],
        size_or_initializer: int | Sequence[Any],
        *,
        lock: Literal[False],
    ) -> ctypes.Array[_C]: ...
    @overload
    def __call__(
        self,
        typecode_or_type: str,
        size_or_initializer: int | Sequence[Any],
        *,
        lock: Literal[False],
    ) -> ctypes.Array[Any]: ...
    @overload
    def __call__(
        self,
        typecode_or_type: _Whole,
        size_or_initializer: int | Sequence[int],
        *,
        lock: _Lock = True,
    ) -> GuardedArray[int]: ...
    @overload
    def __call__(
        self,
        typecode_or_type: _Real,
        size_or_initializer: int | Sequence[float],
        *,
        lock: _Lock = True,
    ) -> GuardedArray[float]: ...
    @overload
    def __call__(
        self,
        typecode_or_type: Literal["c"],
        size_or_initializer: int | Sequence[Any],
        *,
        lock: _Lock = True,
    ) -> GuardedText: ...
    @overload
    def __call__(
        self,
        typecode_or_type: type[_SimpleCData[_T]],
        size_or_initializer: int | Sequence[Any],
        *,
        lock: _Lock = True,
    ) -> GuardedArray[_T]: ...
    @overload
    def __call__(
        self,
        typecode_or_type: str | type[_CData],
        size_or_initializer: int | Sequence[Any],
        *,
        lock: _Lock = True,
    ) -> GuardedArray[Any]: ...

class MakesRawValue(Protocol):
    """`RawValue`."""

    @overload
    def __call__(self, typecode_or_type: _Whole, *args: Any) -> _SimpleCData[int]: ...
    @overload
    def __call__(self, typecode_or_type: _Real, *args: Any) -> _SimpleCData[float]: ...
    @overload
    def __call__(self, typecode_or_type: type[_C], *args: Any) -> _C: ...
    @overload
    def __call__(self, typecode_or_type: str, *args: Any) -> Any: ...

class MakesRawArray(Protocol):
    """`RawArray`."""

    @overload
    def __call__(
        self, typecode_or_type: type[_C], size_or_initializer: int | Sequence[Any]
    ) -> ctypes.Array[_C]: ...
    @overload
    def __call__(
        self, typecode_or_type: str, size_or_initializer: int | Sequence[Any]
    ) -> ctypes.Array[Any]: ...
