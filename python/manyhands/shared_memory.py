"""Named shared memory: the standard library's, with one tracker for the whole program.

`SharedMemory` and `ShareableList` are those of `multiprocessing.shared_memory`, with two changes.
`track=` is there on every Python (the standard library has it from 3.13 on). And where such an
object arrives in another process, that one uses the resource tracker of the process it came from: a
tracker of its own would unlink the memory when this process ends, while others still use it.

Refuses: to be anonymous. Memory without a name, which nobody can leave behind, is what `RawArray`
and the other shared objects of manyhands use.
"""

from __future__ import annotations

from multiprocessing import shared_memory as _standard
from typing import TYPE_CHECKING

from . import _neighbours

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

__all__ = ["ShareableList", "SharedMemory"]


class SharedMemory(_standard.SharedMemory):
    """Memory with a name, which other processes can attach.

    Args:
        name: what it is called. None, with `create`, makes a name up.
        create: make it, rather than attach what is there.
        size: how many bytes, with `create`.
        track: let the resource tracker unlink it when all processes of the program have ended
            without doing so. False where something else looks after it.
    """

    _track = True

    def __init__(
        self, name: str | None = None, create: bool = False, size: int = 0, *, track: bool = True
    ) -> None:
        self._track = track
        if track:
            super().__init__(name, create, size)
        else:
            _untracked_init(self, name, create, size)
            self._track = False

    def unlink(self) -> None:
        """Take its name away; the memory goes when the last process has closed it."""
        if self._track:
            super().unlink()
        else:
            _untracked_unlink(self)

    def __reduce__(self) -> tuple[Any, ...]:
        address = _neighbours.tracker() if self._track else None
        return _attach, (type(self), self.name, self._track, address)


_untracked_init = _neighbours.with_globals(
    _standard.SharedMemory.__init__, resource_tracker=_neighbours.NoTracker
)
_untracked_unlink = _neighbours.with_globals(
    _standard.SharedMemory.unlink, resource_tracker=_neighbours.NoTracker
)


def _attach(
    kind: type[SharedMemory], name: str, track: bool, address: tuple[int, int] | None
) -> SharedMemory:
    return kind(name, track=track and _neighbours.use_tracker(address))


class ShareableList(_standard.ShareableList):  # type: ignore[type-arg]
    """A list of fixed length in shared memory, of int, float, bool, str, bytes and None.

    Args:
        sequence: what it holds at first; None attaches the list called `name`.
        name: what it is called.
    """

    def __init__(self, sequence: Iterable[Any] | None = None, *, name: str | None = None) -> None:
        _own_init(self, sequence, name=name)

    def __reduce__(self) -> tuple[Any, ...]:
        return _attach_list, (type(self), self.shm.name, _neighbours.tracker())


_own_init = _neighbours.with_globals(_standard.ShareableList.__init__, SharedMemory=SharedMemory)


def _attach_list(
    kind: type[ShareableList], name: str, address: tuple[int, int] | None
) -> ShareableList:
    _neighbours.use_tracker(address)
    return kind(name=name)
