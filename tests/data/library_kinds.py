"""What the tests of kills make of Arrow, polars and torch; a child can import it by name."""

from __future__ import annotations

import numpy as np

COUNT = 100_000


def table():
    """An Arrow table."""
    import pyarrow as pa

    return pa.table({"a": np.arange(COUNT), "b": [str(n % 10) for n in range(COUNT)]})


def table_slice():
    """Some rows of one."""
    return table().slice(20_000, 30_000)


def batch():
    """A record batch."""
    return table().to_batches()[0].slice(7)


def column():
    """A chunked array."""
    return table().column(0)


def frame():
    """A frame of polars."""
    import polars as pl

    return pl.DataFrame({"a": range(COUNT), "b": [str(n) for n in range(COUNT)]})


def series():
    """A series of polars."""
    return frame()["b"]


def tensor(kind):
    """A tensor of torch."""
    import torch

    return torch.arange(-20_000, 20_000).to(getattr(torch, kind)).reshape(200, 200)


def columns_of_tensor(kind):
    """A part of one, with strides."""
    return tensor(kind)[:, 10:150]


def memmap(path, mode):
    """A part of a file."""
    return np.memmap(path, float, mode, 400, (1_000, 50))[10:900, 3]
