"""Small containers take a way of their own: they come back as pickle would bring them back."""

import math
import pickle
from collections import OrderedDict, namedtuple

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

import manyhands as mp

Point = namedtuple("Point", "x y")  # noqa: PYI024

leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-200, 200),
    st.floats(allow_nan=False),
    st.text(max_size=300),
    st.binary(max_size=300),
)
keys = st.one_of(leaves, st.tuples(leaves, leaves))


def containers(inner):
    return st.one_of(
        st.lists(inner, max_size=6),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(keys, inner, max_size=5),
    )


values = st.recursive(leaves, containers, max_leaves=40)


@pytest.fixture(scope="module")
def echo():
    a, b = mp.Pipe()

    def through(value):
        a.send(value)
        return b.recv()

    yield through
    a.close()
    b.close()


def same(left, right):
    """Equal, of the same types all the way down, in the same order."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return same(list(left.items()), list(right.items()))
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(map(same, left, right))
    return left == right


@settings(max_examples=400, deadline=None)
@given(value=values)
def test_a_value_comes_back_as_it_was(echo, value):
    assert same(echo(value), value)


def test_signs_and_specials(echo):
    back = echo([-0.0, math.inf, math.nan, -(2**63), 2**63 - 1, 2**63, -129, 127, 128, ""])
    assert math.copysign(1, back[0]) == -1
    assert math.isnan(back[2])
    assert back[3:] == [-(2**63), 2**63 - 1, 2**63, -129, 127, 128, ""]


def test_what_is_one_object_stays_one(echo):
    shared = [1]
    for value in ([shared, shared], {"a": shared, "b": shared}, (shared, shared)):
        back = list(echo(value).values()) if isinstance(value, dict) else echo(value)
        assert back[0] is back[1]
    holder = (["inner"],)
    back = echo([holder, holder])
    assert back[0][0] is back[1][0]
    deep = {"a": {"b": [shared, (shared,)]}}
    back = echo(deep)["a"]["b"]
    assert back[0] is back[1][0]


def test_what_holds_itself_still_does(echo):
    loop = [1]
    loop.append(loop)
    back = echo(loop)
    assert back[1] is back
    loop = {}
    loop["self"] = [loop]
    back = echo(loop)
    assert back["self"][0] is back


@pytest.mark.parametrize(
    "value",
    [
        Point(1, 2),
        OrderedDict(a=1),
        [OrderedDict(a=1), Point(1, (2, 3))],
        {(1, 2): "tuple", None: 1, 1.5: b"x"},
        {1, 2},
        [[[[[[[[1]]]]]]]],
        list(range(5_000)),
        {str(number): number for number in range(1_000)},
        ["x" * 10_000],
        ("\ud800",),
        [2**100],
        [True, 1, 1.0],
    ],
    ids=lambda value: repr(value)[:30],
)
def test_what_is_not_small_or_not_exact_comes_back_too(echo, value):
    assert same(echo(value), pickle.loads(pickle.dumps(value)))


def double(record):
    return {"name": record["name"] * 2, "values": [2 * value for value in record["values"]]}


def test_in_a_pool():
    records = [{"name": str(number), "values": [number, 0.5]} for number in range(2_000)]
    with mp.Pool(2) as pool:
        assert pool.map(double, records) == list(map(double, records))
