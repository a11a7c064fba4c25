"""`Listener` and `Client`, whose messages carry what they need of `__main__`.

A process that the template has started, a manager's server too, has an empty `__main__`: an object
of a class that only the program's script defines could not be rebuilt there. As in the items of
queues (`_by_item`), the definition goes along: whoever receives it needs `pickle.loads` and this
package.

Refuses: to be anything else than the standard library's connections over sockets.
"""

from __future__ import annotations

import multiprocessing.connection as _connection
import os
from multiprocessing.reduction import ForkingPickler

from ._interrupts import by_handler
from ._pickling import SUSPECT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def _dumps(obj: Any) -> bytes | memoryview:
    """Pickle as the standard library does; differently only where that would not do."""
    try:
        data: memoryview = ForkingPickler.dumps(obj)
    except Exception as refusal:  # what a reducer may raise
        if by_handler(refusal.__traceback__):
            raise
        return _with_definitions(obj, refusal)
    return _with_definitions(obj, None) if SUSPECT in bytes(data) else data


def _with_definitions(obj: Any, refusal: Exception | None) -> bytes:
    from . import _by_item

    try:
        return _by_item.dumps(obj, "message")
    except Exception:
        if refusal is None:
            raise
        raise refusal from None


class _Carrier(_connection.Connection):
    """A connection over a socket; `send` differs."""

    def send(self, obj: Any) -> None:
        self.send_bytes(_dumps(obj))


def _carry(connection: Any) -> _Carrier:
    """Take over what a connection of the standard library holds."""
    handle = os.dup(connection.fileno())
    connection.close()
    return _Carrier(handle)


class Listener(_connection.Listener):
    """The standard library's; what it accepts may be sent objects of classes of `__main__`."""

    def accept(self) -> _Carrier:
        """The next connection that is asked for."""
        return _carry(super().accept())


def Client(*args: Any, **options: Any) -> _Carrier:  # noqa: N802 (the standard library's name)
    """A connection to a `Listener`; takes what `multiprocessing.connection.Client` takes."""
    return _carry(_connection.Client(*args, **options))
