# The part of the native module that knows the world: the shared memory of a family of processes.
# `_native.pyi` hands these names on; there is no module of this name when the program runs.

from collections.abc import Callable
from types import GenericAlias, TracebackType
from typing import Any, Generic, Self, TypeVar, final

_T = TypeVar("_T")

__all__ = [
    "Cargo",
    "Collector",
    "Memory",
    "Synchronized",
    "adopt_cargo",
    "attach_world",
    "begin_anew",
    "collect",
    "collecting",
    "home_world",
    "known_worlds",
    "leave",
    "locate_cargo",
    "shares_anything",
    "stow_buffer",
    "sweep",
    "trying",
    "usage",
    "watch_types",
]

def attach_world(fd: int) -> int:
    """Take over the descriptor of a world that the parent gave; it becomes the home. Its id."""

def home_world() -> tuple[int, int]:
    """The id and the descriptor of the home world, which is made if there is none.

    Raises:
        ValueError: if MANYHANDS_MEMORY is no amount of memory.
    """

def known_worlds() -> list[tuple[int, int]]:
    """Ids and descriptors of all worlds that this process has, the home first."""

def leave() -> None:
    """Mark the end of this process, when it comes, as a normal one."""

def sweep() -> None:
    """Give back what dead processes held: for whoever learns of a death."""

def usage() -> tuple[int, int, int, int]:
    """What the home world holds, in bytes: reserved, of that free, the budget; and its blocks."""

def collect(world: int, handle: int) -> bool:
    """Note a block with this thread's innermost collector; whether there is one."""

def collecting() -> bool:
    """Whether somebody collects in this thread."""

def trying() -> bool:
    """Whether what is pickled for this thread's innermost collector is thrown away, perhaps.

    What would be left behind by that refuses to be pickled then.
    """

def stow_buffer(buffer: Any) -> bool:
    """Take a large buffer out of what is being pickled; whether it stays in.

    For pickle's `buffer_callback`: it stays in unless this thread's innermost collector takes
    cargo.

    Raises:
        MemoryError: if there is no room, or MANYHANDS_MEMORY would be passed.
    """

def begin_anew() -> None:
    """Say that what is pickled with the innermost collector is pickled anew, from the start."""

def adopt_cargo(world: int, handle: int, offset: int, size: int) -> Cargo:
    """Another process's piece of shared memory, by its name.

    It can only be read, unless it was made to be written by all who have it.
    """

def locate_cargo(address: int, size: int) -> Cargo | None:
    """The shared memory in which so many bytes at an address of this process lie, if they do."""

def shares_anything() -> bool:
    """Whether this process has anything in shared memory that is sent as its place."""

def watch_types(types: list[type]) -> None:
    """From now on pickle what is of these types, or holds them, by `manyhands._reducers`."""

@final
class Cargo:
    """A piece of shared memory with the buffer protocol: there as long as the object lives.

    Raises:
        MemoryError: if there is no room, or MANYHANDS_MEMORY would be passed.
    """

    def __new__(cls, size: int, zeroed: bool) -> Self: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...
    def __len__(self) -> int: ...
    @staticmethod
    def passing(size: int) -> Cargo:
        """A new piece of memory for what is being pickled: whoever gets the item has it."""

    def name(self) -> tuple[int, int, int, int]:
        """Its name for other processes: id of the world, handle, offset and length."""

    def place(self) -> tuple[int, bool]:
        """Where it begins in this process, and whether it is shared by all who have it."""

    def freeze(self) -> None:
        """From now on nobody writes it: who gets it, gets it to read."""

@final
class Collector:
    """Collects what is met while its `with` block pickles, and keeps it alive as long as itself.

    With `cargo` it also takes the large buffers that pickle hands to `stow_buffer`.
    """

    def __new__(cls, cargo: bool = False) -> Self: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None: ...
    def names(self) -> list[tuple[int, int]]:
        """What was met: id of the world, and handle."""

    def cargo(self) -> list[Cargo]:
        """The buffers that are not in the pickle that was made, in order, to be read."""

@final
class Memory:
    """Shared memory, zeroed when it is made; it is there as long as some process holds it.

    Raises:
        MemoryError: if there is no room, or MANYHANDS_MEMORY would be passed.
    """

    def __new__(cls, size: int) -> Self: ...
    @property
    def address(self) -> int:
        """Where it lies in this process, as long as the object lives."""

    def _handle(self) -> tuple[int, int]: ...
    @staticmethod
    def _adopt(world: int, handle: int) -> Memory: ...
    def __reduce__(self) -> Any: ...

@final
class Synchronized(Generic[_T]):
    """A value with the lock that guards it; `manyhands.Value` makes it."""

    value: _T
    """The value, read and written with the lock held."""

    def __new__(cls, obj: Any, lock: Any = None, ctx: Any = None) -> Self: ...
    @classmethod
    def __class_getitem__(cls, item: Any, /) -> GenericAlias: ...
    def get_obj(self) -> Any:
        """The ctypes object, to be used without the lock."""

    def get_lock(self) -> Any:
        """The lock."""

    @property
    def acquire(self) -> Callable[..., bool]:
        """The lock's `acquire`."""

    @property
    def release(self) -> Callable[[], None]:
        """The lock's `release`."""

    @property
    def _obj(self) -> Any: ...
    @property
    def _lock(self) -> Any: ...
    def __enter__(self) -> Any: ...
    def __exit__(self, *args: object) -> Any: ...
