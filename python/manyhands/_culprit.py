"""Finds what in a value cannot be pickled, and says so: `argument[2].handler: cannot pickle ...`.

Pickle names the type that it refused, not where it sits. Here the value is walked from the top:
of the parts of an object, the first that cannot be pickled alone is entered, until an object is
reached all of whose parts can be pickled: that one is the culprit.

This runs only after a failure, and may call `__reduce__` methods again. It refuses to be clever:
when an object pickles differently each time the walk just ends early, and its budget is bounded.
"""

from __future__ import annotations

import functools
import sys
from types import FunctionType, MethodType, ModuleType

from . import _interrupts, _loading
from ._globals import ATOMS, names_read

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from .errors import PicklingError, UnpicklingError

    Part = tuple[str, Any]

_MAX_DEPTH = 100
_MAX_TRIALS = 20_000
_SHORT = 64


def explain(
    obj: Any, error: BaseException, label: str, probe: Callable[[Any], object]
) -> PicklingError:
    """The error to raise (`from error`) because `obj`, called `label`, could not be pickled.

    `probe` tries to pickle one value and raises when it cannot.
    """
    from .errors import PicklingError, pickling_error

    if isinstance(error, PicklingError):
        return error
    if isinstance(error, RecursionError):
        return PicklingError(_too_deep(label), path=label, type_name=type_name(obj))
    path, culprit, reason = _Walk(probe).descend(obj, label, error)
    text = f"{path}: {_reason(culprit, reason)}. {advice(culprit, reason)}"
    return pickling_error(error)(text, path=path, type_name=type_name(culprit))


def tell_apart(error: Exception) -> None:
    """Of arguments and keywords that were pickled as a pair: name the half that could not be."""
    from .errors import PicklingError

    whole = error.path if isinstance(error, PicklingError) else None
    for half, name in (("argument[0]", "argument"), ("argument[1]", "keywords")):
        if whole is not None and whole.startswith(half):
            path = name + whole.removeprefix(half)
            error.args = (str(error).replace(whole, path, 1),)
            error.path = path  # type: ignore[attr-defined]
            return


def cannot_load(data: bytes, error: BaseException, label: str) -> UnpicklingError:
    """The error to raise (`from error`) because `data`, called `label`, could not be loaded."""
    from .errors import UnpicklingError

    announced = announced_type(data)
    a_type = f", a {announced}," if announced else ""
    text = (
        f"{label}{a_type} arrived in process {_pid()} but could not be rebuilt: "
        f"{_said(error)}. {_loading_advice(error)}"
    )
    return UnpicklingError(text, type_name=announced)


class _Walk:
    """A walk from a value that cannot be pickled to the part of it that is to blame."""

    def __init__(self, probe: Callable[[Any], object]) -> None:
        self._probe = probe
        self._trials = 0
        self._failure: BaseException | None = None

    def descend(self, obj: Any, path: str, error: BaseException) -> tuple[str, Any, BaseException]:
        seen = {id(obj)}
        for _ in range(_MAX_DEPTH):
            found = self._bad_part(obj, seen)
            if found is None:
                break
            step, obj = found
            error = self._failure or error
            path += step
            seen.add(id(obj))
        return path, obj, error

    def _bad_part(self, obj: Any, seen: set[int]) -> Part | None:
        for step, part in self._parts(obj):
            if type(part) not in ATOMS and id(part) not in seen and self._fails(part):
                return step, part
        return None

    def _parts(self, obj: Any) -> Iterator[Part]:
        if type(obj) in (list, tuple):
            yield from self._narrowed(obj)
            return
        try:
            yield from parts_of(obj)
        except BaseException as error:  # an object that cannot be looked into has no parts
            if _interrupts.passes(error):
                raise
            return

    def _narrowed(self, items: Sequence[Any]) -> Iterator[Part]:
        """The one failing element of a long sequence by halving, else every element."""
        low, high = 0, len(items)
        while high - low > _SHORT:
            middle = (low + high) // 2
            if self._fails(list(items[low:middle])):
                high = middle
            else:
                low = middle
        for index in range(low, high):
            yield f"[{index}]", items[index]

    def _fails(self, part: Any) -> bool:
        self._trials += 1
        if self._trials > _MAX_TRIALS:
            return False
        try:
            self._probe(part)
        except BaseException as error:  # whatever it raises, it cannot be pickled
            if _interrupts.passes(error):
                raise
            self._failure = error
            return True
        return False


def parts_of(obj: Any) -> Iterator[Part]:
    """What an object is pickled from, each part with the step that leads to it."""
    kind = type(obj)
    if issubclass(kind, type):
        return ((f".{name}", value) for name, value in list(vars(obj).items()))
    if issubclass(kind, ModuleType):
        return iter(())
    find: Callable[[Any], Iterator[Part]] = _PARTS.get(kind, _reduced_parts)
    return find(obj)


def _dict_parts(mapping: dict[Any, Any]) -> Iterator[Part]:
    for key, value in mapping.items():
        yield f"[{short(key)}]", value
        yield f", key {short(key)}", key


def _set_parts(elements: set[Any]) -> Iterator[Part]:
    for element in elements:
        yield f", element {short(element)}", element


def _method_parts(method: MethodType) -> Iterator[Part]:
    yield ".__self__", method.__self__


def _partial_parts(call: functools.partial[Any]) -> Iterator[Part]:
    yield ".func", call.func
    yield ".args", call.args
    yield ".keywords", call.keywords


def _function_parts(function: FunctionType) -> Iterator[Part]:
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield f", closure variable {name!r}", cell.cell_contents
        except ValueError:
            continue
    defaults = function.__defaults__ or ()
    names = function.__code__.co_varnames[: function.__code__.co_argcount]
    for name, value in zip(names[len(names) - len(defaults) :], defaults, strict=True):
        yield f", default of {name!r}", value
    for name, value in (function.__kwdefaults__ or {}).items():
        yield f", default of {name!r}", value
    for name, value in vars(function).items():
        yield f".{name}", value
    for name in names_read(function.__code__):
        if name in function.__globals__:
            yield f", global {name!r}", function.__globals__[name]


def _reduced_parts(obj: Any) -> Iterator[Part]:
    import copyreg

    reducer = copyreg.dispatch_table.get(type(obj))
    reduced = reducer(obj) if reducer is not None else obj.__reduce_ex__(5)
    if not isinstance(reduced, tuple):
        return
    func, arguments, state, items, pairs = (*reduced, None, None, None)[:5]
    yield from _state_parts(state)
    yield ".__reduce__() function", func
    for index, value in enumerate(arguments):
        yield f".__reduce__() argument {index}", value
    for index, value in enumerate(items or ()):
        yield f"[{index}]", value
    for key, value in pairs or ():
        yield f"[{short(key)}]", value


def _state_parts(state: Any) -> Iterator[Part]:
    for group in state if type(state) is tuple else (state,):
        if type(group) is dict:
            for name, value in group.items():
                yield f".{name}", value
        else:
            yield ".__getstate__()", group


_PARTS: dict[type, Callable[[Any], Iterator[Part]]] = {
    dict: _dict_parts,
    set: _set_parts,
    frozenset: _set_parts,
    FunctionType: _function_parts,
    MethodType: _method_parts,
    functools.partial: _partial_parts,
}


# Wording


def type_name(obj: Any) -> str:
    """The qualified name of an object's type, without `builtins`."""
    kind = type(obj)
    module = getattr(kind, "__module__", None)
    return kind.__qualname__ if module in ("builtins", None) else f"{module}.{kind.__qualname__}"


def short(value: Any) -> str:
    """A repr of at most 40 characters, of anything."""
    try:
        text = repr(value)
    except BaseException as error:  # a repr or str may do anything
        if _interrupts.passes(error):
            raise
        text = f"<{type_name(value)}>"
    limit = 40
    return text if len(text) <= limit else text[: limit - 3] + "..."


def describe(error: BaseException) -> str:
    """The text of an exception, whatever its `__str__` does."""
    try:
        return str(error)
    except BaseException as worse:  # a repr or str may do anything
        if _interrupts.passes(worse):
            raise
        return f"<the text of this {type(error).__qualname__} cannot be had>"


def _said(error: BaseException) -> str:
    text = describe(error)
    return f"{type(error).__qualname__}: {text}" if text else type(error).__qualname__


def _reason(culprit: Any, error: BaseException) -> str:
    text = describe(error)
    # Pickle says so in different words, by Python version and by type.
    if text.startswith("cannot pickle") and type(culprit).__name__ in text:
        return f"cannot pickle {type_name(culprit)!r} object"
    return f"a {type_name(culprit)} cannot be pickled ({_said(error)})"


def _too_deep(label: str) -> str:
    return (
        f"{label}: it is nested too deeply to be pickled (Python's recursion limit is "
        f"{sys.getrecursionlimit()}). Flatten it, for example into a list with indexes instead "
        "of a chain of objects, or raise sys.setrecursionlimit."
    )


_ADVICE = {
    ("generator", "async_generator", "coroutine"): (
        "Make it a list, or iterate over it in the parent."
    ),
    ("_thread.lock", "_thread.RLock", "threading."): (
        "Threads of one process share it; make one in each worker, in the pool's initializer."
    ),
    ("_io.", "tempfile."): "Send the path, and open the file in the worker.",
    ("multiprocessing.",): (
        "Objects of multiprocessing are inherited, not sent: use one of a "
        "multiprocessing.Manager()."
    ),
    ("sqlite3.", "psycopg", "sqlalchemy."): (
        "Open the connection in each worker, in the pool's initializer."
    ),
    ("memoryview",): "Send bytes(it) instead.",
    ("manyhands.",): "Pools and their results stay in the process that made them.",
}
_OF_FORK = (
    "The locks that multiprocessing makes for fork, those in its queues too, have no name: only a "
    "forked child has them. Use manyhands.Queue(), Lock() and so on, which go everywhere; or start "
    'the process with manyhands.get_context("fork"); or make them with '
    'multiprocessing.get_context("spawn").'
)
_DEFAULT_ADVICE = (
    "Send plain data and make the object in the worker (in the function, or once in the pool's "
    "initializer), or give its class a __reduce__ method."
)


def advice(culprit: Any, error: BaseException) -> str:
    """What to do about a culprit."""
    name = type_name(culprit)
    if "created in a fork context" in describe(error):
        return _OF_FORK
    if "through inheritance" in describe(error):
        name = "multiprocessing."
    for prefixes, text in _ADVICE.items():
        if name.startswith(prefixes):
            return text
    return _DEFAULT_ADVICE


def _loading_advice(error: BaseException) -> str:
    if isinstance(error, ModuleNotFoundError):
        return (
            f"This process cannot import {error.name!r}: install it, or make sure that its folder "
            "is on sys.path before the pool is created."
        )
    if isinstance(error, AttributeError):
        return (
            "The name does not exist in this process: define it at the top level of a module that "
            "both sides can import."
        )
    if isinstance(error, _loading.LoopError):
        return _loading.ADVICE
    if isinstance(error, ConnectionRefusedError):
        return "The sender must live until the connection has been received."
    return "Check its __reduce__ and __setstate__ methods: copy.copy() of it fails the same way."


def announced_type(data: bytes) -> str | None:
    """The first class or function that a pickle names, without running any of it."""
    import pickletools

    strings: list[str] = []
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(data)):
            if opcode.name == "GLOBAL":
                return str(argument).replace(" ", ".")
            if opcode.name == "STACK_GLOBAL":
                return ".".join(strings[-2:])
            if isinstance(argument, str):
                strings.append(argument)
            if count > _MAX_TRIALS:
                break
    except (ValueError, IndexError, OverflowError):
        return None
    return None


def _pid() -> int:
    import os

    return os.getpid()
