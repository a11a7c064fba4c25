"""The hostile corpus as arguments, results and exceptions of a worker of `fakepool`."""

from __future__ import annotations

import hostile
import pytest
from fakepool import FakePool

from manyhands.errors import PicklingError, RemoteError, UnpicklingError


@pytest.fixture(scope="module")
def pool():
    with FakePool() as made:
        yield made


def closure_over(held):
    return lambda: held


def cases(*fates):
    return [pytest.param(c.make, id=c.name) for c in hostile.VALUES if c.fate in fates]


@pytest.mark.parametrize("place", hostile.PLACES)
def test_corpus_is_large_enough(place):
    names = {case.name for case in hostile.PLACES[place]}
    assert len(names) == len(hostile.PLACES[place]) >= 40
    assert len({case.name for case in hostile.VALUES}) == len(hostile.VALUES)


@pytest.mark.parametrize("make", cases("pickle"))
def test_unpicklable_argument_is_an_error_at_the_call(pool, make):
    with pytest.raises(PicklingError, match=r"^argument"):
        pool.map(hostile.identity, [make()])


@pytest.mark.parametrize("make", cases("pickle"))
def test_unpicklable_result_is_an_error_of_the_item(pool, make):
    with pytest.raises(PicklingError, match=r"^result"):
        pool.call(hostile.value_called, make.__name__)


@pytest.mark.parametrize("make", cases("unpickle"))
def test_argument_that_cannot_be_loaded(pool, make):
    with pytest.raises(UnpicklingError, match=r"^the argument"):
        pool.map(hostile.identity, [make()])


@pytest.mark.parametrize("make", cases("unpickle"))
def test_result_that_cannot_be_loaded(pool, make):
    with pytest.raises(UnpicklingError, match=r"^the result"):
        pool.call(hostile.value_called, make.__name__)


@pytest.mark.parametrize("make", cases("travels"))
def test_odd_values_travel(pool, make):
    value = make()
    assert hostile.same(value, pool.map(hostile.identity, [value])[0])
    assert hostile.same(value, pool.call(hostile.value_called, make.__name__))


@pytest.mark.parametrize("make", cases("dies"))
def test_argument_that_kills_the_worker_is_sent(make):
    with FakePool() as pool, pytest.raises(EOFError):
        pool.map(hostile.identity, [make()])


@pytest.mark.parametrize("make", cases("pickle"))
def test_unpicklable_thing_in_a_function_is_an_error_at_the_call(pool, make):
    with pytest.raises(PicklingError, match=r"closure variable 'held'|too deeply"):
        pool.call(closure_over(make()))


@pytest.mark.parametrize(
    ("make", "fate"), [pytest.param(c.make, c.fate, id=c.name) for c in hostile.EXCEPTIONS]
)
def test_hostile_exceptions_arrive(pool, make, fate):
    with pytest.raises(Exception) as caught:
        pool.call(hostile.raise_exception_called, make.__name__)
    expected = type(make()).__name__ if fate == "itself" else fate
    assert type(caught.value).__name__ == expected
    assert not isinstance(caught.value, RemoteError) or fate == "RemoteError"
    assert "while the test ran" in caught.value.__notes__


def test_the_pool_of_these_tests_still_works(pool):
    assert pool.map(hostile.identity, [1, 2]) == [1, 2]
