"""Large buffers of code and of initializers' arguments: beside their pickles, in shared memory.

While something is pickled with a `Collector` that takes cargo, each large buffer is copied once
into a block of shared memory, and the pickle only says that there is one. `pack` puts the names of
these blocks around the pickle, so that whoever loads it finds them; the collector keeps the blocks
alive. All workers see the same block, so what they get is read-only.

Items do the same natively (`cargo.rs` of the binding): their bytes are made millions of times.

This module refuses to know what the buffers belong to.
"""

from __future__ import annotations

import sys
from _pickle import dumps

from ._native import adopt_cargo
from ._shipping import Call

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ._native import Cargo, Collector


def pack(data: bytes, met: Collector, opener: Callable[[bytes, list[Any]], Any]) -> bytes:
    """The pickle `data` with the names of its buffers; loaded, it calls `opener` with both."""
    cargo = met.cargo()
    if not cargo:
        return data
    names = [block.name() for block in cargo]
    return dumps(Call(_open, (opener, data, names)), 5)


def mark(data: bytes, met: Collector, mark_of: Callable[[bytes], bytes]) -> bytes:
    """What is equal for equal pickles with equal buffers, and no others."""
    return b"".join([mark_of(data), *map(_digest, met.cargo())])


def _digest(block: Cargo) -> bytes:
    from _blake2 import blake2b

    return blake2b(block).digest()


def _open(
    opener: Callable[[bytes, list[Any]], Any], data: bytes, names: list[tuple[int, int, int, int]]
) -> Any:
    return opener(data, [adopt_cargo(*name) for name in names])


def warn_of_repeats(kind: str, size: int, times: int) -> None:
    """Warn that the same large object is an argument again and again; called natively."""
    import warnings

    from .errors import LargeArgumentWarning

    text = (
        f"the same {kind} of {size / 1e6:.1f} MB has been sent with {times} items, and is copied "
        "for each. Put it into shared memory once, x = manyhands.share(x), and pass that; or let "
        "the function hold it: functools.partial(function, x)."
    )
    warnings.warn(text, LargeArgumentWarning, stacklevel=caller())


def caller() -> int:
    """The stack level of the first frame outside this package."""
    frame = sys._getframe(1)  # noqa: SLF001 (what warnings itself walks)
    level = 1
    while frame.f_back is not None and frame.f_globals.get("__package__") == __package__:
        frame = frame.f_back
        level += 1
    return level
