"""Waking an asyncio loop from another thread, for whoever awaits a result.

Refuses: to carry the result; whoever was awaiting asks for it, in the loop's thread.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future


def wake_loop(loop: AbstractEventLoop, future: Future[None]) -> None:
    """Resolve `future` from another thread; a loop that has closed meanwhile has nobody to wake."""

    def resolve() -> None:
        if not future.done():
            future.set_result(None)

    try:
        loop.call_soon_threadsafe(resolve)
    except RuntimeError:
        if not loop.is_closed():
            raise
