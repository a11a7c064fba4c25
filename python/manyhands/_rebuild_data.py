"""What data of other libraries is made of where it arrives; `_reducers` takes it apart.

Each function is called by unpickling, with a buffer that lies in shared memory (or in the pickle,
where nothing else carries it), and gives an object that is a view of it, if the library has such.

This module refuses to be imported before it is needed, and to copy what can be seen.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def array(
    buffer: Any,
    dtype: Any,
    shape: tuple[int, ...],
    strides: tuple[int, ...] | None = None,
    offset: int = 0,
) -> Any:
    """A numpy array that lies in `buffer`."""
    import numpy as np

    return np.ndarray(shape, dtype, buffer, offset, strides)


def view(array: Any, kind: type) -> Any:
    """The same memory as an array of another class."""
    return array.view(kind)


def memmap(
    path: str,
    mode: str,
    part: tuple[int, int],
    layout: tuple[Any, tuple[int, ...], tuple[int, ...], int],
    writeable: bool,
) -> Any:
    """A numpy array that lies in a file: so many bytes from there, seen so."""
    import numpy as np

    begin, size = part
    dtype, shape, strides, offset = layout
    kind: Any = np.memmap
    whole = kind(path, np.uint8, mode, begin, (size,))
    made: Any = np.ndarray.__new__(kind, shape, dtype, whole, offset, strides)
    made._mmap = whole._mmap  # noqa: SLF001 - what numpy itself sets
    made.filename = whole.filename
    made.offset, made.mode = begin + offset, mode
    made.flags.writeable = writeable and mode != "r"
    return made


def masked(data: Any, mask: Any, fill_value: Any, hard: bool) -> Any:
    """A masked array of these two."""
    import numpy as np

    mask = np.ma.nomask if mask is None else mask
    made = np.ma.MaskedArray(data, mask, fill_value=fill_value, hard_mask=hard)
    if not data.flags.writeable:
        made.flags.writeable = False
    return made


def stdlib_array(typecode: str, buffer: Any) -> Any:
    """An `array.array` with a copy of what is in the buffer."""
    from array import array as kind

    made = kind(typecode)
    made.frombytes(buffer)
    return made


def _arrow(buffer: Any) -> Any:
    import pyarrow as pa

    return pa.ipc.open_stream(pa.py_buffer(buffer))


def arrow_table(buffer: Any) -> Any:
    """An Arrow table that lies in `buffer`."""
    return _arrow(buffer).read_all()


def arrow_batch(buffer: Any) -> Any:
    """An Arrow record batch that lies in `buffer`."""
    return _arrow(buffer).read_next_batch()


def arrow_chunks(buffer: Any) -> Any:
    """An Arrow chunked array that lies in `buffer`."""
    return _arrow(buffer).read_all().column(0)


def arrow_array(buffer: Any) -> Any:
    """An Arrow array that lies in `buffer`."""
    return arrow_chunks(buffer).chunk(0)


def polars_frame(buffer: Any) -> Any:
    """A polars frame."""
    from io import BytesIO

    import polars as pl

    return pl.read_ipc_stream(BytesIO(buffer))


def polars_series(buffer: Any) -> Any:
    """A polars series."""
    return polars_frame(buffer).to_series()


def polars_of_arrow(table: Any) -> Any:
    """A polars frame of an Arrow table: it lies where that lies."""
    import polars as pl

    return pl.from_arrow(table, rechunk=False)


def series_of_arrow(table: Any) -> Any:
    """A polars series of the only column of an Arrow table."""
    return polars_of_arrow(table).to_series()


def memory_at(place: int, size: int, owner: Any) -> Any:
    """So many bytes at an address, which are there as long as `owner` is."""
    import ctypes

    memory: Any = (ctypes.c_ubyte * size).from_address(place)
    memory.owner = owner
    return memory


def tensor(
    buffer: Any,
    dtype: Any,
    shape: tuple[int, ...],
    strides: tuple[int, ...] | None,
    requires_grad: bool,
) -> Any:
    """A tensor that lies in `buffer`; in a copy of it, if it is an item's that nobody may write.

    torch has no tensor that cannot be written. One of what is shared is not to be.
    """
    import torch

    from ._native import Cargo

    if not memoryview(buffer).readonly:
        flat = torch.frombuffer(buffer, dtype=torch.uint8)
    else:
        place, shared = buffer.place() if isinstance(buffer, Cargo) else (0, False)
        size = memoryview(buffer).nbytes
        if shared:
            flat = torch.frombuffer(memory_at(place, size, buffer), dtype=torch.uint8)
        else:
            flat = torch.empty(size, dtype=torch.uint8)
            memoryview(memory_at(flat.data_ptr(), size, flat)).cast("B")[:] = buffer
    values = flat.view(dtype)
    made = values.reshape(shape) if strides is None else values.as_strided(shape, strides)
    return made.requires_grad_() if requires_grad else made
