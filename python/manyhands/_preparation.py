"""What a child of `spawn` or `forkserver` is told, in the standard library's own form.

It is a dictionary, unpickled before the process object. Ours begins with an entry that acts while
it is unpickled, in an interpreter that has imported nothing of the program yet: it sets `sys.path`
and the environment, ties the child to its parent's life, and attaches the shared world.

Refuses: to change what the standard library tells its children.
"""

from __future__ import annotations

import io
import os
import sys
from multiprocessing import context as _context
from multiprocessing import spawn
from multiprocessing.reduction import ForkingPickler, dump

from . import _arrival, _cargo, _handles, _pickling, _reducers
from ._native import Collector, stow_buffer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_FIRST = """
import os, sys
sys.path[:] = path
if env is not None:
    os.environ.clear()
    os.environ.update(env)
from manyhands import _arrival
_arrival.arrive(pipe, bound=bound, creator=creator)
"""


class _First:
    """Pickles as the execution of the lines above: nothing of ours need be importable before."""

    def __init__(self, names: dict[str, Any]) -> None:
        self._names = names

    def __reduce__(self) -> Any:
        return exec, (_FIRST, self._names)


def pickled(popen: Any, process: Any, lifeline: int, *, direct: bool) -> memoryview:
    """All that the child reads. `direct`: this process executes it, in its environment."""
    buffer = io.BytesIO()
    with _handles.Spawning(popen):
        pipe = popen.DupFd(popen.duplicate_for_child(lifeline))
        standard = _standard_data(process._name)
        first = {
            "path": standard.get("sys_path", sys.path),
            "env": None if direct else environment(process),
            "pipe": pipe,
            "bound": popen.bound,
            "creator": _arrival.creator() if direct else None,
        }
        passport = _handles.passport(popen)
        dump({"manyhands": _First(first), "world": passport, **standard}, buffer)
        buffer.write(_body(process, passport))
    return buffer.getbuffer()


def _body(process: Any, passport: _handles.Passport) -> bytes:
    """The process object; the passport keeps its large buffers until the child has ended."""
    file = io.BytesIO()
    with Collector(cargo=True) as met:
        pickler = ForkingPickler(file, 5, True, stow_buffer)
        _reducers.add_to(pickler)
        pickler.dump(process)
    passport.keep(met)
    return _cargo.pack(file.getvalue(), met, _pickling.loads_cargo)


def environment(process: Any) -> dict[str, str]:
    """The environment of a child that starts now."""
    return {**os.environ, **(process._env or {})}


def _standard_data(name: str) -> dict[str, Any]:
    """The standard library's data; asking for it does not fix its start method."""
    default: Any = _context._default_context
    before = default._actual_context
    try:
        data: dict[str, Any] = spawn.get_preparation_data(name)
    finally:
        default._actual_context = before
    if before is None:
        data.pop("start_method", None)
    return data
