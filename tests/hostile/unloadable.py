"""Values that can be sent, and whose loading raises, exits or kills."""

from __future__ import annotations

import os
import signal
import sys

from .cases import Case, Loads, NeedsArguments, Private, SetState, collect, recurse, throw

UNLOADABLE: list[Case] = []


@collect(UNLOADABLE, "unpickle")
def setstate_raises():
    return SetState(throw, ValueError, "hostile")


@collect(UNLOADABLE, "unpickle")
def setstate_exits():
    return SetState(sys.exit, 3)


@collect(UNLOADABLE, "unpickle")
def setstate_raises_generator_exit():
    return SetState(throw, GeneratorExit)


@collect(UNLOADABLE, "unpickle")
def setstate_raises_private():
    return SetState(throw, Private, "hostile")


@collect(UNLOADABLE, "unpickle")
def setstate_raises_stop_iteration():
    return SetState(throw, StopIteration)


@collect(UNLOADABLE, "unpickle")
def setstate_recurses():
    return SetState(recurse)


@collect(UNLOADABLE, "unpickle")
def loads_an_exit():
    return Loads(sys.exit, 3)


@collect(UNLOADABLE, "unpickle")
def loads_a_missing_module():
    return Loads(__import__, "no_such_module_anywhere")


@collect(UNLOADABLE, "unpickle")
def loads_a_missing_attribute():
    return Loads(getattr, sys, "no_such_attribute")


@collect(UNLOADABLE, "unpickle")
def loads_a_division():
    return Loads(divmod, 1, 0)


@collect(UNLOADABLE, "unpickle")
def constructor_wants_more():
    return NeedsArguments(1, "text")


@collect(UNLOADABLE, "unpickle")
def deep_inside_fails():
    return [1, {"a": (SetState(throw, KeyError, "hostile"),)}]


@collect(UNLOADABLE, "dies")
def setstate_leaves():
    return SetState(os._exit, 7)


@collect(UNLOADABLE, "dies")
def setstate_kills():
    return Loads(signal.raise_signal, signal.SIGKILL)


@collect(UNLOADABLE, "dies")
def setstate_crashes():
    return Loads(signal.raise_signal, signal.SIGSEGV)
