"""Globals of `__main__` that could not be sent, told as what they are and not as a `NameError`.

Code that reads such a global fails where it reads it. Then the `NameError` becomes a
`PicklingError` that says why the global is not there: in a pool's worker, and in a process, where
the function may have come as its target or through a queue.

A process that is certain to fail in this way does not start: its target, its `run`, or a function
among its arguments reads the global before anything can decide otherwise. What stands behind a
condition, in a loop or in a `try` may never be read, and what the process binds itself is there.

Refuses: to forbid what might work.
"""

from __future__ import annotations

from types import CodeType, FunctionType, MethodType

from . import _namespace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

_BINDS = frozenset({"STORE_GLOBAL", "STORE_NAME"})
_BINDS_UNSEEN = frozenset({"globals", "exec"})  # who reads these may bind anything
_ENDS = ("RETURN", "RAISE", "RERAISE", "YIELD", "SEND")


def explained(error: BaseException) -> BaseException:
    """The reason why a global is missing, if that is what a `NameError` is about."""
    name = error.name if isinstance(error, NameError) else None
    why = _namespace.why_unsent(name) if isinstance(name, str) else None
    if why is None:
        return error
    text = f"could not be sent to the workers, and no worker code has set it: {why}"
    made = _error(name, text)
    made.__cause__ = error
    return made


def check(process: Any, unsent: Mapping[str, BaseException], sent: Iterable[Any]) -> None:
    """Raise a `PicklingError` if a process object reads a global that is not among those sent.

    `unsent` holds the globals that were left out, each with the reason; `sent` the others' values.
    """
    bound: set[str] = set()
    for code in _codes_of(sent) if unsent else ():
        bound |= _bound(code)
    if bound & _BINDS_UNSEEN:
        return
    for code in _first_codes(process) if unsent else ():
        for name in _first_reads(code):
            if name in unsent and name not in bound:
                text = f"is read by {code.co_qualname}, and cannot be sent to a process: "
                raise _error(name, text + str(unsent[name])) from unsent[name]


def _error(name: Any, text: str) -> BaseException:
    from .errors import PicklingError

    return PicklingError(f"the global {name!r} of __main__ {text}", path=f"global {name!r}")


def _first_codes(process: Any) -> Iterator[CodeType]:
    """The code that a process is made to run: what it begins with, as far as one can tell."""
    yield from _code_of(getattr(type(process), "run", None))
    given = (
        getattr(process, "_target", None),
        *getattr(process, "_args", ()),
        *getattr(process, "_kwargs", {}).values(),
    )
    for value in given:
        yield from _code_of(value)


def _code_of(value: Any) -> Iterator[CodeType]:
    function = value.__func__ if type(value) is MethodType else value
    if type(function) is FunctionType and function.__globals__ is _namespace.main().space:
        yield function.__code__


def _codes_of(values: Iterable[Any]) -> Iterator[CodeType]:
    """The code of functions, and of the methods of classes."""
    for value in values:
        yield from _code_of(value)
        for part in vars(value).values() if isinstance(value, type) else ():
            yield from _code_of(part)


def _first_reads(code: CodeType) -> Iterator[str]:
    """The globals that code reads whenever it runs: up to where it may take one way or another."""
    import dis

    listing: Any = dis.Bytecode(code)
    guarded = min((entry.start for entry in listing.exception_entries), default=None)
    for step in listing:
        turns = step.opcode in dis.hasjrel or step.opcode in dis.hasjabs
        if turns or step.offset == guarded or step.opname.startswith(_ENDS):
            return
        if step.opname == "LOAD_GLOBAL":
            yield step.argval


def _bound(code: CodeType) -> set[str]:
    """The globals that code, and the code in it, may bind."""
    import dis

    steps = list(dis.get_instructions(code))
    names = {step.argval for step in steps if step.opname in _BINDS}
    names |= {s.argval for s in steps if s.opname == "LOAD_GLOBAL" and s.argval in _BINDS_UNSEEN}
    for part in code.co_consts:
        if isinstance(part, CodeType):
            names |= _bound(part)
    return names
