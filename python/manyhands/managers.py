"""`multiprocessing.managers`: the standard library's, which run on our contexts too.

A manager's server is a process of the context that the manager gets (`Manager()` of a context, or
`SyncManager(ctx=...)`); without one it is the default context of this package.

Refuses: to have proxies of its own. Names that are not here are the standard library's.
"""

from __future__ import annotations

import multiprocessing.managers as _standard

from .context import _default_context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = [*_standard.__all__]


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
        super().__init__(
            address, authkey, serializer, ctx or _default_context.get_context(), **options
        )


class SyncManager(_standard.SyncManager, BaseManager):
    """A manager of the synchronisation objects, lists, dictionaries, ... of `multiprocessing`."""


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
        ctx = ctx or _default_context.get_context()
        super().__init__(address, authkey, serializer, ctx, **options)


def __getattr__(name: str) -> Any:
    return getattr(_standard, name)
