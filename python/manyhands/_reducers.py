"""How the data of other libraries is pickled: so that its bytes are copied once, or not at all.

| what | how |
| --- | --- |
| numpy arrays whose bytes lie together | as numpy does it: one buffer |
| numpy arrays with strides | packed into shared memory; a part of a shared array: its place |
| `numpy.memmap` | path, offset, shape: the other side maps the file itself |
| masked arrays | as two arrays |
| record arrays and matrices that are shared | their place |
| `array.array` | one buffer; the other side copies it, as an array owns its memory |
| Arrow tables, batches and arrays | Arrow's own stream: of a slice only its rows |
| the same where they are shared | the places of their buffers |
| what pandas keeps in Arrow's arrays, where it is shared | these arrays |
| polars frames and series | polars' own stream; where they are shared as Arrow's tables |
| CPU tensors of torch | one buffer, with its type and strides |

A library that is not loaded is not asked for: nobody can have an object of it. `table` is made anew
when one has been loaded since.

This module refuses to import any of them where a value is sent; where one arrives, it must.
"""

from __future__ import annotations

import copyreg
import sys
from _pickle import PickleBuffer, Pickler
from io import BytesIO

from . import _rebuild_data as rebuild
from ._native import Cargo, locate_cargo, shares_anything, stow_buffer, watch_types

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    Reducer = Callable[[Any], Any]

LARGE = 16 << 10
"""Bytes below which data is left to its library."""

_seen = 0
_own: dict[type, Reducer] = {}
_table: tuple[int, dict[type, Any]] = (-1, {})


def own() -> dict[type, Reducer]:
    """The reducers of the libraries that are loaded."""
    global _seen, _own  # noqa: PLW0603 (a cache)
    if len(sys.modules) != _seen:
        _seen = len(sys.modules)
        found: dict[type, Reducer] = {}
        for name, reducers in _LIBRARIES.items():
            module = sys.modules.get(name)
            if module is not None:
                found.update(reducers(module))
        if found.keys() != _own.keys():
            _own = found
            watch_types(list(found))
    return _own


def dumps(obj: Any, stow: Callable[[PickleBuffer], Any] = stow_buffer) -> bytes:
    """Pickle with the reducers of the libraries that are loaded; called natively for an item.

    `stow` is asked for each buffer whether it stays in the pickle.
    """
    global _table  # noqa: PLW0603 (a cache)
    mine = own()
    mark = len(copyreg.dispatch_table) + (id(mine) << 16)
    if _table[0] != mark:
        _table = mark, {**copyreg.dispatch_table, **mine}
    file = BytesIO()
    pickler = Pickler(file, 5, buffer_callback=stow)
    pickler.dispatch_table = _table[1]
    pickler.dump(obj)
    return file.getvalue()


def dumps_to_share(obj: Any, stow: Callable[[PickleBuffer], Any]) -> bytes:
    """Pickle so that whoever loads it sees what was pickled, and has no copy of it, where possible.

    Raises what the libraries raise where it is not.
    """
    file = BytesIO()
    pickler = Pickler(file, 5, buffer_callback=stow)
    pickler.dispatch_table = {**copyreg.dispatch_table, **own()}
    polars = sys.modules.get("polars")
    if polars is not None and polars.DataFrame in own():
        pickler.dispatch_table[polars.DataFrame] = share_polars_frame
        pickler.dispatch_table[polars.Series] = share_polars_series
    pickler.dump(obj)
    return file.getvalue()


def add_to(pickler: Any) -> None:
    """Give one of multiprocessing's picklers these reducers, and no other pickler."""
    pickler.dispatch_table = {**pickler.dispatch_table, **own()}


# numpy


def _of_numpy(numpy: Any) -> dict[type, Reducer]:
    if not hasattr(numpy, "memmap"):
        return {}  # it is just being imported
    table: dict[type, Reducer] = {numpy.ndarray: reduce_array, numpy.memmap: reduce_memmap}
    table |= dict.fromkeys((numpy.recarray, numpy.matrix), reduce_view)
    masked = sys.modules.get("numpy.ma")
    if hasattr(masked, "MaskedArray"):
        table[masked.MaskedArray] = reduce_masked  # type: ignore[union-attr]
    return table


def reduce_array(array: Any) -> Any:
    """One buffer, whatever its strides."""
    if array.dtype.hasobject or array.size == 0:
        return array.__reduce_ex__(5)
    if array.flags.forc and array.ndim and array.dtype.kind not in "mM":
        return array.__reduce_ex__(5)
    low, high = extent(array)
    shared = locate_cargo(low, high - low)
    if shared is not None:
        offset = array.__array_interface__["data"][0] - low
        whose = shared if array.flags.writeable else memoryview(shared).toreadonly()
        return rebuild.array, (
            PickleBuffer(whose), array.dtype, array.shape, array.strides, offset,
        )  # fmt: skip
    if array.nbytes < LARGE:
        return array.__reduce_ex__(5)
    numpy = sys.modules["numpy"]
    cargo = Cargo.passing(array.nbytes)
    numpy.copyto(numpy.ndarray(array.shape, array.dtype, cargo), array)
    return rebuild.array, (PickleBuffer(cargo), array.dtype, array.shape)


def extent(array: Any) -> tuple[int, int]:
    """From which address to which the bytes of an array lie."""
    low = high = array.__array_interface__["data"][0]
    for count, stride in zip(array.shape, array.strides, strict=True):
        reach = (count - 1) * stride
        low, high = low + min(reach, 0), high + max(reach, 0)
    return low, high + array.itemsize


def is_shared(array: Any) -> bool:
    """Whether an array lies in shared memory."""
    if not shares_anything() or array.size == 0:
        return False
    low, high = extent(array)
    return locate_cargo(low, high - low) is not None


def reduce_view(array: Any) -> Any:
    """As numpy does it; of one that is shared its place."""
    if not is_shared(array):
        return array.__reduce_ex__(5)
    return rebuild.view, (array.view(sys.modules["numpy"].ndarray), type(array))


def reduce_memmap(array: Any) -> Any:
    """The name of the file and what of it; one that was changed for this process alone by value."""
    root = array
    while isinstance(root.base, type(array)):
        root = root.base
    import mmap
    import os

    path, mode = root.filename, root.mode
    mapped = isinstance(root.base, mmap.mmap) and path is not None and mode != "c"
    mapped = mapped and _is_still_at(path, root)
    if not mapped or array.dtype.hasobject or array.size == 0:
        numpy = sys.modules["numpy"]
        # What is no view of a file is an array like any other.
        return (
            reduce_array(array.view(numpy.ndarray))
            if root.base is not None
            else (array.__reduce_ex__(5))
        )
    low, high = extent(array)
    start = array.__array_interface__["data"][0]
    begin = root.offset + low - root.__array_interface__["data"][0]
    return rebuild.memmap, (
        os.fspath(path), "r" if mode == "r" else "r+", (begin, high - low),
        (array.dtype, array.shape, array.strides, start - low), array.flags.writeable,
    )  # fmt: skip


def _is_still_at(path: Any, root: Any) -> bool:
    """Whether the file that is mapped as `root` is the one that has this name now."""
    import os
    from mmap import ALLOCATIONGRANULARITY, PAGESIZE

    start = root.__array_interface__["data"][0]
    low = start - root.offset % ALLOCATIONGRANULARITY
    high = low + -(-len(root.base) // PAGESIZE) * PAGESIZE
    try:
        try:
            name = os.readlink(f"/proc/self/map_files/{low:x}-{high:x}")
        except OSError:  # mappings that touch may have become one
            name = _mapped_at(start)
        # The name of a file that was removed ends in " (deleted)".
        return os.path.samefile(name, path)
    except OSError:
        return False


def _mapped_at(place: int) -> str:
    """The name of the file that is mapped at an address; empty if none is."""
    with open("/proc/self/maps") as maps:
        for line in maps:
            low, _, high = line.split(" ", 1)[0].partition("-")
            if int(low, 16) <= place < int(high, 16):
                return "".join(line.rstrip("\n").split(None, 5)[5:])
    return ""


def reduce_masked(array: Any) -> Any:
    """Its data and its mask."""
    numpy = sys.modules["numpy"]
    data = array.data
    large = array.nbytes >= LARGE or is_shared(array)
    if not large or type(data) is not numpy.ndarray or data.dtype.hasobject:
        return array.__reduce_ex__(5)
    mask = None if array.mask is numpy.ma.nomask else array.mask
    return rebuild.masked, (data, mask, array.fill_value, array.hardmask)


# The standard library


def _of_array(module: Any) -> dict[type, Reducer]:
    return {module.array: reduce_stdlib_array}


def reduce_stdlib_array(array: Any) -> Any:
    """One buffer."""
    if len(array) * array.itemsize < LARGE:
        return array.__reduce_ex__(5)
    return rebuild.stdlib_array, (array.typecode, PickleBuffer(array))


# Arrow


def _of_arrow(pyarrow: Any) -> dict[type, Reducer]:
    if not hasattr(pyarrow, "RecordBatch") or not hasattr(pyarrow, "ipc"):
        return {}
    table: dict[type, Reducer] = {
        pyarrow.Table: reduce_arrow_table,
        pyarrow.RecordBatch: reduce_arrow_batch,
        pyarrow.ChunkedArray: reduce_arrow_chunks,
    }
    kinds = [pyarrow.Array]
    for kind in kinds:
        kinds += type.__subclasses__(kind)
        table[kind] = reduce_arrow_array
    return table


def reduce_arrow_table(table: Any) -> Any:
    """Its stream: what a slice does not show is not in it. What is shared goes as its places."""
    if table.nbytes < LARGE or _is_shared_table(table):
        return table.__reduce_ex__(5)
    return rebuild.arrow_table, (_arrow_stream(table),)


def reduce_arrow_batch(batch: Any) -> Any:
    """As a table."""
    if batch.nbytes < LARGE or _is_shared(batch.columns):
        return batch.__reduce_ex__(5)
    return rebuild.arrow_batch, (_arrow_stream(batch),)


def reduce_arrow_chunks(chunks: Any) -> Any:
    """As the only column of a table."""
    if chunks.nbytes < LARGE or _is_shared(chunks.chunks):
        return chunks.__reduce_ex__(5)
    table = sys.modules["pyarrow"].table({"": chunks})
    return rebuild.arrow_chunks, (_arrow_stream(table),)


def reduce_arrow_array(array: Any) -> Any:
    """As Arrow does it; a part of one as the only chunk of a column."""
    if array.get_total_buffer_size() < 2 * array.nbytes + LARGE or _is_shared([array]):
        return array.__reduce_ex__(5)
    table = sys.modules["pyarrow"].table({"": array})
    return rebuild.arrow_array, (_arrow_stream(table),)


def _is_shared_table(table: Any) -> bool:
    return _is_shared(chunk for column in table.itercolumns() for chunk in column.chunks)


def _is_shared(arrays: Iterable[Any]) -> bool:
    """Whether most of the memory of Arrow's arrays is shared."""
    if not shares_anything():
        return False
    shared = own = 0
    for array in arrays:
        for buffer in array.buffers():
            if buffer is None or not buffer.size:
                continue
            if locate_cargo(buffer.address, buffer.size) is not None:
                shared += buffer.size
            elif buffer.size >= LARGE:
                own += buffer.size
    return shared > own


def _arrow_stream(data: Any) -> PickleBuffer:
    pyarrow = sys.modules["pyarrow"]
    ipc = pyarrow.ipc

    def write(sink: Any) -> Any:
        with ipc.new_stream(sink, data.schema) as writer:
            writer.write(data)
        return sink

    size = write(pyarrow.MockOutputStream()).size()
    cargo = Cargo.passing(size)
    write(pyarrow.FixedSizeBufferWriter(pyarrow.py_buffer(cargo))).close()
    return PickleBuffer(cargo)


# polars


def _of_polars(polars: Any) -> dict[type, Reducer]:
    if not hasattr(polars, "DataFrame") or not hasattr(polars, "read_ipc_stream"):
        return {}
    return {polars.DataFrame: reduce_polars_frame, polars.Series: reduce_polars_series}


def reduce_polars_frame(frame: Any) -> Any:
    """Its stream, in one buffer; what is shared as Arrow's data, whose places are sent."""
    if frame.estimated_size() < LARGE or _has_objects(frame):
        return frame.__reduce_ex__(5)
    if shares_anything() and "pyarrow" in sys.modules:
        table = _as_arrow(frame)
        if table is not None and _is_shared_table(table):
            return rebuild.polars_of_arrow, (table,)
    return rebuild.polars_frame, (_polars_stream(frame),)


def reduce_polars_series(series: Any) -> Any:
    """As the only column of a frame."""
    frame = series.to_frame()
    if series.estimated_size() < LARGE or _has_objects(frame):
        return series.__reduce_ex__(5)
    build, (data,) = reduce_polars_frame(frame)
    if build is rebuild.polars_frame:
        return rebuild.polars_series, (data,)
    return rebuild.series_of_arrow, (data,)


def share_polars_frame(frame: Any) -> Any:
    """As Arrow's data, which polars can see where it lies."""
    table = _as_arrow(frame)
    if table is None:
        raise TypeError("a frame of types that Arrow does not have, or there is no pyarrow")
    return rebuild.polars_of_arrow, (table,)


def share_polars_series(series: Any) -> Any:
    """As the only column of a frame."""
    return rebuild.series_of_arrow, share_polars_frame(series.to_frame())[1]


def _as_arrow(frame: Any) -> Any:
    """A frame as a table of Arrow, mostly without a copy; None if it would come back as another."""
    polars = sys.modules["polars"]
    try:
        table = frame.to_arrow(compat_level=polars.CompatLevel.newest())
        same = polars.from_arrow(table.slice(0, 0)).schema == frame.schema
    except Exception:  # noqa: BLE001 - each type has an error of its own
        return None
    return table if same else None


def _has_objects(frame: Any) -> bool:
    return sys.modules["polars"].Object in frame.dtypes


def _polars_stream(frame: Any) -> PickleBuffer:
    file = BytesIO()
    frame.write_ipc_stream(file, compression="uncompressed")
    return PickleBuffer(file.getbuffer())


# pandas


def _of_pandas(pandas: Any) -> dict[type, Reducer]:
    arrays = getattr(pandas, "arrays", None)
    names = ("ArrowExtensionArray", "ArrowStringArray")
    kinds = [getattr(arrays, name, None) for name in names]
    return {kind: reduce_arrow_in_pandas for kind in kinds if kind is not None}


def reduce_arrow_in_pandas(array: Any) -> Any:
    """As pandas does it, which copies; what is shared as its chunks."""
    chunks = getattr(array, "_pa_array", None)
    if chunks is None or not _is_shared(chunks.chunks):
        return array.__reduce_ex__(5)
    state = {**array.__dict__, "_pa_array": chunks.chunks, "_cache": {}}
    return copyreg.__newobj__, (type(array),), state  # type: ignore[attr-defined]


# torch


def _of_torch(torch: Any) -> dict[type, Reducer]:
    if not hasattr(torch, "Tensor") or not hasattr(torch, "frombuffer"):
        return {}
    return {torch.Tensor: reduce_tensor}


def reduce_tensor(tensor: Any) -> Any:
    """One buffer, of whatever type; what is more than its numbers as torch does it."""
    torch = sys.modules["torch"]
    size = tensor.numel() * tensor.element_size()
    if size == 0 or not _is_plain(tensor, torch):
        return tensor.__reduce_ex__(5)
    values, shape = tensor.detach(), tuple(tensor.shape)
    strides: Any = None if values.is_contiguous() else values.stride()
    steps = zip(shape, values.stride(), strict=True)
    reach = (1 + sum((count - 1) * step for count, step in steps)) * values.element_size()
    place = values.data_ptr()
    shared = locate_cargo(place, reach)
    if shared is None and reach <= size:
        memory = rebuild.memory_at(place, reach, values)
    elif shared is None and size < LARGE:
        strides, values = None, values.contiguous()
        memory = rebuild.memory_at(values.data_ptr(), size, values)
    elif shared is None:
        strides, memory = None, Cargo.passing(size)
        packed = torch.frombuffer(memory, dtype=torch.uint8).view(values.dtype)
        packed.reshape(shape).copy_(values)
    else:
        memory = shared
    return rebuild.tensor, (
        PickleBuffer(memory), values.dtype, shape, strides, tensor.requires_grad,
    )  # fmt: skip


def _is_plain(tensor: Any, torch: Any) -> bool:
    """Whether a tensor is its numbers, and nothing else."""
    return (
        tensor.device.type == "cpu"
        and tensor.layout is torch.strided
        and (tensor.is_leaf or not tensor.requires_grad)
        and not (tensor.is_quantized or tensor.is_conj() or tensor.is_neg())
        and not (tensor.is_shared() or getattr(tensor, "has_names", bool)())
        and not tensor._backward_hooks  # noqa: SLF001 - as torch's own reducer asks for it
        and not tensor.__dict__
    )


_LIBRARIES: dict[str, Callable[[Any], dict[type, Reducer]]] = {
    "numpy": _of_numpy,
    "array": _of_array,
    "pyarrow": _of_arrow,
    "polars": _of_polars,
    "pandas": _of_pandas,
    "torch": _of_torch,
}
