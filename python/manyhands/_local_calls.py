"""What the workers of a local pool run: one call, or one chunk of a mapping.

A chunk reports each item to its *sink* by `begin()` (may it still run?) and
`put(index, outcome)`. Two sinks exist: `MapResult` here, which collects a whole map, and `Stream`
in `_local_stream.py`, which hands items to a consumer. An outcome is a value or a `Raised`, so that
an exception that is returned and one that is raised stay apart.

Refuses: to decide which exceptions may pass. The pool says so by `passing`: a thread catches
everything, the serial pool lets KeyboardInterrupt through to its caller.
"""

from __future__ import annotations

from ._local_result import LocalResult
from ._options import arguments

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any, Protocol, TypeVar

    from ._local_result import Notify

    Passing = tuple[type[BaseException], ...]
    R_co = TypeVar("R_co", covariant=True)

    class Sink(Protocol):
        """Who receives the outcomes of a chunk's items."""

        def begin(self) -> bool:
            """Whether one more item may run."""

        def put(self, index: int, outcome: Any) -> None:
            """Item `index` has ended."""

        def fail(self, error: BaseException) -> None:
            """The pool cannot run anything: `error` ends it all."""

        def abandon(self, reason: str) -> None:
            """The pool was terminated."""

    class Task(Protocol):
        """What a worker runs."""

        def run(self, passing: Passing) -> None:
            """Run it; exceptions of the classes `passing` pass."""

        def fail(self, error: BaseException) -> None:
            """It will never run, because of `error`."""

        def abandon(self, reason: str) -> None:
            """It will not run, or nobody waits for its end any more."""


class Raised:
    """The outcome of an item that raised."""

    __slots__ = ("error",)

    def __init__(self, error: BaseException) -> None:
        self.error = error


class Call:
    """One `apply`: a function with its arguments, and where its outcome goes."""

    __slots__ = ("_args", "_func", "_kwds", "_result")

    def __init__(
        self,
        result: LocalResult[Any],
        func: Callable[..., Any],
        args: Iterable[Any],
        kwds: dict[str, Any],
    ) -> None:
        self._result = result
        self._func = func
        self._args = arguments("args", args)
        self._kwds = kwds

    def run(self, passing: Passing) -> None:
        """Run it in this thread."""
        result = self._result
        if not result.begin():
            return
        try:
            value = self._func(*self._args, **self._kwds)
        except passing:
            raise
        except BaseException as error:  # noqa: BLE001 - whoever asks for the result is told
            result.fail(deliverable(error))
        else:
            result.finish(value)
        finally:
            del self, result  # an exception's traceback holds this frame: without them no cycle

    def fail(self, error: BaseException) -> None:
        """It will never run, because of `error`."""
        self._result.fail(error)

    def abandon(self, reason: str) -> None:
        """It will not run, or nobody waits for its end any more."""
        self._result.abandon(reason)


class Chunk:
    """Consecutive items of a mapping, run in sequence by one worker."""

    __slots__ = ("_func", "_items", "_sink", "_start")

    def __init__(
        self, sink: Sink, func: Callable[[Any], Any], start: int, items: Sequence[Any]
    ) -> None:
        self._sink = sink
        self._func = func
        self._start = start
        self._items = items

    def run(self, passing: Passing) -> None:
        """Run the items in this thread, leaving out those that the sink no longer wants."""
        for index, item in enumerate(self._items, self._start):
            if self._sink.begin():
                self._sink.put(index, attempt(self._func, item, passing))

    def fail(self, error: BaseException) -> None:
        """It will never run, because of `error`."""
        self._sink.fail(error)

    def abandon(self, reason: str) -> None:
        """It will not run, or nobody waits for its end any more."""
        self._sink.abandon(reason)


class MapResult(LocalResult["R_co"]):
    """The outcome of a `map`: the list of values, in order.

    Args:
        length: how many items there are.
        keep_errors: `errors="return"`: exceptions stand in place of values.
        notify: as in `LocalResult`, like the callbacks.
    """

    def __init__(
        self,
        length: int,
        notify: Notify,
        callback: Callable[[Any], object] | None = None,
        error_callback: Callable[[BaseException], object] | None = None,
        *,
        keep_errors: bool = False,
    ) -> None:
        super().__init__(notify, callback, error_callback)
        self._values: list[Any] = [None] * length
        self._left = length
        self._keep_errors = keep_errors
        self.on_item: Callable[[], None] | None = None  # called when an item has ended
        if not length:
            self.finish(self._values)

    def put(self, index: int, outcome: Any) -> None:
        """Item `index` has ended; the last one, or the first failure, ends the map."""
        if isinstance(outcome, Raised):
            if not self._keep_errors:
                self.fail(outcome.error)
                return
            outcome = outcome.error
        with self._changed:
            self._values[index] = outcome
            self._left -= 1
            left = self._left
            self._changed.notify_all()
        if self.on_item is not None:
            self.on_item()
        if not left:
            self.finish(self._values)

    def cancel(self, *, running: bool = True) -> bool:  # noqa: ARG002 - no thread can be ended
        """Cancel the items that have not started; False if all had ended."""
        self.abandon("cancelled by its caller")
        return self.cancelled()

    def wait_progress(self, seen: int) -> tuple[int, bool]:
        """Wait until more than `seen` items or the map have ended; how many, and whether it has."""
        with self._changed:
            self._changed.wait_for(lambda: self.ready() or self.count() > seen)
            return self.count(), self.ready()

    def count(self) -> int:
        """How many items have ended with a value (or an exception that was asked for)."""
        return len(self._values) - self._left


def attempt(func: Callable[[Any], Any], item: Any, passing: Passing) -> Any:
    """`func(item)`, or a `Raised` with its exception, unless that is of the classes `passing`."""
    try:
        return func(item)
    except passing:
        raise
    except BaseException as error:  # noqa: BLE001 - whoever asks for the result is told
        return Raised(deliverable(error))


def deliverable(error: BaseException) -> BaseException:
    """`error`, or a TaskExit around one that would steer whoever asks for the result."""
    if isinstance(error, Exception) and not isinstance(error, (StopIteration, StopAsyncIteration)):
        return error
    from .errors import TaskExit

    wrapped = TaskExit(f"the task raised {error!r}")
    wrapped.__cause__ = error
    return wrapped
