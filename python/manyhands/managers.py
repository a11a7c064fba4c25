"""`multiprocessing.managers`: the standard library's, which run on our contexts too.

A manager's server is a process of the context that the manager gets (`Manager()` of a context, or
`SyncManager(ctx=...)`); without one it is the default context of this package. Values and
arguments may be of classes that `__main__` defines: their definitions go along (`_carriers`). The
`Pool` of a manager is ours.

Refuses: to have proxies of its own. Names that are not here are the standard library's.
"""

from __future__ import annotations

import multiprocessing.managers as _standard

from . import _carriers
from ._processes import Process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = list(_standard.__all__)


class _Serializer(str):
    """The name of our serializer; whoever unpickles it has the serializer registered by then."""

    __slots__ = ()

    def __reduce__(self) -> tuple[Any, ...]:
        return (_serializer, ())


_PICKLE = _Serializer("manyhands")


def _serializer() -> _Serializer:
    return _PICKLE


_serializers: dict[str, tuple[Any, Any]] = _standard.listener_client  # type: ignore[attr-defined]
_serializers[_PICKLE] = (_carriers.Listener, _carriers.Client)


class _Default:
    """What a manager asks of a context: here, the program's default one."""

    Process = Process


class BaseManager(_standard.BaseManager):
    """A manager, whose server starts by our default context unless another one is given."""

    def __init__(
        self,
        address: Any = None,
        authkey: bytes | None = None,
        serializer: str = "pickle",
        ctx: Any = None,
        **options: Any,
    ) -> None:
        chosen: Any = ctx or _Default()
        if serializer == "pickle":
            serializer = _PICKLE
        super().__init__(address, authkey, serializer, chosen, **options)


class SyncManager(_standard.SyncManager, BaseManager):
    """A manager of the synchronisation objects, lists, dictionaries, ... of `multiprocessing`."""


def _pool(*args: Any, **options: Any) -> Any:
    from ._pool import Pool

    return Pool(*args, **options)


_proxy: Any = _standard.PoolProxy  # type: ignore[attr-defined]
SyncManager.register("Pool", _pool, _proxy)


class SharedMemoryManager(_standard.SharedMemoryManager):
    """A manager of named shared memory, which it unlinks at its end."""

    def __init__(
        self,
        address: Any = None,
        authkey: bytes | None = None,
        serializer: str = "pickle",
        ctx: Any = None,
        **options: Any,
    ) -> None:
        chosen: Any = ctx or _Default()
        if serializer == "pickle":
            serializer = _PICKLE
        super().__init__(address, authkey, serializer, chosen, **options)


def __getattr__(name: str) -> Any:
    return getattr(_standard, name)
