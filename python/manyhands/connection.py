"""Pipes between processes: `multiprocessing.connection` with pipes of our own.

`Pipe` gives two `Connection` objects. A message lies in shared memory; a socket wakes who sleeps,
carries open files, and tells when the other end is gone (see `docs/design/pipe.md`). A `Connection`
has the methods of the standard library's and works with `wait`, `selectors` and `asyncio` by its
`fileno`. Reading and writing that descriptor by oneself (`os.read`) is not supported: the messages
are not in it.

`Listener` and `Client` give connections over sockets, which are the standard library's but for
this: objects of classes of `__main__` take their definition along. `wait` is ours, too, with the
standard library's behaviour; all other names are its own. `Connection(handle)` makes a connection
of the standard library over a descriptor, and `isinstance` takes both kinds for a `Connection`.

Refuses: messages to other machines, and to processes that are no relatives.
"""

from __future__ import annotations

import errno
import multiprocessing.connection as _standard
from io import BytesIO
from multiprocessing import reduction
from multiprocessing.connection import (
    answer_challenge,
    deliver_challenge,
)

from . import (
    _forked,  # noqa: F401 - it looks after forks
    _handles,
)
from ._carriers import Client, Listener
from ._native import PipeEnd, PipeSeed, adopt_pipe, new_pipe, trying
from ._readiness import wait

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "Client",
    "Connection",
    "Listener",
    "Pipe",
    "answer_challenge",
    "deliver_challenge",
    "wait",
]


class _ConnectionType(type):
    """Makes the standard library's connections instances of ours too."""

    def __instancecheck__(cls, instance: object) -> bool:
        if super().__instancecheck__(instance):
            return True
        return cls is Connection and isinstance(instance, _standard.Connection)


class Connection(PipeEnd, metaclass=_ConnectionType):
    """One end of a pipe; see `multiprocessing.connection.Connection`.

    Two threads or processes that use one end at once each get and send whole messages.
    """

    def __new__(  # noqa: PYI034 - of the standard library's class, if it is made of a descriptor
        cls, handle: PipeSeed | int, readable: bool = True, writable: bool = True
    ) -> Connection:
        """Make a connection of an end, or one of the standard library's of a descriptor."""
        if isinstance(handle, PipeSeed):
            return super().__new__(cls, handle, readable, writable)
        made: Any = _standard.Connection(handle, readable, writable)
        return made  # type: ignore[no-any-return]

    def __reduce__(self) -> tuple[Any, ...]:
        _handles.assert_travelling(self)
        if trying():  # a copy of the descriptor that nobody fetches would keep the end open
            raise TypeError("a connection is pickled only where its pickle is sent")
        descriptor = reduction.DupFd(self._descriptor())
        modes = (self.readable, self.writable)
        return _handles.reduce(self, _rebuild, descriptor, self._first, modes)


def _rebuild(
    world: int, handle: int, descriptor: Any, first: bool, modes: tuple[bool, bool]
) -> Connection:
    try:
        number = descriptor.detach()
    except (FileNotFoundError, ConnectionError, EOFError) as error:
        # Its socket is asked for where it was sent from, by the standard library's protocol.
        text = "the process that sent this connection has ended before it was received"
        raise ConnectionRefusedError(errno.ECONNREFUSED, text) from error
    return Connection(adopt_pipe(world, handle, number, first), *modes)


def Pipe(duplex: bool = True) -> tuple[Connection, Connection]:  # noqa: N802 - multiprocessing's name
    """Return the two ends of a new pipe.

    If `duplex` is false the first one can only receive, and the second one only send.

    Raises:
        MemoryError: if there is no shared memory left.
        OSError: if there is no descriptor left.
    """
    first, second = new_pipe(duplex)
    if duplex:
        return Connection(first), Connection(second)
    return Connection(second, True, False), Connection(first, False, True)


def _dumps(obj: object) -> bytes:
    """The pickle that `recv_bytes` shows of an object; called by the native part."""
    file = BytesIO()
    reduction.ForkingPickler(file).dump(obj)
    return file.getvalue()


def __getattr__(name: str) -> Any:
    """Whatever else the standard library's module has."""
    return getattr(_standard, name)
