"""Arrow and polars, where they are installed with the group `frames` (deep: they are heavy)."""

from __future__ import annotations

import importlib
import os
import sys

import kills
import library_kinds
import numpy as np
import pytest
import samples
import support
from usage import SLACK, used

import manyhands
from manyhands import _native

pytestmark = [pytest.mark.deep, pytest.mark.usefixtures("memory_comes_back")]


@pytest.fixture(scope="module")
def workers():
    before = dict(os.environ)
    for name in ("pyarrow", "polars", "pandas"):
        importlib.import_module(name)
    # Their variables are not the other tests', whose processes come from a template without them.
    os.environ.clear()
    os.environ.update(before)
    # polars' own runtime opens descriptors, once: they are there before the first test looks.
    sys.modules["polars"].DataFrame({"a": [1]}).with_columns(b=1)
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


# What is shared: its data lies in shared memory once, and is sent as its place


def arrow_kinds(table):
    yield table
    yield table.slice(100_000, 90_000)
    yield table.column(1)
    yield table.to_batches()[0].slice(7)
    yield table.column(0).chunk(0)
    yield table.column(1).chunk(0).dictionary_encode()


def polars_kinds():
    import polars as pl

    count = 60_000
    words = pl.Series("w", [str(n % 40) for n in range(count)])
    frame = pl.DataFrame({"a": range(count), "b": [str(n) * 3 for n in range(count)]})
    yield frame
    yield frame["b"]
    days = pl.Series("d", range(count)).cast(pl.Date)
    frame = frame.with_columns(
        days,
        words.cast(pl.Categorical).alias("c"),
        words.cast(pl.Enum([str(n) for n in range(40)])).alias("e"),
        pl.Series("l", [[n, n + 1] for n in range(count)]),
        pl.Series("n", [None if n % 3 else n for n in range(count)]),
        pl.struct("a", "b").alias("s"),
        (pl.col("a") % 2 == 0).alias("t"),
        pl.col("a").cast(pl.Decimal(12, 2)).alias("z"),
        pl.col("a").cast(pl.Datetime("ns", "UTC")).alias("u"),
    )
    yield frame
    yield pl.concat([frame, frame], rechunk=False)


def pandas_kinds():
    import pandas as pd

    count = 100_000
    frame = pd.DataFrame({"a": np.arange(count), "b": np.arange(count) * 0.5})
    yield frame
    yield frame["b"]
    frame["t"] = [str(n) * 3 for n in range(count)]
    frame["c"] = pd.Categorical([str(n % 9) for n in range(count)])
    frame["d"] = pd.to_datetime(frame["a"], unit="s", utc=True)
    frame["i"] = frame["a"].astype("int64[pyarrow]")
    yield frame
    yield frame.set_index("t")


def assert_shared(workers, obj):
    """It is what it was, lies in shared memory, and goes nowhere by a copy, nor do its parts."""
    start = used()
    shared = manyhands.share(obj)
    lies = used() - start
    assert type(shared) is type(obj)
    assert shared.equals(obj)
    assert lies > 100_000
    part = shared[1_000:-1_000] if hasattr(shared, "iloc") else shared.slice(10, len(obj) - 20)
    for sent in (shared, part):
        found = workers.map(samples.length_and_memory, [(sent, [sent])] * 4)
        assert {length for length, _ in found} == {len(sent)}
        # Four copies of it did not come to it, but for polars' categories, which it packs anew.
        assert max(most for _, most in found) <= start + lies + max(SLACK, lies * 3 // 4)
        assert workers.apply(samples.same_as, (sent, sent))
        queue = manyhands.Queue()
        queue.put(sent)
        assert queue.get().equals(sent)


def test_shared_arrow(workers, table):
    for obj in arrow_kinds(table):
        assert_shared(workers, obj)


def test_shared_polars(workers):
    for obj in polars_kinds():
        assert_shared(workers, obj)


def test_shared_pandas(workers):
    for obj in pandas_kinds():
        assert_shared(workers, obj)


def test_a_shared_frame_is_changed_for_nobody_else(workers):
    import polars as pl

    shared = manyhands.share(pl.DataFrame({"a": np.arange(100_000.0)}))
    assert workers.map(samples.write_frame, [shared] * 4) == [99.0] * 4
    assert shared["a"][0] == 0
    shared[0, "a"] = 5.0
    assert workers.apply(samples.first_of_frame, (shared,)) == 5.0
    other = shared.clone()
    other.insert_column(0, pl.Series("b", np.arange(100_000)))
    assert workers.apply(samples.first_of_frame, (other,)) == 0


def test_what_arrow_cannot_hold_is_built_once_in_each_process(workers):
    import polars as pl

    frame = pl.DataFrame({"a": pl.Series([1, 2] * 30_000, dtype=pl.Int128)})
    start = used()
    shared = manyhands.share(frame)
    assert used() > start + 100_000
    assert shared.height == 60_000
    assert shared["a"].sum() == 90_000
    before = _native.usage()[0]
    assert workers.map(samples.height, [shared] * 20) == [60_000] * 20
    assert _native.usage()[0] - before < frame.estimated_size()


def test_polars_without_arrow(tmp_path):
    outcome = support.run_script(
        tmp_path,
        """
        import sys

        sys.modules["pyarrow"] = None
        import polars as pl
        import manyhands as mp

        def height(frame):
            return frame.height

        frame = pl.DataFrame({"a": range(100_000)})
        shared = mp.share(frame)
        with mp.Pool(2) as pool:
            print(pool.map(height, [shared, frame]), shared["a"].sum(), len(shared))
            print(pool.map(type, [frame])[0].__name__)
        """,
    )
    assert outcome.lines == ["[100000, 100000] 4999950000 100000", "DataFrame"], outcome.err


def test_a_part_of_an_arrow_array_brings_its_numbers_alone(workers, table):
    array = table.column(0).chunk(0)
    before = _native.usage()[0]
    part = workers.apply(samples.send_back, (array.slice(100, 10_000),))
    assert part.equals(array.slice(100, 10_000))
    assert type(part) is type(array)
    assert _native.usage()[0] - before < array.nbytes / 4


MAKERS = ["table", "table_slice", "batch", "column", "frame", "series"]


@pytest.mark.parametrize("maker", MAKERS)
def test_kills_on_either_side(workers, maker):
    make = getattr(library_kinds, maker)
    kills.check_all(kills.ObjectKind(make, (), lambda one, other: one.equals(other)))
