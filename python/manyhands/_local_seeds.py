"""Random streams for items that run in this process: what `seed=` means to the local pools.

The items are numbered where they are pulled, and the function begins the stream of its number. In
threads that is what `rng` and `item_seed` give; where one item runs at a time in the caller's own
thread, it is the global state of `random` and numpy too, which is put back afterwards.

Refuses: to give a thread a global state; all threads share the one that there is.
"""

from __future__ import annotations

import random
import sys

from ._imports import when_imported
from ._seeds import Stream, _thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any


class Numbered:
    """The items of an iterable with their indexes; as long as it, and closed with it."""

    def __init__(self, iterable: Iterable[Any]) -> None:
        self._iterable = iterable

    def __len__(self) -> int:
        sized: Any = self._iterable
        return len(sized)

    def __iter__(self) -> Iterator[tuple[int, Any]]:
        return _numbered(iter(self._iterable))


def _numbered(items: Iterator[Any]) -> Iterator[tuple[int, Any]]:
    try:
        yield from enumerate(items)
    finally:
        # As for a source that is not numbered: only generators are closed.
        if hasattr(items, "throw") and hasattr(items, "close"):
            items.close()


class Seeded:
    """A function of one item, called with the item and its index, in the item's stream."""

    def __init__(self, func: Callable[[Any], Any], root: bytes, *, alone: bool) -> None:
        self._func = func
        self._root = root
        self._alone = alone

    def __call__(self, numbered: tuple[int, Any]) -> Any:
        index, item = numbered
        with _Streaming(Stream(self._root, index), alone=self._alone):
            return self._func(item)


class Alone:
    """The function of a call that has one item."""

    def __init__(self, func: Callable[..., Any], root: bytes, *, alone: bool) -> None:
        self._func = func
        self._root = root
        self._alone = alone

    def __call__(self, *args: Any, **kwds: Any) -> Any:
        with _Streaming(Stream(self._root, 0), alone=self._alone):
            return self._func(*args, **kwds)


class _Streaming:
    """An item's stream, while the item runs."""

    def __init__(self, stream: Stream, *, alone: bool) -> None:
        self._stream = stream
        self._alone = alone
        self._before: Stream | None = None
        self._states: tuple[Any, Any] = (None, None)

    def __enter__(self) -> None:
        self._before, _thread.stream = _thread.stream, self._stream
        if not self._alone:
            return
        numpy_random = sys.modules.get("numpy.random")
        if numpy_random is None:
            when_imported("numpy.random", _on_numpy)
        self._states = (random.getstate(), numpy_random and numpy_random.get_state())
        self._stream.set_random(random)
        if numpy_random is not None:
            self._stream.set_numpy(numpy_random)

    def __exit__(self, *_: object) -> None:
        _thread.stream = self._before
        if not self._alone:
            return
        of_random, of_numpy = self._states
        random.setstate(of_random)
        numpy_random = sys.modules.get("numpy.random")
        if of_numpy is not None:
            sys.modules["numpy.random"].set_state(of_numpy)
        elif numpy_random is not None:
            numpy_random.seed()  # the item has imported it


def _on_numpy(module: Any) -> None:
    """An item has imported numpy: it finds its stream there too."""
    stream = _thread.stream
    if stream is not None:
        stream.set_numpy(module)
