"""The thread that runs callbacks: one for each pool with callbacks that wait, started by the first.

Callbacks, awaits and Futures are completed here, never in the engine's own thread, so a slow one
holds up only other callbacks. What a callback raises is reported and otherwise ignored.

Refuses: to look at results before their call is complete.
"""

from __future__ import annotations

import os
import sys

from ._genuine import RLock, allocate_lock, get_ident
from ._threads import start_thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Any

    from ._native import AsyncResult, Engine

# Taken again by a finalizer that runs while its thread makes something here.
_lock = RLock()
_engines: dict[int, _Watched] = {}
# The threads that run callbacks at this moment.
_telling: set[int] = set()


class _Watched:
    """A pool with results whose callbacks wait."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.results: dict[int, AsyncResult[Any]] = {}
        self.running = False


def watch(result: AsyncResult[Any]) -> None:
    """Run the callbacks of a result when it has arrived.

    Raises RuntimeError if there can be no more threads, or the interpreter is going down.
    """
    engine = result._engine
    with _lock:
        watched = _engines.setdefault(id(engine), _Watched(engine))
        watched.results[result._number] = result
        if not watched.running:
            _start(watched, result)
    result._announce()


def _start(watched: _Watched, result: AsyncResult[Any]) -> None:
    """Start the thread, with the lock: nobody else may rely on one that does not come."""
    watched.running = True
    try:
        start_thread(lambda: _serve(watched), "callbacks")
    except RuntimeError:
        watched.running = False
        watched.results.pop(result._number, None)
        raise


def _forget_in_child() -> None:
    """What the parent waits for is not the forked child's, and its thread is not here."""
    global _lock  # noqa: PLW0603 - another thread of the parent may have held it
    _lock = RLock()
    _engines.clear()
    _telling.clear()


os.register_at_fork(after_in_child=_forget_in_child)


def _serve(watched: _Watched) -> None:
    """Complete results as they arrive; the thread ends when none is waited for."""
    while True:
        for number in watched.engine.completions():
            with _lock:
                result = watched.results.pop(number, None)
            if result is not None:
                _complete(result)
        with _lock:
            if not watched.results:
                watched.running = False
                _engines.pop(id(watched.engine), None)
                return


def _complete(result: AsyncResult[Any]) -> None:
    for callback in result._take_callbacks():
        report(callback, result)


def is_telling() -> bool:
    """Whether this thread runs a callback: it waits for no others, which it may be to run."""
    return get_ident() in _telling


def report(callback: Callable[..., object], *args: Any) -> None:
    """Call it; what it raises is printed to standard error, and goes no further.

    SystemExit too: the thread that ended with it would leave every later callback waiting.
    """
    me = get_ident()
    outermost = me not in _telling
    _telling.add(me)
    try:
        callback(*args)
    except BaseException:  # noqa: BLE001 - a user's callback may raise anything
        import traceback

        print(f"manyhands: the callback {callback!r} raised:", file=sys.stderr)  # noqa: T201
        traceback.print_exc()
    finally:
        if outermost:
            _telling.discard(me)


def with_callbacks(
    result: AsyncResult[Any],
    callback: Callable[[Any], object] | None,
    error_callback: Callable[[BaseException], object] | None,
    display: Any = None,
) -> AsyncResult[Any]:
    """Attach the callbacks of `apply_async` and `map_async`, and the display of its progress.

    They have run before anybody else learns of the result; a callback itself can ask for it.
    """
    if callback is None and error_callback is None and display is None:
        return result
    follower = None if display is None else _Follower(result, display)

    def run(arrived: AsyncResult[Any]) -> None:
        try:
            returned, value = arrived._peek()
            if follower is not None:
                follower.finish(len(value) if returned else None)
            chosen = callback if returned else error_callback
            if chosen is not None:
                report(chosen, value)
        finally:
            arrived._release()

    try:
        result._hold(run)
    except BaseException:
        result._release()
        raise
    return result


class _Follower:
    """Shows how far a call has come, while it runs on its own."""

    def __init__(self, result: AsyncResult[Any], display: Any) -> None:
        self._result = result
        self._display = display
        self._lock = allocate_lock()
        self._done: int | None = 0
        start_thread(self._run, "progress")

    def _run(self) -> None:
        while self._show(self._result._progress()):
            self._result._wait_progress(0.1)

    def _show(self, done: int | None) -> bool:
        with self._lock:
            if done is None or self._done is None:
                return False
            self._write_printed()
            if done != self._done:
                self._display.update(done)
                self._done = done
            return True

    def finish(self, done: int | None) -> None:
        """Show the last count (None: the call failed) and end the display."""
        with self._lock:
            self._write_printed()
            if done is not None and done != self._done:
                self._display.update(done)
            self._done = None
            self._display.close()

    def _write_printed(self) -> None:
        for text, stream_name, worker in self._result._printed():
            self._display.write(text, stream_name, worker)


def awaited(result: AsyncResult[Any]) -> Generator[Any, None, Any]:
    """What `await result` does: wait for a future of the running loop, then ask for the value."""
    import asyncio

    from ._wake import wake_loop

    loop = asyncio.get_running_loop()
    future: asyncio.Future[None] = loop.create_future()
    result.add_done_callback(lambda _: wake_loop(loop, future))
    yield from future.__await__()
    return result.get()
