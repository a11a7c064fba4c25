"""Values as bytes, both ways: the table of reducers, results, and decoding.

Plain `pickle.dumps(value, 5)` is what the engine tries first, and nearly always enough. Its bytes
must not be used when it raised, when `care()` says so, or when they contain `SUSPECT`; then the
slow path is taken: `Shipper.dumps` (in `_code`) for what goes to a worker,
`dumps_result` for what a worker sends back.

The slow path's table starts from that of multiprocessing's `ForkingPickler`, in which torch and
others register how their objects travel; what plain pickle lacks follows (`_reduce`), and, tried
only when that was not enough, cloudpickle's table.

This module refuses to import multiprocessing or cloudpickle unless a value needs them.
"""

from __future__ import annotations

import copyreg
import sys
from _pickle import PicklingError as _StandardPicklingError
from _pickle import loads as _loads
from functools import partial
from io import BytesIO
from types import MethodType

from . import _culprit, _interrupts, _namespace, _neighbours, _reducers
from ._globals import Main
from ._native import begin_anew
from ._reduce import ValuePickler, own_reducers, reduce_stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _pickle import Pickler
    from collections.abc import Callable
    from typing import Any

    from ._reduce import Writable

    Maker = Callable[[Writable, dict[type, Any]], Pickler]

SUSPECT = b"_main__"
"""Bytes whose presence in a plain pickle means that the slow path must make it.

They are part of `__main__` and of `__mp_main__`: the other side may not have the class yet.
"""

# Modules of types for which the standard library registers reducers, though plain pickle makes
# the same of them or refuses.
_HARMLESS = frozenset({"builtins", "functools", "array", "socket", "multiprocessing.heap"})
# Plain pickle makes something else of what is in these, which their names in the pickle betray: a
# Connection with the number of its file descriptor, memory that starts a tracker where it arrives.
_BETRAYED = ("multiprocessing.connection", "multiprocessing.shared_memory")
# Where the reducer of our own shared ctypes objects is: plain pickle refuses those by itself.
_OWN_CTYPES = "manyhands.sharedctypes"
# Reducers of ForkingPickler that are worse than pickle's or ours: they need multiprocessing to be
# imported where they arrive, or fail for private methods.
_WORSE = frozenset({partial, MethodType})
# Reducers of cloudpickle that change the type of what they send, silently.
_LOSSY = frozenset({memoryview})

_judged = (0, False)


def needs_forking_pickler() -> bool:
    """Whether plain pickle would bypass a reducer that a library registered.

    Cheap enough to be asked once per call: the answer is kept until another one registers.
    """
    global _judged  # noqa: PLW0603 (a cache)
    extra = _forking_reducers()
    if len(extra) != _judged[0]:
        foreign = any(
            kind.__module__ not in _HARMLESS
            and kind.__module__ not in _BETRAYED
            and getattr(reducer, "__module__", "") != _OWN_CTYPES
            for kind, reducer in extra.items()
        )
        _judged = (len(extra), foreign)
    return _judged[1]


def care() -> int:
    """What plain pickle may be trusted with.

    0: with everything. 1: with what does not mention `multiprocessing`. 2: with nothing; see
    `needs_forking_pickler`.
    """
    _reducers.own()
    if needs_forking_pickler():
        return 2
    return 1 if any(name in sys.modules for name in _BETRAYED) else 0


def reducers(*, rare: bool = False) -> dict[type, Any]:
    """The table of reducers by type; with `rare`, cloudpickle's too."""
    table: dict[type, Any] = dict(copyreg.dispatch_table)
    if rare:
        import cloudpickle

        rarely = cloudpickle.Pickler.dispatch_table.items()
        table.update((kind, reducer) for kind, reducer in rarely if kind not in _LOSSY)
    if "socket" in sys.modules:
        table[sys.modules["socket"].socket] = _reduce_socket
    registered = _forking_reducers().items()
    table.update((kind, reducer) for kind, reducer in registered if kind not in _WORSE)
    table.update(own_reducers())
    table.update(_neighbours.reducers())
    table.update(_reducers.own())
    # Whatever stands for standard output at the moment: a notebook's stream, a test runner's.
    streams = [stream for stream in (sys.stdout, sys.stderr) if stream is not None]
    table.update((type(stream), reduce_stream) for stream in streams)
    return table


def _forking_reducers() -> dict[type, Any]:
    module = sys.modules.get("multiprocessing.reduction")
    table: dict[type, Any] = getattr(module and module.ForkingPickler, "_extra_reducers", {})
    return table


def _reduce_socket(sock: Any) -> Any:
    import multiprocessing.reduction  # noqa: F401 (it registers the reducer)

    _neighbours.stand_in()

    return _forking_reducers()[type(sock)](sock)


class Discard:
    """A file that keeps nothing: for pickling to see whether it works."""

    def write(self, data: bytes, /) -> int:
        """Take `data` and forget it."""
        return len(data)


def dump(obj: Any, maker: Maker, label: str, *, subject: Any = None) -> bytes:
    """Pickle `obj` with the pickler that `maker` makes, or raise an error that says what is wrong.

    `label` is what the error calls `obj`, or `subject`, the part of `obj` that the user knows.
    KeyboardInterrupt, MemoryError and what a handler of a signal raises pass through; whatever else
    an object's methods raise, SystemExit included, becomes a `PicklingError`.
    """
    try:
        return _dump(obj, maker, BytesIO())
    except BaseException as error:
        if _interrupts.passes(error):
            raise
        suspect = obj if subject is None else subject
        found = _culprit.explain(suspect, error, label, lambda part: _dump(part, maker, Discard()))
        if found is error:
            raise
        raise found from error


def _dump(obj: Any, maker: Maker, file: Any) -> bytes:
    try:
        maker(file, reducers()).dump(obj)
    except (TypeError, AttributeError, _StandardPicklingError):
        begin_anew()
        file = type(file)()
        maker(file, reducers(rare=True)).dump(obj)
    return file.getvalue() if isinstance(file, BytesIO) else b""


class ResultPickler(ValuePickler):
    """Pickles what a worker sends back: the parent's own definitions by name."""

    def refer(self, path: str, obj: Any) -> Any:
        """By name what the parent has too."""
        return by_name(path, obj) if _namespace.parent_has(path.partition(".")[0]) else None

    def carry(self, reads: dict[str, Any]) -> dict[str, Any]:
        """The globals that the parent has not."""
        return {k: v for k, v in reads.items() if not _namespace.parent_has(k)}


def by_name(path: str, obj: Any) -> Any:
    """How to pickle something of `__main__` by its name there."""
    if obj.__module__ == "__main__" and getattr(obj, "__qualname__", None) == path:
        return NotImplemented
    return _namespace.lookup, (path,)


def result_pickler(file: Writable, table: dict[type, Any]) -> ResultPickler:
    """A pickler for one result, against `__main__` as it is now."""
    return ResultPickler(file, table, Main())


def dumps_result(obj: Any, label: str = "result") -> bytes:
    """Pickle a task's result; the slow path of a worker.

    What `__main__` had from the parent goes back by name, so that the parent gets its own classes
    and functions; what came into being in the worker goes by value.

    Raises `manyhands.errors.PicklingError`, which names the offending part of the result.
    """
    return dump(obj, result_pickler, label)


def loads(data: bytes, label: str = "a value") -> Any:
    """Unpickle a value on either side.

    Raises `manyhands.errors.UnpicklingError` for whatever goes wrong, SystemExit of a
    `__setstate__` included; KeyboardInterrupt, MemoryError and what a handler of a signal raises
    pass through.
    """
    try:
        return _loads(data)
    except BaseException as error:
        if _interrupts.passes(error):
            raise
        from .errors import UnpicklingError

        if isinstance(error, UnpicklingError):
            raise  # of a value that travelled within this one: it says all
        raise _culprit.cannot_load(data, error, label) from error


def loads_cargo(data: Any, buffers: list[Any] | None, label: str = "a value") -> Any:
    """Unpickle a value that lies in shared memory, or has buffers there; raises like `loads`."""
    try:
        return _loads(data, buffers=buffers)
    except BaseException as error:
        if _interrupts.passes(error):
            raise
        raise _culprit.cannot_load(bytes(data), error, label) from error


def install(data: bytes, buffers: list[Any] | None = None) -> Any:
    """Load a piece of code that a Shipper made: the function to call, or a definition.

    Definitions set their names in `__main__` by the rule of `_namespace`. `buffers` are those that
    lie beside the bytes. Raises like `loads`.
    """
    try:
        return _namespace.CodeUnpickler(BytesIO(data), buffers=buffers).load()
    except BaseException as error:
        if _interrupts.passes(error):
            raise
        raise _culprit.cannot_load(data, error, "the code of this call") from error
