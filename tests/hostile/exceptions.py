"""Exceptions for tasks to raise."""

from __future__ import annotations

import asyncio
import socket
import threading

from .cases import Case, NeedsArguments, Private, collect, recurse

EXCEPTIONS: list[Case] = []


def recurse_once():
    return 1 // 0


@collect(EXCEPTIONS, "itself")
def plain():
    return ValueError("hostile", 1)


@collect(EXCEPTIONS, "itself")
def no_message():
    return ValueError()


@collect(EXCEPTIONS, "itself")
def with_cause():
    made = KeyError("outer")
    made.__cause__ = OSError(2, "No such file", "inner.txt")
    return made


@collect(EXCEPTIONS, "itself")
def with_context():
    made = KeyError("outer")
    made.__context__ = ZeroDivisionError("inner")
    return made


@collect(EXCEPTIONS, "itself")
def from_none():
    made = with_context()
    made.__suppress_context__ = True
    return made


@collect(EXCEPTIONS, "itself")
def with_notes():
    made = ValueError("noted")
    made.add_note("first note")
    made.add_note("second note")
    return made


@collect(EXCEPTIONS, "itself")
def group_of_groups():
    inner = ExceptionGroup("inner", [ValueError(1), NeedsArguments(2, "two")])
    inner.exceptions[0].__cause__ = KeyError("cause")
    return ExceptionGroup("outer", [inner, OSError(1, "x")])


@collect(EXCEPTIONS, "itself")
def wants_more_arguments():
    return NeedsArguments(5, "five")


@collect(EXCEPTIONS, "itself")
def wants_keywords():
    class KeywordsOnly(ValueError):
        def __init__(self, *, field):
            super().__init__(f"bad {field}")
            self.field = field

    return KeywordsOnly(field="name")


@collect(EXCEPTIONS, "itself")
def constructor_raises():
    class OnlyOnce(Exception):
        made = 0

        def __init__(self, *arguments):
            type(self).made += 1
            if type(self).made > 1:
                raise SystemExit("the constructor")
            super().__init__(*arguments)

    return OnlyOnce("once")


@collect(EXCEPTIONS, "itself")
def unpicklable_argument():
    return ValueError("held", threading.Lock())


@collect(EXCEPTIONS, "itself")
def unpicklable_attribute():
    made = ValueError("held")
    made.held = threading.Lock()
    made.kept = [1, 2]
    return made


@collect(EXCEPTIONS, "itself")
def unpicklable_cause():
    made = ValueError("outer")
    made.__cause__ = unpicklable_argument()
    return made


@collect(EXCEPTIONS, "itself")
def reduce_of_it_raises():
    class BadReduce(ValueError):
        def __reduce__(self):
            raise GeneratorExit("reduce")

    return BadReduce("kept", 3)


@collect(EXCEPTIONS, "itself")
def reduce_of_it_gives_a_string():
    class BadReduce(ValueError):
        def __reduce__(self):
            return str, ("gotcha",)

    return BadReduce("kept", 3)


@collect(EXCEPTIONS, "itself")
def setstate_of_it_raises():
    class BadState(ValueError):
        def __setstate__(self, state):
            raise RuntimeError("state")

    made = BadState("kept")
    made.field = 1
    return made


@collect(EXCEPTIONS, "itself")
def str_raises():
    class BadText(ValueError):
        def __str__(self):
            raise SystemExit("str")

        __repr__ = __str__

    return BadText("kept")


@collect(EXCEPTIONS, "itself")
def forbids_attributes():
    class Frozen(ValueError):
        def __setattr__(self, name, value):
            raise AttributeError(f"{name} is read-only")

    return Frozen("kept")


@collect(EXCEPTIONS, "itself")
def has_slots():
    class Slotted(ValueError):
        __slots__ = ("code",)

    made = Slotted("kept")
    made.code = 7
    return made


@collect(EXCEPTIONS, "itself")
def class_made_at_run_time():
    return type("Dynamic", (LookupError,), {"__module__": "no_such_module_anywhere"})("kept")


@collect(EXCEPTIONS, "itself")
def file_error():
    return FileNotFoundError(2, "No such file or directory", "/no/such/file")


@collect(EXCEPTIONS, "itself")
def decode_error():
    return UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")


@collect(EXCEPTIONS, "itself")
def syntax_error():
    return SyntaxError("bad", ("file.py", 1, 2, "a b"))


@collect(EXCEPTIONS, "itself")
def recursion_error():
    try:
        recurse()
    except RecursionError as error:
        return error


@collect(EXCEPTIONS, "itself")
def memory_error():
    return MemoryError("hostile")


@collect(EXCEPTIONS, "itself")
def circle_of_causes():
    one, other = ValueError("one"), ValueError("other")
    one.__cause__, other.__cause__ = other, one
    return one


@collect(EXCEPTIONS, "itself")
def thousands_of_contexts():
    made = ValueError("last")
    link: BaseException = made
    for number in range(5000):
        link.__context__ = ValueError(number)
        link = link.__context__
    return made


@collect(EXCEPTIONS, "itself")
def long_message():
    return ValueError("x" * 5_000_000)


@collect(EXCEPTIONS, "itself")
def group_that_is_derived():
    class Errors(ExceptionGroup):
        def derive(self, excs):
            return Errors(self.message, excs)

    return Errors("ours", [ValueError(1)])


@collect(EXCEPTIONS, "itself")
def arguments_raise():
    class BadArguments(ValueError):
        @property
        def args(self):
            raise ValueError("args")

    return BadArguments("kept")


@collect(EXCEPTIONS, "itself")
def is_its_own_cause():
    made = ValueError("itself")
    made.__cause__ = made
    return made


@collect(EXCEPTIONS, "RemoteError")
def holds_itself():
    made = ValueError("held")
    made.args = (made, [made])
    made.me = made
    return made


@collect(EXCEPTIONS, "itself")
def holds_its_traceback():
    try:
        recurse_once()
    except ZeroDivisionError as error:
        error.where = error.__traceback__
        return error


@collect(EXCEPTIONS, "itself")
def holds_a_generator():
    return ValueError((x for x in range(3)), socket.socket)


@collect(EXCEPTIONS, "itself")
def huge_integer_within():
    return OverflowError(7**40_000)


@collect(EXCEPTIONS, "itself")
def group_with_a_lock():
    return ExceptionGroup("held", [ValueError(threading.Lock()), KeyError(threading.RLock())])


@collect(EXCEPTIONS, "itself")
def reduce_of_it_recurses():
    class Recursing(ValueError):
        def __reduce__(self):
            return recurse()

    return Recursing("kept", 3)


@collect(EXCEPTIONS, "itself")
def made_without_its_constructor():
    class Bare(ValueError):
        def __new__(cls, *_arguments, **_keywords):
            return super().__new__(cls)

        def __init__(self, code, *, text):
            self.code, self.text = code, text

    return Bare(7, text="kept")


@collect(EXCEPTIONS, "RemoteError")
def class_cannot_be_sent():
    class Unsendable(ValueError):
        held = threading.Lock()

    return Unsendable("kept")


@collect(EXCEPTIONS, "TaskExit")
def system_exit():
    return SystemExit(3)


@collect(EXCEPTIONS, "TaskExit")
def keyboard_interrupt():
    return KeyboardInterrupt()


@collect(EXCEPTIONS, "TaskExit")
def generator_exit():
    return GeneratorExit()


@collect(EXCEPTIONS, "TaskExit")
def private_base_exception():
    return Private("hostile")


@collect(EXCEPTIONS, "TaskExit")
def stop_iteration():
    return StopIteration(5)


@collect(EXCEPTIONS, "TaskExit")
def stop_async_iteration():
    return StopAsyncIteration()


@collect(EXCEPTIONS, "TaskExit")
def cancelled():
    return asyncio.CancelledError()


@collect(EXCEPTIONS, "TaskExit")
def group_with_interrupt():
    return BaseExceptionGroup("both", [KeyboardInterrupt(), ValueError(1)])
