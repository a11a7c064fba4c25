"""Progress of the local pools: who calls the reporter of `manyhands._progress`, and when.

A blocking call reports from its own thread; an asynchronous one from the pool's callback thread,
which closes the report before the result is ready. A lazy mapping reports from its consumer, in
`_local_stream.py`. Nobody reports from a worker, so a reporter need not be safe for threads.
"""

from __future__ import annotations

from ._local_options import length_of
from ._options import check_total

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, Protocol

    from ._local_calls import MapResult
    from ._local_result import Notify
    from ._options import Progress

    class Reporter(Protocol):
        """What `manyhands._progress.make` gives."""

        def update(self, done: int) -> None:
            """`done` items have ended so far."""

        def close(self) -> None:
            """Nothing more will come."""


def make_reporter(
    progress: Progress, iterable: Iterable[Any], total: int | None
) -> Reporter | None:
    """The reporter that the option `progress` asks for, None for none."""
    check_total(total)
    if progress is None or progress is False:
        return None
    from ._progress import make

    return make(progress, length_of(iterable) if total is None else total)


def follow(result: MapResult[Any], reporter: Reporter) -> None:
    """Report from this thread until `result` is ready."""
    seen, ready = 0, False
    try:
        while not ready:
            count, ready = result.wait_progress(seen)
            if count > seen:
                seen = count
                reporter.update(seen)
    finally:
        reporter.close()


class AsyncReport:
    """Reports the items of one `map_async` from the pool's callback thread."""

    def __init__(self, reporter: Reporter, notify: Notify) -> None:
        self._reporter: Reporter | None = reporter
        self._notify = notify
        self._result: MapResult[Any] | None = None
        self._queued = False
        self._reported = 0

    def before(self, callback: Callable[[Any], object] | None) -> Callable[[Any], None]:
        """A callback that closes the report and then calls the user's."""

        def run(outcome: Any) -> None:
            self._update()
            self._close()
            if callback is not None:
                callback(outcome)

        return run

    def watch(self, result: MapResult[Any]) -> None:
        """Report the items of `result`, before its first one starts."""
        self._result = result
        result.on_item = self._item_ended
        result.add_done_callback(lambda _: self._close())

    def _item_ended(self) -> None:
        # Any worker comes here; one update that is queued tells of all items that have ended.
        if not self._queued:
            self._queued = True
            self._notify(self._update)

    def _update(self) -> None:
        self._queued = False
        count = 0 if self._result is None else self._result.count()
        if self._reporter is not None and count > self._reported:
            self._reported = count
            self._reporter.update(count)

    def _close(self) -> None:
        reporter, self._reporter = self._reporter, None
        if reporter is not None:
            reporter.close()
