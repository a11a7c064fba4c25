"""Arrow and polars, where they are installed with the group `frames` (deep: they are heavy)."""

from __future__ import annotations

import importlib
import os

import kills
import library_kinds
import numpy as np
import pytest
import samples

import manyhands
from manyhands import _native

pytestmark = [pytest.mark.deep, pytest.mark.usefixtures("memory_comes_back")]


@pytest.fixture(scope="module")
def workers():
    before = dict(os.environ)
    for name in ("pyarrow", "polars"):
        importlib.import_module(name)
    # Their variables are not the other tests', whose processes come from a template without them.
    os.environ.clear()
    os.environ.update(before)
    with manyhands.Pool(2) as pool:
        pool.map(abs, range(4))
        yield pool


@pytest.fixture
def table():
    import pyarrow as pa

    return pa.table({"a": np.arange(500_000), "b": [str(n % 10) for n in range(500_000)]})


def test_arrow_there_and_back(workers, table):
    pieces = [table, table.slice(100_000, 9_000), table.column(0), table.to_batches()[0].slice(7)]
    for piece, back in zip(pieces, workers.map(samples.send_back, pieces), strict=True):
        assert type(back) is type(piece)
        assert back.equals(piece)
    assert manyhands.share(table).equals(table)


def test_a_slice_of_a_table_brings_its_rows_alone(workers, table):
    before = _native.usage()[0]
    workers.apply(samples.send_back, (table.slice(100, 10_000),))
    assert _native.usage()[0] - before < table.nbytes / 4


def test_polars_there_and_back(workers):
    import polars as pl

    frame = pl.DataFrame({"a": range(100_000), "b": [str(n) for n in range(100_000)]})
    assert workers.map(samples.send_back, [frame])[0].equals(frame)
    assert workers.map(samples.send_back, [frame["b"]])[0].equals(frame["b"])
    assert manyhands.share(frame).equals(frame)


MAKERS = ["table", "table_slice", "batch", "column", "frame", "series"]


@pytest.mark.parametrize("maker", MAKERS)
def test_kills_on_either_side(workers, maker):
    make = getattr(library_kinds, maker)
    kills.check_all(kills.ObjectKind(make, (), lambda one, other: one.equals(other)))
