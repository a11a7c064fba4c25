"""What lives in `__main__`, inside the items of queues, and the messages of pipes and managers.

A pool sends code once to each of its workers. A queue does not know who will read: perhaps the
program itself, perhaps a forked child, perhaps a child of the template, whose `__main__` is empty.
So an item that needs something of `__main__` names it, as `multiprocessing` does, and carries its
definition along, for readers that lack the name. One rule:

> The reader's own `__main__` comes first. A definition that came with an item is used where the
> name is absent, or still holds what an earlier item brought.

Thus the program gets its own classes back (`isinstance`, `except`, the members of enums), a forked
or spawned child uses those that it has, and a child that has none gets them with the first item,
and a newer one when the writer has changed it. A definition is serialised once for each writer, as
for a pool (`_codebook`), but its bytes are part of every item that needs it: a class in a module of
its own makes such items smaller.

This module refuses to ship anything that can be imported, and to watch who reads.
"""

from __future__ import annotations

from _pickle import dumps as _dumps
from itertools import count

from . import _namespace, _pickling
from ._code import Codebook, Shipper
from ._native import Collector, collect
from ._shipping import Call

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Blob = tuple[tuple[str, ...], bytes, bytes]  # the names that it sets, its mark, its code

_KEY = ("authkey",)  # what `_code` calls the key of the program, which is no definition
_MOST_BLOBS = 256  # definitions that are kept; a program that makes more of them serialises anew


class _Writer:
    """The definitions that this process has serialised. Several threads may use it at once."""

    def __init__(self) -> None:
        self.book = Codebook()
        self.blobs: dict[int, Blob] = {}
        self.met: dict[int, Collector] = {}
        self._numbers: dict[bytes, int] = {}
        self._serial = count()

    def register(self, data: bytes, name: str, met: Collector) -> int:
        """The number of a piece of code; `met` holds the objects of ours that it refers to."""
        mark = _mark(data)
        number = self._numbers.get(mark)
        if number is None:
            number = next(self._serial)
            self.met[number] = met
            self.blobs[number] = (tuple(name.split(", ")), mark, data)
            self._numbers[mark] = number
        return number


_writer = _Writer()


def _mark(data: bytes) -> bytes:
    from _blake2 import blake2b

    return blake2b(data, digest_size=16).digest()


def dumps(obj: Any, label: str = "item") -> bytes:
    """Pickle an item that plain pickle cannot do rightly; what it needs of `__main__` goes along.

    Raises `manyhands.errors.PicklingError`, which names the offending part of the item.
    """
    global _writer  # noqa: PLW0603 (begun anew when it has grown)
    writer = _writer
    if len(writer.blobs) > _MOST_BLOBS:
        writer = _writer = _Writer()
    needed: list[int] = []
    shipper = Shipper(writer.register, needed.append, codebook=writer.book)
    data = shipper.dumps(obj, label)
    if not needed:
        return data
    for number in needed:
        for world, handle in writer.met[number].names():
            collect(world, handle)
    blobs = tuple(writer.blobs[number] for number in needed)
    return _dumps(Call(arrive, (blobs, data)), 5)


# The reader's side

_installed: set[bytes] = set()
_brought: dict[str, Any] = {}


def arrive(blobs: tuple[Blob, ...], data: bytes) -> Any:
    """Rebuild an item, with what this process lacks of the code that came along."""
    for names, mark, code in blobs:
        if _lacks(names, mark, code):
            _pickling.install(code)
            _installed.add(mark)
            _note(names)
    return _pickling.loads(data)


def _lacks(names: tuple[str, ...], mark: bytes, code: bytes) -> bool:
    """Whether a definition is new here: a name is absent, or holds what an older item brought."""
    if names == _KEY and b"restore_authkey" in code:
        return False  # every process of the family has the program's key already
    space = _namespace.main().space
    if any(name not in space for name in names):
        return True
    if mark in _installed:
        return False
    return any(_brought.get(name, _namespace.ABSENT) is space[name] for name in names)


def _note(names: tuple[str, ...]) -> None:
    """Remember what an item has set; what was there before it stays this process's own."""
    home = _namespace.main()
    for name in names:
        held = home.space.get(name, _namespace.ABSENT)
        if held is home.shipped.get(name):
            _brought[name] = held
