# The part of the native module that knows the world: the shared memory of a family of processes.
# `_native.pyi` hands these names on; there is no module of this name when the program runs.

from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, final

__all__ = [
    "Collector",
    "Memory",
    "Synchronized",
    "attach_world",
    "collect",
    "collecting",
    "home_world",
    "known_worlds",
    "leave",
    "sweep",
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

def collect(world: int, handle: int) -> bool:
    """Note a block with this thread's innermost collector; whether there is one."""

def collecting() -> bool:
    """Whether somebody collects in this thread."""

@final
class Collector:
    """Collects what is met while its `with` block pickles, and keeps it alive as long as itself."""

    def __new__(cls) -> Self: ...
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
class Synchronized:
    """A value with the lock that guards it; `manyhands.Value` makes it."""

    value: Any
    """The value, read and written with the lock held."""

    def __new__(cls, obj: Any, lock: Any = None, ctx: Any = None) -> Self: ...
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
