"""Random streams: one for each item of a call with `seed=`, by its index.

A call has a *root*, sixteen bytes made from what the user gave; an item's stream is a hash of root
and index, and nothing else. So it is the same whichever worker runs the item, in whichever batch,
for the first time or again. The root and the index travel with the item (`kind.rs` of the binding).

In a worker the stream is where programs look for randomness: in the state of `random`, in numpy's
global state if numpy is loaded (or as soon as it is), and in what `rng` and `item_seed` give.
After the last such item the global states are made unforeseeable again.

Refuses: to touch generators that a program has made for itself.
"""

from __future__ import annotations

import operator
import os
import sys
from _thread import _local

from ._imports import when_imported
from ._options import OptionError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._options import Seed

_ROOT_BYTES = 16


class Roots:
    """Where the calls of a pool get their roots from: the call's seed, or else the pool's.

    With a seed of the pool the n-th call of the pool has the n-th root: calls differ, and a program
    that makes the same calls in the same order gets the same numbers.
    """

    def __init__(self, seed: Seed = None) -> None:
        self._root = None if seed is None else root_of(seed)
        self._calls = 0

    def __call__(self, seed: Seed = None) -> bytes | None:
        """The root of one call; None: its items have no streams."""
        if seed is not None:
            return root_of(seed)
        if self._root is None:
            return None
        self._calls += 1
        return _digest(b"call", _ROOT_BYTES, self._root, self._calls)


def root_of(seed: Any) -> bytes:
    """The root that a user's seed stands for."""
    if isinstance(seed, str):
        content = b"s" + seed.encode("utf-8", "surrogatepass")
    elif isinstance(seed, (bytes, bytearray)):
        content = b"b" + seed
    else:
        try:
            number = operator.index(seed)
        except TypeError:
            raise OptionError(f"seed must be an integer, text or bytes, not {seed!r}") from None
        content = b"i" + number.to_bytes(number.bit_length() // 8 + 1, "little", signed=True)
    from hashlib import blake2b

    return blake2b(content, person=b"manyhands", digest_size=_ROOT_BYTES).digest()


def _digest(purpose: bytes, size: int, root: bytes, number: int) -> bytes:
    from hashlib import blake2b

    content = number.to_bytes(8, "little")
    return blake2b(content, key=root, person=purpose, digest_size=size).digest()


class Stream:
    """The random stream of one item."""

    __slots__ = ("_index", "_rng", "_root")

    def __init__(self, root: bytes, index: int) -> None:
        self._root = root
        self._index = index
        self._rng: Any = None

    def _number(self, purpose: bytes, size: int = 32) -> int:
        return int.from_bytes(_digest(purpose, size, self._root, self._index), "little")

    def seed(self) -> int:
        """A number below 2**63."""
        return self._number(b"seed", 8) >> 1

    def rng(self) -> Any:
        """The generator, made when it is first asked for."""
        if self._rng is None:
            self._rng = _numpy().default_rng(self._number(b"generator"))
        return self._rng

    def set_random(self, module: Any) -> None:
        """Set the state of `random`."""
        module.seed(self._number(b"random"))

    def set_numpy(self, module: Any) -> None:
        """Set the global state of `numpy.random`."""
        digest = _digest(b"numpy", 32, self._root, self._index)
        module.seed([int.from_bytes(digest[at : at + 4], "little") for at in range(0, 32, 4)])


def _numpy() -> Any:
    try:
        import numpy as np
    except ImportError as error:
        raise ImportError(
            "rng() gives a numpy generator, and numpy cannot be imported: install it, or use "
            "random.Random(manyhands.item_seed())"
        ) from error
    return np.random


# What tasks ask for


class _Thread(_local):
    """The stream of the item that this thread of a `ThreadPool` or serial pool runs."""

    stream: Stream | None = None


_thread = _Thread()
# The stream of the item that this worker process runs.
_process: Stream | None = None
# The generator of a process that runs no item with a stream, and whose it is.
_own: tuple[int, Any] | None = None


def current() -> Stream | None:
    """The stream of the item that runs here, if it has one."""
    return _thread.stream or _process


def rng() -> Any:
    """The random generator of the item that runs: a `numpy.random.Generator`.

    In a call with `seed=` (or of a pool with one) it is the item's own: what it gives depends on
    the seed and the item's index alone, and asking again gives the same object, further on. Where
    no such item runs, in the parent too, it is the process's own, and unforeseeable.

    Raises:
        ImportError: without numpy; `random.Random(item_seed())` does without.

    >>> with Pool(2) as pool:
    ...     pool.map(lambda x: int(rng().integers(100)), range(3), seed=1)
    [0, 26, 96]
    """
    global _own  # noqa: PLW0603 - one per process
    stream = current()
    if stream is not None:
        return stream.rng()
    if _own is None or _own[0] != os.getpid():
        _own = (os.getpid(), _numpy().default_rng())
    return _own[1]


def item_seed() -> int:
    """A seed for the item that runs, for generators that manyhands does not know: below 2**63.

    In a call with `seed=` it depends on the seed and the item's index alone. Elsewhere each call
    gives another, unforeseeable number.

    >>> with Pool(2) as pool:
    ...     pool.map(lambda x: item_seed() % 1000, range(3), seed=1)
    [21, 850, 499]
    """
    stream = current()
    return int.from_bytes(os.urandom(8), "little") >> 1 if stream is None else stream.seed()


# In a worker


def begin(seed: bytes) -> None:
    """The item that runs next has this stream: called by the native loop."""
    global _process  # noqa: PLW0603 - a worker runs one item at a time
    _process = Stream(seed[:_ROOT_BYTES], int.from_bytes(seed[_ROOT_BYTES:], "little"))
    import random

    _process.set_random(random)
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None and hasattr(numpy_random, "seed"):
        _process.set_numpy(numpy_random)
    else:
        when_imported("numpy.random", _on_numpy)


def _on_numpy(module: Any) -> None:
    """A task has imported numpy: an item with a stream finds it in numpy too."""
    if _process is not None:
        _process.set_numpy(module)


def leave() -> None:
    """What runs next has no stream: called when a worker begins, and by the native loop."""
    global _process  # noqa: PLW0603 - a worker runs one item at a time
    _process = _thread.stream = None
    reseed()


def reseed() -> None:
    """A fork copies the state of random generators: each worker gets one of its own."""
    if "random" in sys.modules:
        sys.modules["random"].seed()
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None and hasattr(numpy_random, "seed"):
        numpy_random.seed()
