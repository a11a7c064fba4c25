"""Objects that make other pools hang: as argument, as result, as exception, as initargs."""

from __future__ import annotations

import threading

import hostile
import hostile_tasks
import pytest
import tasks
from support import LIMIT, Inventory

import manyhands

ERRORS = {"pickle": manyhands.PicklingError, "unpickle": manyhands.UnpicklingError}

values = pytest.mark.parametrize("case", hostile.VALUES, ids=lambda case: case.name)
exceptions = pytest.mark.parametrize("case", hostile.EXCEPTIONS, ids=lambda case: case.name)
received = pytest.mark.parametrize(
    "case", [case for case in hostile.VALUES if case.fate != "dies"], ids=lambda case: case.name
)


@pytest.fixture(scope="module")
def module_pool(warmed_up):
    """One pool for all cases, so that each must leave it in order."""
    inventory = Inventory()
    with manyhands.Pool(2) as pool:
        yield pool
    inventory.check()


@pytest.fixture(autouse=True)
def nothing_left():
    """Workers that die here are replaced, so the look at leftovers is taken by `module_pool`."""


@pytest.fixture
def shared_pool(module_pool):
    """A pool that must still work when the test is over."""
    yield module_pool
    assert module_pool.map(tasks.square, range(10)) == [x * x for x in range(10)]


@values
def test_as_an_argument(shared_pool, case):
    value = case.make()
    if case.fate == "travels":
        assert shared_pool.apply(hostile_tasks.same_as_made, (case.name, value))
        assert all(shared_pool.starmap(hostile_tasks.same_as_made, [(case.name, value)] * 3))
        return
    expected = ERRORS.get(case.fate, manyhands.WorkerDied)
    with pytest.raises(expected):
        shared_pool.apply(hostile_tasks.nothing, (value,))
    with pytest.raises(expected):
        shared_pool.apply_async(hostile_tasks.nothing, (1,), {"word": value}).get(LIMIT)
    with pytest.raises(expected):
        shared_pool.map(hostile_tasks.nothing, [value])
    with pytest.raises(expected):
        list(shared_pool.imap(hostile_tasks.nothing, [value]))


def test_a_result_that_cannot_be_had_names_its_item(shared_pool):
    name = next(case.name for case in hostile.VALUES if case.fate == "unpickle")
    got = shared_pool.map(hostile_tasks.make_value, [name] * 2, errors="return")
    assert [error.__notes__[-1] for error in got] == [
        f"(the result of item {x} of make_value)" for x in range(2)
    ]


@pytest.mark.parametrize(
    ("args", "words", "path"),
    [
        ((1, [threading.Lock()]), {}, "argument[1][0]"),
        ((1, [threading.Lock()]), {"word": 2}, "argument[1][0]"),
        ((1,), {"word": [threading.Lock()]}, "keywords['word'][0]"),
    ],
)
def test_the_path_is_that_of_the_call(shared_pool, args, words, path):
    with pytest.raises(manyhands.PicklingError) as caught:
        shared_pool.apply(hostile_tasks.nothing, args, words)
    assert caught.value.path == path
    assert str(caught.value).startswith(f"{path}: ")
    with manyhands.Executor(1) as executor:
        error = executor.submit(hostile_tasks.nothing, *args, **words).exception(LIMIT)
    assert error.path == path


@values
def test_one_bad_argument_among_good_ones(shared_pool, case):
    items = [1, 2, case.make(), 4]
    got = shared_pool.map(hostile_tasks.nothing, items, errors="return")
    if case.fate == "travels":
        assert got == [None] * 4
    else:
        assert [got[0], got[1], got[3]] == [None] * 3
        assert isinstance(got[2], ERRORS.get(case.fate, manyhands.WorkerDied))


@received
def test_as_a_result(shared_pool, case):
    if case.fate == "travels":
        assert hostile.same(case.make(), shared_pool.apply(hostile_tasks.make_value, (case.name,)))
        return
    with pytest.raises(ERRORS[case.fate]):
        shared_pool.apply(hostile_tasks.make_value, (case.name,))
    with pytest.raises(ERRORS[case.fate]):
        shared_pool.map(hostile_tasks.make_value, [case.name])
    result = shared_pool.apply_async(hostile_tasks.make_value, (case.name,))
    assert isinstance(result.exception(LIMIT), ERRORS[case.fate])


@received
def test_one_bad_result_among_good_ones(shared_pool, case):
    names = ["huge_integer", case.name, "huge_integer"]
    for got in (
        shared_pool.map(hostile_tasks.make_value, names, errors="return"),
        list(shared_pool.imap(hostile_tasks.make_value, names, errors="return")),
    ):
        assert got[0] == got[2] == 7**40_000
        if case.fate == "travels":
            assert hostile.same(case.make(), got[1])
        else:
            assert isinstance(got[1], ERRORS[case.fate])


@exceptions
def test_as_an_exception(shared_pool, case):
    def check(error):
        if case.fate == "itself":
            assert type(error).__name__ == type(case.make()).__name__
        else:
            assert type(error) is getattr(manyhands, case.fate)

    calls = (
        lambda: shared_pool.apply(hostile_tasks.raise_made, (case.name,)),
        lambda: shared_pool.map(hostile_tasks.raise_made, [case.name]),
        lambda: list(shared_pool.imap(hostile_tasks.raise_made, [case.name])),
    )
    for call in calls:
        with pytest.raises(Exception) as caught:
            call()
        check(caught.value)
    (error,) = shared_pool.map(hostile_tasks.raise_made, [case.name], errors="return")
    check(error)


@values
def test_as_initargs(case):
    value = case.make()
    if case.fate == "travels":
        with manyhands.Pool(1, tasks.set_state, (value,)) as pool:
            assert pool.apply(hostile_tasks.state_is_as_made, (case.name,))
        return
    expected = manyhands.PicklingError if case.fate == "pickle" else manyhands.InitializerError
    with pytest.raises(expected), manyhands.Pool(1, tasks.set_state, (value,)) as pool:
        pool.apply(tasks.square, (1,))


@values
def test_as_part_of_the_function(shared_pool, case):
    value = case.make()

    def closure(x):
        return x, value is not None

    if case.fate == "travels":
        assert shared_pool.apply(closure, (1,)) == (1, True)
        return
    with pytest.raises((*ERRORS.values(), manyhands.WorkerDied)):
        shared_pool.apply(closure, (1,))


def test_exceptions_keep_what_they_carry(shared_pool):
    with pytest.raises(tasks.OwnError) as caught:
        shared_pool.apply(tasks.chained, (5,))
    assert (caught.value.code, caught.value.detail) == (5, "chained")
    with pytest.raises(ValueError) as caught:
        shared_pool.apply(tasks.noted, ("v",))
    assert caught.value.args == ("v",)
    assert "a note of the task" in caught.value.__notes__
