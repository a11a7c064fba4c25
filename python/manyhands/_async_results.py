"""`async for` over the results of `imap` and its relatives.

A thread of the event loop's executor waits for the next result, and pulls the source meanwhile, as
the caller of `next` does elsewhere. A task that is cancelled while it waits loses nothing: the
result comes with the next step.

Refuses: to wait for more than one result at a time.
"""

from __future__ import annotations

import asyncio

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Self

_END = object()


class AsyncResults:
    """The results of an iterator, awaited one by one."""

    def __init__(self, results: Iterator[Any]) -> None:
        self._results = results
        self._pending: asyncio.Future[Any] | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        if self._pending is None:
            loop = asyncio.get_running_loop()
            self._pending = loop.run_in_executor(None, next, self._results, _END)
        pending = self._pending
        try:
            value = await asyncio.shield(pending)
        finally:
            if pending.done():
                self._pending = None
        if value is _END:
            raise StopAsyncIteration
        return value
