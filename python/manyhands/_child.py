"""A process that the template has forked, from its first instruction of Python to its last.

It takes over the parent's state, gets an empty `__main__`, loads the code that came along, then the
process object, and runs that.

Refuses: to import the program's main file.
"""

from __future__ import annotations

import os
import sys
from _pickle import loads
from multiprocessing import process, spawn

from . import _arrival, _namespace, _pickling, _seeds, _snapshot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

_fds: list[int] = []


class DupFd:
    """A descriptor on its way to such a process; what libraries' reducers get there."""

    def __init__(self, place: int) -> None:
        self._place = place

    def detach(self) -> int:
        """The descriptor, which is the caller's from now on."""
        return _fds[self._place]


def run(fds: list[int], message: bytes) -> NoReturn:
    """Be the process that `message` tells of; its lifeline is the first of its descriptors."""
    _fds[:] = fds
    _arrival.run_and_exit(lambda: _bootstrap(message))


def _bootstrap(message: bytes) -> int:
    try:
        obj = _load(message)
    except BaseException:  # noqa: BLE001 - a class's own code runs here, and may raise anything
        return _arrival.print_exception()
    code: int = obj._bootstrap(parent_sentinel=_fds[0])
    return code


def _load(message: bytes) -> Any:
    snapshot, standard, world, code, body = loads(message)
    _namespace.prepare("fresh")
    _snapshot.restore(_snapshot.load(snapshot))
    _prepare_output()
    _seeds.reseed()
    # As the standard library says it: proxies that are unpickled now are the parent's.
    current: Any = process.current_process()
    current._inheriting = True
    try:
        spawn.prepare(standard)
        loads(world)
        for piece in code:
            _pickling.install(piece)
        return _pickling.loads(body, "the process")
    finally:
        del current._inheriting


def _prepare_output() -> None:
    """The template's streams were a file's; a terminal wants whole lines at once."""
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(line_buffering=os.isatty(1))
