"""Exceptions across processes: type, arguments, attributes, notes, chain and traceback survive.

`dumps_exception` runs in the worker, `loads_exception` in the parent. The worker decodes what it
made before it sends it, so an exception that would fail to be rebuilt is found where its facts are
at hand. The ladder of what is tried:

1. As it is: `__cause__`, `__context__` and the members of groups included, each with its own.
2. Each exception that fails by itself is made without calling its constructor: its class, its
   `args` and its attributes are kept, those that cannot be pickled as text. So an exception whose
   constructor wants other arguments than `args` still arrives as itself.
3. The same without the chain.
4. A `RemoteError` that holds the type's name, the message, the arguments as text.

The worker's traceback travels as text and becomes a `RemoteTraceback`: the `__cause__` of the
exception, so that printing it shows the worker's part first, as concurrent.futures does. An
exception that has a `__cause__` of its own keeps it: then the text of the far end of the chain of
causes is put there, and those before it have their tracebacks as notes, so that each is told once.

An exception that would steer the parent's own control flow (`SystemExit`, a worker's
`KeyboardInterrupt`, `StopIteration`) arrives as a `TaskExit` with the original as `__cause__`.
A NameError on a global that could not be sent becomes the `PicklingError` that says why.

This module refuses to let anything that an exception does, on either side, reach the engine:
`dumps_exception` always gives bytes, `loads_exception` always gives an exception.
"""

from __future__ import annotations

from _pickle import dumps as _dumps
from _pickle import loads as _loads
from functools import partial
from io import BytesIO

from . import _culprit, _missing, _pickling
from ._globals import Main

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _pickle import Pickler
    from collections.abc import Callable
    from typing import Any

    Maker = Callable[..., Pickler]
    Known = dict[int, tuple[Any, ...]]

_BARE = b"!"  # no pickle: the type and the text of an exception (see `bare` in worker.rs)
_HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE: the class was made by a class statement or the like
_MAX_TEXT = 100_000
_WITH_SETTER = 6  # length of what __reduce__ gives when it names the function that sets the state
_BASE: Any = BaseException  # for its descriptors, which work whatever a class overrides


# The worker's side


def dumps_exception(exc: BaseException, note: str | None = None) -> bytes:
    """Bytes for an exception that a task raised, and for a note to add to it in the parent."""
    text = _traceback_text(exc)
    exc = _safe(lambda: _missing.explained(exc)) or exc
    links = _safe(lambda: _links_of(exc))
    facts = {
        "type_name": _safe(lambda: _culprit.type_name(exc)) or "an exception",
        "message": _culprit.describe(exc)[:_MAX_TEXT],
        "arguments": [_culprit.short(argument) for argument in _arguments(exc)],
        "traceback": text,
    }
    return _dumps((_body(exc), facts, note, links), 5)


def _chain_of(exc: BaseException) -> list[BaseException]:
    """An exception, its cause, the cause of that, and so on."""
    chain = [exc]
    while (cause := chain[-1].__cause__) is not None and all(cause is not link for link in chain):
        chain.append(cause)
    return chain


def _links_of(exc: BaseException) -> list[str] | None:
    """Where each of a chain of causes was raised, and the whole text of the last; None if alone."""
    import traceback

    *chain, last = _chain_of(exc)
    frames = ["".join(traceback.format_tb(link.__traceback__))[-_MAX_TEXT:] for link in chain]
    return [*frames, _traceback_text(last)] if chain else None


def _body(exc: BaseException) -> bytes | None:
    known: Known = {}
    tolerant, unchained = partial(TolerantPickler, known), partial(UnchainedPickler, known)
    for maker in (ExceptionPickler, tolerant, unchained):
        data = _tried(exc, maker)
        if data is not None:
            return data
    return None


def _tried(exc: BaseException, maker: Maker) -> bytes | None:
    """The bytes, if they give an exception of the same type here."""

    def attempt() -> bytes | None:
        data = _pickled(exc, maker)
        return data if type(_loads(data)) is type(exc) else None

    data: bytes | None = _safe(attempt)
    return data


def _pickled(value: Any, maker: Maker) -> bytes:
    file = BytesIO()
    maker(file, _pickling.reducers(), Main()).dump(value)
    return file.getvalue()


def _safe(attempt: Any) -> Any:
    """What `attempt` gives, or None when it raises anything at all."""
    try:
        return attempt()
    except BaseException:  # noqa: BLE001 (an exception's methods may raise whatever they like)
        return None


class ExceptionPickler(_pickling.ResultPickler):
    """Pickles exceptions with their chain."""

    def reducer_override(self, obj: Any) -> Any:
        """Exceptions our way, all else as in any result."""
        if issubclass(type(obj), BaseException):
            return self.reduce(obj)
        return super().reducer_override(obj)

    def reduce(self, exc: BaseException) -> Any:
        """How to pickle one exception."""
        return _with_chain(exc, exc.__reduce_ex__(5))


class TolerantPickler(ExceptionPickler):
    """Makes the exceptions that fail by themselves without their constructor, or as text.

    `known` keeps what was found out about each, by its `id`.
    """

    def __init__(self, known: Known, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.known = known

    def reduce(self, exc: BaseException) -> Any:
        """How to pickle one exception so that it arrives for certain."""
        return _with_chain(exc, self.sure(exc))

    def sure(self, exc: BaseException) -> tuple[Any, ...]:
        """The same without its chain."""
        parts = self.known.get(id(exc))
        if parts is None:
            parts = self.known[id(exc)] = _sure_parts(exc, self.known)
        return parts


class UnchainedPickler(TolerantPickler):
    """The same, and what they refer to stays behind."""

    def reduce(self, exc: BaseException) -> Any:
        """How to pickle one exception alone."""
        return self.sure(exc)


class _LonePickler(ExceptionPickler):
    """Pickles exceptions as pickle does, to see whether each can stand alone."""

    def reduce(self, exc: BaseException) -> Any:
        return exc.__reduce_ex__(5)


def _with_chain(exc: BaseException, reduced: Any) -> Any:
    if not isinstance(reduced, tuple) or len(reduced) not in (2, 3, _WITH_SETTER):
        return reduced
    func, arguments, state = (*reduced, None)[:3]
    setter = set_state if len(reduced) < _WITH_SETTER else reduced[-1]
    chain = (exc.__cause__, exc.__context__, exc.__suppress_context__)
    return func, arguments, (setter, state, *chain), None, None, restore


def _sure_parts(exc: BaseException, known: Known) -> tuple[Any, ...]:
    if _tried(exc, _LonePickler) is not None:
        reduced: tuple[Any, ...] = exc.__reduce_ex__(5)  # type: ignore[assignment]
        return reduced
    attributes = _tidied(_attributes(exc))
    made = (make_bare, (type(exc), _tidied(_arguments(exc))))
    trial = partial(_pickled, [made, attributes], partial(UnchainedPickler, known))
    if _safe(lambda: _loads(trial())) is not None:
        return (*made, attributes, None, None, set_attributes)
    name = _safe(lambda: _culprit.type_name(exc)) or "an exception"
    return make_stand_in, (name, _culprit.describe(exc))


def _arguments(exc: BaseException) -> tuple[Any, ...]:
    arguments: tuple[Any, ...] = _BASE.args.__get__(exc)
    return arguments


def _attributes(exc: BaseException) -> dict[str, Any]:
    return dict(_safe(lambda: vars(exc)) or {})


def _tidied(values: Any) -> Any:
    """Arguments or attributes, those that would not arrive replaced by their text."""
    if isinstance(values, dict):
        return {name: _arriving(value) for name, value in values.items()}
    return tuple(_arriving(value) for value in values)


def _arriving(value: Any) -> Any:
    exceptions = isinstance(value, BaseException) or (
        isinstance(value, (tuple, list)) and any(isinstance(v, BaseException) for v in value)
    )
    if exceptions:  # members of a group: each is dealt with when its turn comes
        return value
    arrives = _safe(lambda: (_loads(_pickled(value, ExceptionPickler)),))
    return value if arrives is not None else _culprit.short(value)


def _traceback_text(exc: BaseException) -> str:
    """The traceback as Python prints it, of any exception."""
    import traceback

    text = _safe(lambda: "".join(traceback.format_exception(exc)))
    if text is None:
        lines = _safe(lambda: "".join(traceback.format_tb(exc.__traceback__))) or ""
        name = _safe(lambda: _culprit.type_name(exc)) or "an exception"
        text = f"Traceback (most recent call last):\n{lines}{name}: {_culprit.describe(exc)}\n"
    return str(text)[-_MAX_TEXT:]


# Where the bytes are read


def restore(exc: BaseException, state: tuple[Any, ...]) -> None:
    """Give an exception its attributes and its chain."""
    setter, attributes, cause, context, suppress = state
    if attributes is not None:
        setter(exc, attributes)
    _BASE.__cause__.__set__(exc, cause)
    _BASE.__context__.__set__(exc, context)
    _BASE.__suppress_context__.__set__(exc, suppress)


def set_state(exc: BaseException, state: Any) -> None:
    """Give an exception its attributes as its class wants it."""
    exc.__setstate__(state)


def set_attributes(exc: BaseException, attributes: dict[str, Any]) -> None:
    """Give an exception its attributes, past whatever its class does about that."""
    exc.__dict__.update(attributes)


def make_bare(kind: type[BaseException], arguments: tuple[Any, ...]) -> BaseException:
    """An exception whose class's own constructor is not called."""
    base: Any = next(cls for cls in kind.__mro__ if not cls.__flags__ & _HEAP_TYPE)
    exc: BaseException = base.__new__(kind, *arguments)
    _safe(lambda: base.__init__(exc, *arguments))
    _BASE.args.__set__(exc, arguments)
    return exc


def make_stand_in(name: str, message: str) -> BaseException:
    """What stands for a link of a chain that cannot travel."""
    from .errors import RemoteError

    return RemoteError(type_name=name, message=message)


def loads_exception(data: bytes) -> BaseException:
    """The exception that `dumps_exception` put into `data`, ready to be raised."""
    if data[:1] == _BARE:
        return _of_text(data[1:].decode("utf-8", "replace"))
    body, facts, note, links = _loads(data)
    exc = _safe(lambda: _loads(body)) if body is not None else None
    if not isinstance(exc, BaseException):
        exc = _stand_in(facts, known=body is not None)
    _attach(exc, facts["traceback"], links)
    kind = type(exc)  # what `isinstance` asks for may be code of its own
    if not issubclass(kind, Exception) or issubclass(kind, (StopIteration, StopAsyncIteration)):
        exc = _exit(exc, facts)
    if note is not None:
        _add_note(exc, note)
    return exc


def _of_text(text: str) -> BaseException:
    """What stands for an exception that its worker had no memory to pickle."""
    kind, _, message = text.partition("\n")
    if kind == "MemoryError":
        return MemoryError(message or "the task needed more memory than its worker may have")
    from .errors import RemoteError

    reason = "its worker could not pickle it, for want of memory or because its own code raises"
    return RemoteError(type_name=kind or "an exception", message=message, reason=reason)


def _add_note(exc: BaseException, note: str) -> None:
    notes = exc.__dict__.setdefault("__notes__", [])
    if isinstance(notes, list):
        notes.append(note)


def _stand_in(facts: dict[str, Any], *, known: bool) -> BaseException:
    from .errors import RemoteError

    reason = "its class cannot be had in this process" if known else "it cannot be pickled"
    return RemoteError(**facts, reason=reason)


def _attach(exc: BaseException, text: str, links: list[str] | None) -> None:
    """Put the worker's traceback at the end of the chain of causes, or its parts along it."""
    from .errors import RemoteTraceback

    chain = _chain_of(exc)
    if chain[-1].__cause__ is not None:
        _add_note(exc, "in the worker:\n" + text.rstrip())  # a circle has no end
        return
    if links is not None and len(links) == len(chain):
        for link, frames in zip(chain, links[:-1], strict=False):
            if frames:
                _add_note(link, "in the worker:\n" + frames.rstrip())
        text = links[-1]
    _BASE.__cause__.__set__(chain[-1], RemoteTraceback(text))


def _exit(exc: BaseException, facts: dict[str, Any]) -> BaseException:
    from .errors import TaskExit

    said = facts["message"]
    text = (
        f"the task raised {type(exc).__qualname__}({said}); it was ended, the worker and the "
        "other items were not"
    )
    wrapped = TaskExit(text)
    wrapped.__cause__ = exc
    return wrapped
