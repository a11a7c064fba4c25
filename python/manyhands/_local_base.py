"""The lifecycle of a pool that lives in this process, and what its subclasses give.

*open* -> `close` -> *closed* (iterators that are alive still feed) -> `join`; or `terminate`
from any state: what has not started is cancelled. `with` ends by `close` and `join`, or by
`terminate` after an exception and with `exit="terminate"`. A normal end of `with` pulls nothing
more from the sources of lazy mappings; `close` and `join` read them to their ends.

Refuses: to map anything; that is `_local_pool.py`.
"""

from __future__ import annotations

import threading

from ._seeds import Roots

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import NoReturn, Self

    from ._doctor import Diagnosis
    from ._local_calls import Task
    from ._local_options import StreamPlan
    from ._local_stream import Stream
    from ._options import Seed

RUN, CLOSE, TERMINATE = "open", "closed", "terminated"


class LocalBase:
    """Close, terminate, join and `with`, over the live iterators and a subclass's workers."""

    # Whether no other thread runs items: then they may have the state of `random` to themselves.
    _alone = False

    def __init__(self, exit_mode: str, seed: Seed = None) -> None:
        self._roots = Roots(seed)
        if exit_mode not in ("wait", "terminate"):
            raise ValueError(f'exit must be "wait" or "terminate", not {exit_mode!r}')
        self._exit_mode = exit_mode
        self._state = RUN
        # Reentrant: a handler of signals may end the pool at any moment.
        self._lock = threading.RLock()
        self._streams: dict[int, Stream] = {}

    # what a subclass gives

    def _dispatch(self, task: Task) -> None:
        raise NotImplementedError

    def _notify(self, function: Callable[[], None]) -> None:
        raise NotImplementedError

    def _adapt(self, plan: StreamPlan) -> None:
        """Settle what `plan` leaves to the pool, such as the window."""
        raise NotImplementedError

    def _limit(self) -> None:
        """A call has a timeout: say what that means here."""
        raise NotImplementedError

    def _finish(self) -> None:
        """Wait for all that was dispatched, then end the workers."""
        raise NotImplementedError

    def _abort(self) -> None:
        """Cancel all that was dispatched, tell the workers to end, wait for nothing."""
        raise NotImplementedError

    def _describe(self) -> str:
        raise NotImplementedError

    # the lifecycle

    def close(self) -> None:
        """Accept no more calls. Iterators that are alive go on."""
        with self._lock:
            if self._state == RUN:
                self._state = CLOSE

    def terminate(self) -> None:
        """Cancel what has not started, and wait for nothing. What runs in a thread runs on."""
        with self._lock:
            self._state = TERMINATE
            streams, self._streams = self._streams, {}
        for stream in list(streams.values()):
            stream.terminate()
        self._abort()

    def join(self) -> None:
        """Run the rest of every live iterator, and wait until all work and callbacks have ended.

        Raises:
            ValueError: the pool was not closed before.
        """
        if self._state == RUN:
            raise ValueError("the pool is still open: call close() or terminate() before join()")
        streams = self._take_streams()
        for stream in streams:
            stream.run_rest()
        self._finish()
        for stream in streams:
            stream.end_report()

    def doctor(self) -> Diagnosis:
        """What this process does, and what its locks and queues wait for: print it."""
        from ._doctor import diagnose

        return diagnose(())

    def __enter__(self) -> Self:
        self._check_running()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is not None or self._exit_mode == "terminate":
            self.terminate()
            return
        self.close()
        streams = self._take_streams()
        forgotten = sum(stream.stop_feeding() for stream in streams)
        if forgotten:
            import warnings

            warnings.warn(
                f"{forgotten} iterator(s) of this pool were never advanced, and their source was "
                "not pulled to its end: iterate over them, or call close() and join() to run "
                "everything",
                RuntimeWarning,
                stacklevel=2,
            )
        self._finish()
        for stream in streams:
            stream.end_report()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._state}, {self._describe()}>"

    def __reduce__(self) -> NoReturn:
        raise NotImplementedError("pool objects cannot be pickled or passed between processes")

    # inside

    def _check_running(self) -> None:
        if self._state != RUN:
            raise ValueError(f"this pool is {self._state}: create a new one to run more")

    def _take_streams(self) -> list[Stream]:
        with self._lock:
            streams, self._streams = self._streams, {}
        return list(streams.values())

    def _adopt(self, stream: Stream) -> None:
        """Keep `stream` alive until it is over, even if nobody else does."""
        with self._lock:
            self._streams[id(stream)] = stream
            for key, other in list(self._streams.items()):
                if other.over:
                    self._streams.pop(key, None)
