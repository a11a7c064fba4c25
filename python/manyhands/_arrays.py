"""Arrays that all processes of a program see: `empty`, `zeros`, `copy`; and `share`.

The memory is part of the program's world: no file and no descriptor of its own, gone with the last
process that has an array in it. An array that lies there, or a part of one, travels as its place:
as an argument or a result, in code, in `initargs`, through queues and pipes, to a `Process`.

Refuses: to import numpy before an array is asked for, and to guard what several processes write at
once; take a lock, or give each a part of its own.
"""

from __future__ import annotations

from _pickle import loads as _loads

from . import _interrupts, _reducers
from ._native import Cargo
from ._shared import put

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _pickle import PickleBuffer
    from typing import Any, TypeVar

    T = TypeVar("T")

__all__ = ["copy", "empty", "share", "zeros"]

_SMALL = 1 << 10  # bytes below which a buffer of what is shared stays in its pickle


def empty(shape: int | tuple[int, ...], dtype: Any = float) -> Any:
    """A numpy array in shared memory, with anything in it.

    Whoever gets it, by whatever way, may read and write it, and sees what the others write.

    Args:
        shape: its length, or its lengths.
        dtype: what numpy takes as the type of its elements; no Python objects.

    Raises:
        ImportError: if there is no numpy.
        MemoryError: if there is no room, or `MANYHANDS_MEMORY` would be passed.
        TypeError: if the elements are Python objects.

    >>> import manyhands as mp
    >>> frame = mp.empty((480, 640, 3), "u1")
    >>> frame[:] = 255
    """
    return _new(shape, dtype, zeroed=False)


def zeros(shape: int | tuple[int, ...], dtype: Any = float) -> Any:
    """A numpy array of zeros in shared memory; see `empty`.

    >>> import manyhands as mp
    >>> totals = mp.zeros(4, int)
    >>> totals.tolist()
    [0, 0, 0, 0]
    """
    return _new(shape, dtype, zeroed=True)


def copy(array: Any) -> Any:
    """A copy of an array in shared memory, which all who get it may write; see `empty`.

    Args:
        array: a numpy array, or what numpy makes one of.

    >>> import manyhands as mp
    >>> mp.copy([1, 2, 3]).tolist()
    [1, 2, 3]
    """
    numpy = _numpy()
    source = numpy.asarray(array)
    made = _new(source.shape, source.dtype, zeroed=False)
    numpy.copyto(made, source)
    return made


def share(obj: T) -> T:
    """Put an object into shared memory, once for all processes; what behaves like it.

    An array, a frame, a table, or any object most of which is in buffers of such kinds comes back
    as what it was, its data in shared memory: nobody may write it, and wherever it goes its data
    stays where it is. Any other object comes back as a stand-in (`Shared`) with its attributes,
    items and methods: a process that gets it builds the object when it first uses it, and keeps it.

    Args:
        obj: what can be pickled. It is copied: later changes of it are not seen.

    Raises:
        MemoryError: if there is no room, or `MANYHANDS_MEMORY` would be passed.
        manyhands.errors.PicklingError: if it cannot be pickled.

    >>> import manyhands as mp
    >>> table = mp.share({"a": 1})
    >>> table["a"]
    1
    """
    buffers: list[Cargo] = []

    def keep(buffer: PickleBuffer) -> bool:
        view = buffer.raw()
        if view.nbytes < _SMALL:
            return True
        cargo = Cargo(view.nbytes, False)
        memoryview(cargo)[:] = view
        cargo.freeze()
        buffers.append(cargo)
        return False

    try:
        data = _reducers.dumps_to_share(obj, keep)
        taken = sum(map(len, buffers))
        made: Any = _loads(data, buffers=buffers) if taken > len(data) else None
    except Exception as error:  # what plain pickle cannot do is tried with all means
        if _interrupts.passes(error):
            raise
        made = None
    return put(obj) if made is None else made  # type: ignore[return-value]


def _new(shape: int | tuple[int, ...], dtype: Any, *, zeroed: bool) -> Any:
    numpy = _numpy()
    kind = numpy.dtype(dtype)
    if kind.hasobject:
        raise TypeError(
            f"an array of {kind} holds references to objects of this process: only plain numbers, "
            "characters and records of them can be shared"
        )
    lengths = (shape,) if isinstance(shape, int) else tuple(shape)
    size = kind.itemsize
    for length in lengths:
        if length < 0:
            raise ValueError(f"negative dimensions are not allowed: {lengths}")
        size *= int(length)
    return numpy.ndarray(lengths, kind, Cargo(size, zeroed))


def _numpy() -> Any:
    try:
        import numpy as np
    except ImportError as error:
        raise ImportError(
            "shared arrays are numpy arrays, and numpy is not installed: "
            "pip install 'manyhands[numpy]'"
        ) from error
    return np
