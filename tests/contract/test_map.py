"""`map` and `starmap`, the same on processes, threads and in the caller."""

from __future__ import annotations

import functools
import itertools
import math
import operator

import pytest
import tasks
from hypothesis import given, settings
from hypothesis import strategies as st
from support import journal, parallel

VALUES = [
    None,
    True,
    False,
    0,
    1,
    -1,
    255,
    2**31,
    -(2**63),
    2**63,
    2**64,
    -(2**200),
    0.0,
    -0.0,
    1.5,
    math.inf,
    -math.inf,
    math.nan,
    5e-324,
    "",
    "plain",
    "\0",
    "ä€😀",
    "\ud800 a lone surrogate",
    b"",
    b"\0\xff",
    bytearray(b"mutable"),
    (),
    (1, (2, (3,))),
    [1, [2]],
    {"a": {"b": None}},
    {1, 2},
    frozenset("a"),
    3 + 4j,
    range(3),
    Ellipsis,
    NotImplemented,
    int,
    len,
    tasks.Colour.RED,
    tasks.Colour,
    tasks.Point(1, 2),
    ValueError("as a value"),
    "x" * 300_000,
    b"y" * 300_000,
    list(range(50_000)),
]


@pytest.mark.parametrize("n", [0, 1, 2, 3, 7, 100, 5000])
def test_results_are_in_the_order_of_the_items(pool, n):
    assert pool.map(tasks.square, range(n)) == [x * x for x in range(n)]


def test_any_iterable_is_an_input(pool):
    assert pool.map(tasks.identity, iter([3, 1, 2])) == [3, 1, 2]
    assert pool.map(tasks.identity, (x for x in "abc")) == ["a", "b", "c"]
    assert pool.map(tasks.identity, {"k": 1, "l": 2}) == ["k", "l"]
    assert pool.map(tasks.identity, "xyz") == ["x", "y", "z"]
    assert sorted(pool.map(tasks.identity, {3, 1, 2})) == [1, 2, 3]


def test_the_result_is_a_list(pool):
    assert type(pool.map(tasks.identity, ())) is list
    assert type(pool.starmap(tasks.add, ())) is list


@pytest.mark.parametrize("value", VALUES, ids=lambda value: f"{type(value).__name__}-{value!r:.20}")
def test_values_keep_type_and_content_both_ways(pool, value):
    got = pool.map(tasks.identity, [value, value])
    assert [type(x) for x in got] == [type(value)] * 2
    assert all(x == value or repr(x) == repr(value) for x in got)


@pytest.mark.parametrize(
    "value",
    [tasks.Number(7), tasks.Real(1.5), tasks.Text("t"), tasks.Blob(b"b")],
    ids=lambda value: type(value).__name__,
)
def test_subclasses_of_plain_types_keep_their_class(pool, value):
    assert [(type(x), x) for x in pool.map(tasks.identity, [value])] == [(type(value), value)]
    assert type(pool.apply(tasks.return_it, (value,))) is type(value)


def test_any_list_of_plain_values_maps_as_the_builtin_does(make_pool):
    pool = make_pool()
    scalar = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
    value = scalar | st.lists(scalar, max_size=3) | st.tuples(scalar, scalar)

    @settings(max_examples=60, deadline=None, database=None)
    @given(st.lists(value, max_size=60), st.none() | st.integers(1, 70))
    def check(items, chunksize):
        got = pool.map(tasks.identity, items, chunksize)
        assert repr(got) == repr(items)

    check()


def test_a_few_megabytes_each_way(pool):
    items = [bytes([n]) * 3_000_000 for n in range(6)]
    assert pool.map(tasks.identity, items) == items


def test_starmap_unpacks_each_item(pool):
    pairs = [(1, 2), [3, 4], "ab", (x for x in (5, 6))]
    assert pool.starmap(tasks.add, pairs[:3]) == [3, 7, "ab"]
    assert pool.starmap(tasks.keywords, [(), (1,), (1, 2, 3)]) == [
        ((), {}),
        ((1,), {}),
        ((1, 2, 3), {}),
    ]


def test_starmap_gives_a_dict_as_keywords(pool):
    items = [{"a": 1, "b": 2}, {}, (3,)]
    expected = [((), {"a": 1, "b": 2}), ((), {}), ((3,), {})]
    assert pool.starmap(tasks.keywords, items) == expected
    assert list(pool.istarmap(tasks.keywords, items)) == expected


def test_starmap_of_what_cannot_be_unpacked(pool):
    with pytest.raises(TypeError):
        pool.starmap(tasks.add, [(1, 2), 3])
    assert pool.starmap(tasks.add, [(1, 2)]) == [3]


@pytest.mark.parametrize("chunksize", [1, 2, 7, 10, 11, 1000])
def test_chunksize_does_not_change_the_result(pool, chunksize):
    assert pool.map(tasks.square, range(10), chunksize) == [x * x for x in range(10)]
    assert pool.map(tasks.square, iter(range(10)), chunksize=chunksize) == [
        x * x for x in range(10)
    ]
    assert pool.starmap(tasks.add, [(x, 1) for x in range(10)], chunksize) == list(range(1, 11))


@pytest.mark.parametrize("chunksize", [0, -1])
def test_chunksize_below_one_is_refused(pool, chunksize):
    for method in (pool.map, pool.starmap, pool.map_async, pool.starmap_async, pool.imap):
        with pytest.raises(ValueError, match="chunksize"):
            method(tasks.identity, [(1,)], chunksize)


@pytest.mark.parametrize("chunksize", ["2", 1.5])
def test_chunksize_that_is_no_integer_is_refused(pool, chunksize):
    for method in (pool.map, pool.map_async, pool.imap_unordered):
        with pytest.raises(TypeError):
            method(tasks.identity, [1], chunksize)


def test_every_sort_of_callable(pool):
    offset = 10

    def closure(x):
        return x + offset

    assert pool.map(lambda x: x + 1, [1, 2]) == [2, 3]
    assert pool.map(closure, [1, 2]) == [11, 12]
    assert pool.map(abs, [-1, 2]) == [1, 2]
    assert pool.map(int, ["1", "2"]) == [1, 2]
    assert pool.map(str.upper, ["a"]) == ["A"]
    assert pool.map(functools.partial(tasks.add, 5), [1, 2]) == [6, 7]
    assert pool.map(operator.itemgetter(1), ["ab", "cd"]) == ["b", "d"]
    assert pool.map(tasks.Adder(3), [1, 2]) == [4, 5]
    assert pool.map(tasks.Point(1, 2).plus, [1, 2]) == [tasks.Point(2, 2), tasks.Point(3, 2)]
    assert pool.map([7, 8, 9].__getitem__, [0, 2]) == [7, 9]
    assert pool.map(tasks.cached, [1]) == [1]


def test_a_closure_is_taken_as_it_is_at_each_call(pool):
    offset = 1

    def closure(x):
        return x + offset

    assert pool.map(closure, [1]) == [2]
    offset = 100
    assert pool.map(closure, [1]) == [101]


def test_what_is_not_callable_is_a_type_error(pool):
    with pytest.raises(TypeError):
        pool.map(17, [1])
    with pytest.raises(TypeError):
        pool.map(tasks.identity, 17)
    assert pool.map(tasks.identity, [1]) == [1]


def test_the_exception_of_an_item_is_raised(pool):
    with pytest.raises(ValueError, match=r"^item 3\b"):
        pool.starmap(tasks.boom_on, [(x, 3) for x in range(10)])
    with pytest.raises(tasks.OwnError) as caught:
        pool.map(tasks.own_error, [5])
    assert (caught.value.code, caught.value.detail) == (5, "detail")
    assert pool.map(tasks.identity, [1, 2]) == [1, 2]


def test_the_first_failure_stops_the_rest(pool, tmp_path):
    path, n = tmp_path / "journal", 3000
    with pytest.raises(ValueError, match=r"^item 0\b"):
        pool.starmap(tasks.note_and_boom, [(path, x, 0) for x in range(n)], 1)
    assert "0" in journal(path)
    assert len(journal(path)) < n
    assert pool.map(tasks.identity, range(50)) == list(range(50))
    assert len(journal(path)) < n


@pytest.mark.parametrize("kind", ["process", "serial"], indirect=True)
def test_the_first_failure_stops_an_endless_source(pool):
    closed = []

    def source():
        try:
            for x in itertools.count():
                yield x, 7
        finally:
            closed.append(x)

    with pytest.raises(ValueError, match=r"^item 7\b"):
        pool.starmap(tasks.boom_on, source(), 1)
    assert len(closed) == 1


def test_the_failure_of_the_source_is_raised(pool):
    def source():
        yield 1
        raise KeyError("source")

    with pytest.raises(KeyError, match="source"):
        pool.map(tasks.identity, source())
    with pytest.raises(KeyError, match="source"):
        pool.map_async(tasks.identity, source()).get()
    assert pool.map(tasks.identity, [1]) == [1]


def test_a_source_that_lies_about_its_length(pool):
    class Liar:
        def __init__(self, claimed, items):
            self.claimed, self.items = claimed, items

        def __len__(self):
            return self.claimed

        def __iter__(self):
            return iter(self.items)

    assert pool.map(tasks.identity, Liar(100, [1, 2])) == [1, 2]
    assert pool.map(tasks.identity, Liar(1, range(40))) == list(range(40))
    assert list(pool.imap(tasks.identity, Liar(1, range(40)))) == list(range(40))


@parallel
def test_items_run_at_the_same_time(make_pool, tmp_path):
    pool = make_pool(3)
    places = pool.starmap(tasks.meet, [(tmp_path, n, 3) for n in range(3)], 1)
    assert len(set(places)) == 3


def test_map_async_gives_what_map_gives(pool):
    results = [pool.map_async(tasks.square, range(n)) for n in (0, 1, 500)]
    assert [r.get() for r in results] == [[], [0], [x * x for x in range(500)]]
    assert pool.starmap_async(tasks.add, [(1, 2), (3, 4)]).get() == [3, 7]


def test_map_async_raises_in_get(pool):
    result = pool.map_async(tasks.boom, [1])
    with pytest.raises(ValueError, match="item 1"):
        result.get()
    assert not result.successful()
