"""Errors of pickling name the culprit: where it sits, what it is, what to do."""

from __future__ import annotations

import functools
import pickle
import threading

import hostile
import pytest
from hostile import unloadable, unsendable

from manyhands import _code, _pickling
from manyhands.errors import PicklingError, UnpicklingError


class Holder:
    def __init__(self, **attributes):
        self.__dict__.update(attributes)

    def method(self):
        """Bound to what it is asked of."""


def dumps(obj, label="argument"):
    return _code.Shipper(lambda data, name, met: 0, lambda number: None).dumps(obj, label)


@pytest.mark.parametrize(
    ("make", "path"),
    [
        (lambda bad: (1, 2, Holder(handler=bad)), "argument[2].handler"),
        (lambda bad: {"key": [bad]}, "argument['key'][0]"),
        (lambda bad: Holder(a=Holder(b={3: (bad,)})), "argument.a.b[3][0]"),
        (lambda bad: functools.partial(print, 1, bad), "argument.args[1]"),
        (lambda bad: lambda: bad, "argument, closure variable 'bad'"),
        (lambda bad: lambda x, y=bad: y, "argument, default of 'y'"),
        (lambda bad: [*range(1000), bad, *range(1000)], "argument[1000]"),
        (lambda bad: Holder(method=Holder(lock=bad).method), "argument.method.__self__.lock"),
        (lambda bad: bad, "argument"),
    ],
)
def test_error_names_the_path(make, path):
    with pytest.raises(PicklingError) as caught:
        dumps(make(threading.Lock()))
    assert caught.value.path == path
    assert caught.value.type_name == "_thread.lock"
    assert str(caught.value).startswith(f"{path}: cannot pickle '_thread.lock' object. ")
    assert "initializer" in str(caught.value)
    assert isinstance(caught.value.__cause__, TypeError)


def test_error_of_a_file_says_what_to_do(tmp_path):
    with (tmp_path / "x").open("w") as file, pytest.raises(PicklingError) as caught:
        dumps((1, 2, Holder(handler=file)))
    assert str(caught.value) == (
        "argument[2].handler: cannot pickle '_io.TextIOWrapper' object. "
        "Send the path, and open the file in the worker."
    )


def test_error_keeps_what_reduce_raised():
    error = ValueError("from reduce")

    def fail():
        raise error

    with pytest.raises(PicklingError, match=r"hostile\.cases\.Reduces") as caught:
        dumps([hostile.Reduces(fail)])
    assert caught.value.__cause__ is error
    assert "ValueError: from reduce" in str(caught.value)


def test_deep_nesting_is_explained():
    with pytest.raises(PicklingError, match="nested too deeply") as caught:
        dumps(unsendable.too_deep())
    assert isinstance(caught.value.__cause__, RecursionError)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, MemoryError])
def test_interrupts_pass_through(kind):
    with pytest.raises(kind):
        dumps([hostile.throws(kind)])
    with pytest.raises(kind):
        _pickling.dumps_result([hostile.throws(kind)])
    with pytest.raises(kind):
        _pickling.loads(pickle.dumps(hostile.SetState(hostile.throw, kind)))


def test_loading_error_names_the_type():
    with pytest.raises(UnpicklingError, match=r"a hostile\.cases\.SetState, arrived") as caught:
        _pickling.loads(pickle.dumps(unloadable.setstate_raises()), "the result")
    assert caught.value.type_name == "hostile.cases.SetState"
    assert isinstance(caught.value.__cause__, ValueError)


def test_loading_error_of_a_missing_module_says_so():
    with pytest.raises(UnpicklingError, match="cannot import 'no_such_module_anywhere'"):
        _pickling.loads(pickle.dumps(unloadable.loads_a_missing_module()))


def test_loading_error_of_a_missing_name_says_so():
    with pytest.raises(UnpicklingError, match="does not exist in this process"):
        _pickling.loads(b"c__main__\nNo_such_class\n.")


@pytest.mark.parametrize("data", [b"", b"\x80\x05", b"garbage", b"\x80\x05\x95\xff" + b"\xff" * 20])
def test_damaged_bytes_are_an_error(data):
    with pytest.raises(UnpicklingError):
        _pickling.loads(data)
