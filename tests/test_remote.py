"""Exceptions on their way from a worker: what is kept, how it prints, what never gets through.

Both sides run in this process here; `test_code` sends the hostile corpus through a worker.
"""

from __future__ import annotations

import pickle
import threading
import traceback

import hostile
import pytest
from hostile import exceptions

from manyhands import _namespace, _remote
from manyhands.errors import PicklingError, RemoteError, RemoteTraceback, TaskExit


def there_and_back(exc, note=None):
    return _remote.loads_exception(_remote.dumps_exception(exc, note))


def raised(exc):
    """The exception with a traceback, as a worker catches it."""
    try:
        raise_it(exc)
    except BaseException as error:
        return error


def raise_it(exc):
    raise exc


def printed(exc):
    return "".join(traceback.format_exception(exc))


def test_type_arguments_attributes_and_notes():
    exc = raised(ValueError("text", 1))
    exc.code = [7]
    exc.add_note("from the task")
    back = there_and_back(exc, "item 3 of f, worker 1 (pid 42)")
    assert type(back) is ValueError
    assert back.args == ("text", 1)
    assert back.code == [7]
    assert back.__notes__ == ["from the task", "item 3 of f, worker 1 (pid 42)"]


def test_prints_like_concurrent_futures():
    text = printed(there_and_back(raised(ValueError("text")), "the note"))
    first, second = text.split(
        "\nThe above exception was the direct cause of the following exception:\n"
    )
    assert first.startswith(
        'manyhands.errors.RemoteTraceback: \n"""\nTraceback (most recent call last):'
    )
    assert "raise exc" in first
    assert first.endswith('ValueError: text\n"""\n')
    assert second == "\nValueError: text\nthe note\n"


def test_cause_is_kept_and_the_text_put_at_its_end():
    exc = ValueError("outer")
    exc.__cause__ = KeyError("middle")
    exc.__cause__.__cause__ = OSError(5, "inner")
    back = there_and_back(raised(exc))
    assert type(back.__cause__) is KeyError
    assert type(back.__cause__.__cause__) is OSError
    assert back.__cause__.__cause__.errno == 5
    remote = back.__cause__.__cause__.__cause__
    assert type(remote) is RemoteTraceback
    assert "inner" in remote.text
    assert "middle" not in remote.text
    printed = "".join(traceback.format_exception(back))
    for name in ("outer", "middle", "raise exc"):
        assert printed.count(name) == 1, printed


def test_context_is_kept_beside_the_text():
    back = there_and_back(raised(exceptions.with_context()))
    assert type(back.__context__) is ZeroDivisionError
    assert type(back.__cause__) is RemoteTraceback
    assert "During handling of the above exception" in back.__cause__.text


def test_suppressed_context_stays_suppressed():
    back = there_and_back(exceptions.from_none())
    assert back.__suppress_context__
    assert type(back.__context__) is ZeroDivisionError
    assert "ZeroDivisionError" not in printed(back)


def test_groups_keep_their_members_and_their_causes():
    back = there_and_back(exceptions.group_of_groups())
    inner, other = back.exceptions
    assert [type(e) for e in inner.exceptions] == [ValueError, hostile.NeedsArguments]
    assert type(inner.exceptions[0].__cause__) is KeyError
    assert inner.exceptions[1].code == 2
    assert other.errno == 1


def test_constructor_that_wants_more_arguments():
    back = there_and_back(raised(hostile.NeedsArguments(5, "five")))
    assert type(back) is hostile.NeedsArguments
    assert back.code == 5
    assert back.args == ("five",)


def test_what_cannot_be_pickled_becomes_text():
    exc = ValueError("kept", threading.Lock())
    exc.lock = threading.Lock()
    exc.fine = 3
    back = there_and_back(exc)
    assert back.args[0] == "kept"
    assert back.args[1].startswith("<unlocked _thread.lock")
    assert back.lock.startswith("<unlocked _thread.lock")
    assert back.fine == 3


def test_c_level_fields_survive_a_bare_rebuild():
    exc = UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad")
    exc.lock = threading.Lock()
    back = there_and_back(exc)
    assert (back.encoding, back.object, back.reason) == ("utf-8", b"\xff", "bad")


def test_stand_in_holds_the_facts():
    back = there_and_back(raised(exceptions.class_cannot_be_sent()))
    assert type(back) is RemoteError
    assert back.type_name == "hostile.exceptions.class_cannot_be_sent.<locals>.Unsendable"
    assert back.message == "kept"
    assert back.arguments == ["'kept'"]
    assert "Traceback (most recent call last)" in back.traceback
    assert "cannot be pickled" in str(back)
    assert type(back.__cause__) is RemoteTraceback


def test_stand_in_when_the_parent_cannot_load_it(monkeypatch):
    data = _remote.dumps_exception(hostile.NeedsArguments(1, "text"))
    monkeypatch.delattr(hostile.cases, "NeedsArguments")
    back = _remote.loads_exception(data)
    assert type(back) is RemoteError
    assert back.type_name == "hostile.cases.NeedsArguments"
    assert "cannot be had in this process" in str(back)


def test_link_of_a_chain_that_cannot_travel_is_replaced():
    exc = ValueError("outer")
    exc.__cause__ = exceptions.class_cannot_be_sent()
    back = there_and_back(exc)
    assert type(back) is ValueError
    assert type(back.__cause__) is RemoteError
    assert back.__cause__.message == "kept"


@pytest.mark.parametrize(
    "exc",
    [
        SystemExit(3), KeyboardInterrupt(), GeneratorExit(), hostile.Private("x"),
        StopIteration(5), StopAsyncIteration(), BaseExceptionGroup("g", [KeyboardInterrupt()]),
    ],
)  # fmt: skip
def test_control_flow_is_wrapped(exc):
    back = there_and_back(raised(exc), "the note")
    assert type(back) is TaskExit
    assert type(back.__cause__) is type(exc)
    assert repr(back.__cause__.args) == repr(exc.args)
    assert back.__notes__ == ["the note"]
    assert type(exc).__name__ in str(back)
    assert type(back.__cause__.__cause__) is RemoteTraceback


@pytest.mark.parametrize("links", [1, 2])
def test_a_circle_of_causes_keeps_the_traceback(links):
    exc, other = ValueError("told"), TypeError("other")
    try:
        raise exc
    except ValueError:
        pass
    exc.__cause__ = other if links == 2 else exc
    other.__cause__ = exc
    back = there_and_back(exc)
    (note,) = back.__notes__
    assert note.startswith("in the worker:")
    assert "raise exc" in note
    assert note.endswith("ValueError: told")


def test_circles_and_long_chains_end():
    for make in (exceptions.circle_of_causes, exceptions.thousands_of_contexts):
        back = there_and_back(make())
        assert type(back) is ValueError
        assert len(printed(back)) > 0


@pytest.mark.parametrize(
    "make", [pytest.param(case.make, id=case.name) for case in hostile.EXCEPTIONS]
)
def test_bytes_are_bounded_and_load(make):
    data = _remote.dumps_exception(raised(make()))
    assert len(data) < 6_000_000
    assert isinstance(_remote.loads_exception(data), Exception)


def test_name_error_on_a_global_that_was_not_sent():
    _namespace.mark_unsent("no_such_global", "cannot pickle 'x' object")
    exc = NameError("name 'no_such_global' is not defined", name="no_such_global")
    back = there_and_back(raised(exc))
    assert type(back) is PicklingError
    assert back.path == "global 'no_such_global'"
    assert "cannot pickle 'x' object" in str(back)
    assert type(back.__cause__) is NameError
    _namespace.bind("no_such_global", 1)
    assert type(there_and_back(raised(exc))) is NameError


def test_traceback_text_is_of_the_task(monkeypatch):
    def fail():
        raise ValueError("x")

    monkeypatch.setattr(traceback, "format_exception", fail)
    back = there_and_back(raised(ValueError("x")))
    assert "raise exc" in back.__cause__.text
    assert back.__cause__.text.endswith("ValueError: x\n")


def test_remote_traceback_can_travel_on():
    back = there_and_back(raised(ValueError("x")))
    again = there_and_back(back)
    assert type(again.__cause__) is RemoteTraceback
    assert again.__cause__.text == back.__cause__.text
    copy = pickle.loads(pickle.dumps(back.__cause__))
    assert str(copy) == str(back.__cause__)
