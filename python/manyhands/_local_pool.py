"""The names and signatures of `Pool` for pools that live in this process.

`SerialPool` and `ThreadPool` (in `_local.py`) inherit them all. Each method checks its options,
makes a result or a stream, and dispatches tasks; the lifecycle stands in `_local_base.py`.

Refuses: to pickle anything. Arguments and results pass by reference.
"""

from __future__ import annotations

from ._again import limits
from ._local_base import LocalBase
from ._local_calls import Call, Chunk, MapResult
from ._local_options import StreamPlan, check_callable, length_of, unpacking
from ._local_report import AsyncReport, follow, make_reporter
from ._local_result import LocalResult
from ._local_seeds import Alone, Numbered, Seeded
from ._local_stream import ResultIterator, Stream
from ._options import bytes_bound, check_callbacks, check_chunksize, check_errors, unique

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any, TypeVar

    from ._again import Limits
    from ._options import Errors, Kinds, Progress, Seed

    T = TypeVar("T")
    R = TypeVar("R")


class LocalPool(LocalBase):
    """The methods of `Pool` on workers of this process; see `SerialPool` and `ThreadPool`."""

    # one call

    def apply(
        self,
        func: Callable[..., R],
        args: Iterable[Any] = (),
        kwds: Mapping[str, Any] | None = None,
        *,
        kwargs: Mapping[str, Any] | None = None,
        timeout: float | None = None,
        retries: int = 0,
        retry_on: Kinds = Exception,
    ) -> R:
        """Call `func(*args, **kwds)` in a worker and return its value.

        Args:
            func: what to call.
            args: its positional arguments.
            kwds: its keyword arguments.
            kwargs: another name for `kwds`.
            timeout: as in `apply_async`.
            retries: likewise.
            retry_on: likewise.
        """
        result: R = self.apply_async(
            func,
            args,
            kwds,
            kwargs=kwargs,
            timeout=timeout,
            retries=retries,
            retry_on=retry_on,
        ).get()
        return result

    def apply_async(
        self,
        func: Callable[..., Any],
        args: Iterable[Any] = (),
        kwds: Mapping[str, Any] | None = None,
        callback: Callable[[Any], object] | None = None,
        error_callback: Callable[[BaseException], object] | None = None,
        *,
        kwargs: Mapping[str, Any] | None = None,
        timeout: float | None = None,
        retries: int = 0,
        retry_on: Kinds = Exception,
    ) -> LocalResult:
        """As `apply`, but return a result object at once.

        Args:
            func: what to call.
            args: its positional arguments.
            kwds: its keyword arguments.
            callback: called with the value, before the result is ready.
            error_callback: called with the exception, before the result is ready.
            kwargs: another name for `kwds`.
            timeout: refused by threads, not enforced by a serial pool: only a process can be ended.
            retries: how often a call that failed runs again, at once, before its failure counts.
            retry_on: the exceptions after which it does, a class or a tuple of them.
        """
        self._check_running()
        keywords = dict(unique(kwds, kwargs) or {})
        check_callable(func)
        root = self._roots()
        if root is not None:
            func = Alone(func, root, alone=self._alone)
        func = self._limited(func, limits(timeout, retries, retry_on))
        check_callbacks(callback, error_callback)
        result = LocalResult(self._notify, callback, error_callback)
        self._dispatch(Call(result, func, args, keywords))
        return result

    # whole maps

    def map(
        self,
        func: Callable[[T], R],
        iterable: Iterable[T],
        chunksize: int | None = None,
        *,
        max_bytes_in_flight: float | None = None,
        errors: Errors = "raise",
        progress: Progress = None,
        total: int | None = None,
        timeout: float | None = None,
        retries: int = 0,
        retry_on: Kinds = Exception,
        seed: Seed = None,
    ) -> list[R]:
        """`[func(item) for item in iterable]`, the items spread over the workers.

        Args:
            func: what to call with each item.
            iterable: the items; read to its end first.
            chunksize: items that one worker runs in sequence; None means one.
            max_bytes_in_flight: checked, and without meaning: nothing is copied.
            errors: "raise" raises the first failure and cancels the rest; "return" runs everything
                and puts exceptions in the place of values.
            progress: True, tqdm's options, or `function(done, total)`.
            total: number of items to show, where `iterable` has no length.
            timeout: as in `apply_async`.
            retries: likewise.
            retry_on: likewise.
            seed: gives each item a random stream of its own by its index, as in `Pool.map`.
        """
        func, iterable = self._seeded(func, iterable, seed)
        func = self._limited(func, limits(timeout, retries, retry_on))
        bytes_bound(max_bytes_in_flight)
        return self._map(func, iterable, chunksize, errors=errors, progress=progress, total=total)

    def starmap(
        self,
        func: Callable[..., R],
        iterable: Iterable[Iterable[Any]],
        chunksize: int | None = None,
        *,
        max_bytes_in_flight: float | None = None,
        errors: Errors = "raise",
        progress: Progress = None,
        total: int | None = None,
        timeout: float | None = None,
        retries: int = 0,
        retry_on: Kinds = Exception,
        seed: Seed = None,
    ) -> list[R]:
        """As `map`, with `func(*item)`, or `func(**item)` where the item is a dict."""
        star, iterable = self._seeded(unpacking(func), iterable, seed)
        star = self._limited(star, limits(timeout, retries, retry_on))
        bytes_bound(max_bytes_in_flight)
        return self._map(star, iterable, chunksize, errors=errors, progress=progress, total=total)

    def map_async(
        self,
        func: Callable[[T], Any],
        iterable: Iterable[T],
        chunksize: int | None = None,
        callback: Callable[[list[Any]], object] | None = None,
        error_callback: Callable[[BaseException], object] | None = None,
        *,
        errors: Errors = "raise",
        progress: Progress = None,
        total: int | None = None,
        timeout: float | None = None,
        retries: int = 0,
        retry_on: Kinds = Exception,
        seed: Seed = None,
    ) -> MapResult:
        """As `map`, but return a result object at once; callbacks as in `apply_async`."""
        func, iterable = self._seeded(func, iterable, seed)
        self._check(func, chunksize, errors)
        func = self._limited(func, limits(timeout, retries, retry_on))
        check_callbacks(callback, error_callback)
        items = list(iterable)
        reporter = make_reporter(progress, items, total)
        report = AsyncReport(reporter, self._notify) if reporter is not None else None
        if report is not None:
            callback, error_callback = report.before(callback), report.before(error_callback)
        keep_errors = errors == "return"
        result = MapResult(
            len(items), self._notify, callback, error_callback, keep_errors=keep_errors
        )
        if report is not None:
            report.watch(result)
        self._send(result, func, items, chunksize)
        return result

    def starmap_async(
        self,
        func: Callable[..., Any],
        iterable: Iterable[Iterable[Any]],
        chunksize: int | None = None,
        callback: Callable[[list[Any]], object] | None = None,
        error_callback: Callable[[BaseException], object] | None = None,
        *,
        errors: Errors = "raise",
        progress: Progress = None,
        total: int | None = None,
        timeout: float | None = None,
        retries: int = 0,
        retry_on: Kinds = Exception,
        seed: Seed = None,
    ) -> MapResult:
        """As `map_async`, with `func(*item)`, or `func(**item)` where the item is a dict."""
        return self.map_async(
            unpacking(func),
            iterable,
            chunksize,
            callback,
            error_callback,
            errors=errors,
            progress=progress,
            total=total,
            timeout=timeout,
            retries=retries,
            retry_on=retry_on,
            seed=seed,
        )

    # lazy maps

    def imap(
        self,
        func: Callable[[T], Any],
        iterable: Iterable[T],
        chunksize: int | None = None,
        *,
        buffersize: float | None = None,
        max_bytes_in_flight: float | None = None,
        errors: Errors = "raise",
        progress: Progress = None,
        total: int | None = None,
        timeout: float | None = None,
        retries: int = 0,
        retry_on: Kinds = Exception,
        seed: Seed = None,
    ) -> ResultIterator:
        """An iterator over `func(item)` in order, reading ahead in `iterable` by a bounded window.

        Args:
            func: what to call with each item.
            iterable: the items; may be endless. A generator is closed when the consumer stops.
            chunksize: items that one worker runs in sequence; None means one.
            buffersize: items read and not yet handed over, at most; None means a few per worker,
                `math.inf` no bound.
            max_bytes_in_flight: size of these items in bytes by `sys.getsizeof`, at most one item
                beyond; None means no bound.
            errors: "raise" raises a failure for its item, and the iteration can go on after it;
                "return" hands exceptions over in place of values.
            progress: True, tqdm's options, or `function(done, total)`.
            total: number of items to show, where `iterable` has no length.
            timeout: as in `apply_async`.
            retries: likewise.
            retry_on: likewise.
            seed: gives each item a random stream of its own by its index, as in `Pool.map`.
        """
        plan = StreamPlan(chunksize, buffersize, max_bytes_in_flight, errors)
        func, iterable = self._seeded(func, iterable, seed)
        func = self._limited(func, limits(timeout, retries, retry_on))
        return self._stream(func, iterable, plan, progress, total)

    def imap_unordered(
        self,
        func: Callable[[T], Any],
        iterable: Iterable[T],
        chunksize: int | None = None,
        *,
        buffersize: float | None = None,
        max_bytes_in_flight: float | None = None,
        errors: Errors = "raise",
        progress: Progress = None,
        total: int | None = None,
        timeout: float | None = None,
        retries: int = 0,
        retry_on: Kinds = Exception,
        seed: Seed = None,
    ) -> ResultIterator:
        """As `imap`, results in the order in which they are ready."""
        plan = StreamPlan(chunksize, buffersize, max_bytes_in_flight, errors)
        plan.ordered = False
        func, iterable = self._seeded(func, iterable, seed)
        func = self._limited(func, limits(timeout, retries, retry_on))
        return self._stream(func, iterable, plan, progress, total)

    def istarmap(
        self,
        func: Callable[..., Any],
        iterable: Iterable[Iterable[Any]],
        chunksize: int | None = None,
        *,
        buffersize: float | None = None,
        max_bytes_in_flight: float | None = None,
        errors: Errors = "raise",
        progress: Progress = None,
        total: int | None = None,
        timeout: float | None = None,
        retries: int = 0,
        retry_on: Kinds = Exception,
        seed: Seed = None,
    ) -> ResultIterator:
        """As `imap`, with `func(*item)`, or `func(**item)` where the item is a dict."""
        plan = StreamPlan(chunksize, buffersize, max_bytes_in_flight, errors)
        star, iterable = self._seeded(unpacking(func), iterable, seed)
        star = self._limited(star, limits(timeout, retries, retry_on))
        return self._stream(star, iterable, plan, progress, total)

    def istarmap_unordered(
        self,
        func: Callable[..., Any],
        iterable: Iterable[Iterable[Any]],
        chunksize: int | None = None,
        *,
        buffersize: float | None = None,
        max_bytes_in_flight: float | None = None,
        errors: Errors = "raise",
        progress: Progress = None,
        total: int | None = None,
        timeout: float | None = None,
        retries: int = 0,
        retry_on: Kinds = Exception,
        seed: Seed = None,
    ) -> ResultIterator:
        """As `istarmap`, results in the order in which they are ready."""
        plan = StreamPlan(chunksize, buffersize, max_bytes_in_flight, errors)
        plan.ordered = False
        star, iterable = self._seeded(unpacking(func), iterable, seed)
        star = self._limited(star, limits(timeout, retries, retry_on))
        return self._stream(star, iterable, plan, progress, total)

    # inside

    def _limited(self, func: Callable[..., Any], limit: Limits) -> Callable[..., Any]:
        if limit.timeout is not None:
            self._limit()
        check_callable(func)
        return limit.in_process(func)

    def _seeded(
        self, func: Callable[..., Any], iterable: Iterable[Any], seed: Seed
    ) -> tuple[Callable[..., Any], Iterable[Any]]:
        """The function and the items, with a random stream for each if that is wanted."""
        root = self._roots(seed)
        if root is None:
            return func, iterable
        check_callable(func)
        return Seeded(func, root, alone=self._alone), Numbered(iterable)

    def _map(
        self,
        func: Callable[[Any], Any],
        iterable: Iterable[Any],
        chunksize: int | None,
        *,
        errors: Errors,
        progress: Progress,
        total: int | None,
    ) -> list[Any]:
        self._check(func, chunksize, errors)
        items = list(iterable)
        reporter = make_reporter(progress, items, total)
        result = MapResult(len(items), self._notify, keep_errors=errors == "return")
        try:
            self._send(result, func, items, chunksize)
            if reporter is not None:
                follow(result, reporter)
            values: list[Any] = result.get()
        except BaseException:
            result.cancel()
            raise
        return values

    def _check(self, func: object, chunksize: int | None, errors: str) -> None:
        self._check_running()
        check_callable(func)
        check_chunksize(chunksize)
        check_errors(errors)

    def _send(
        self,
        result: MapResult,
        func: Callable[[Any], Any],
        items: list[Any],
        chunksize: int | None,
    ) -> None:
        size = chunksize or 1
        for start in range(0, len(items), size):
            self._dispatch(Chunk(result, func, start, items[start : start + size]))

    def _stream(
        self,
        func: Callable[[Any], Any],
        iterable: Iterable[Any],
        plan: StreamPlan,
        progress: Progress,
        total: int | None,
    ) -> ResultIterator:
        self._check_running()
        check_callable(func)
        self._adapt(plan)
        source, length = iter(iterable), length_of(iterable)
        reporter = make_reporter(progress, iterable, total)
        stream = Stream(func, source, plan, self._dispatch, reporter)
        self._adopt(stream)
        stream.start(length)
        return ResultIterator(stream, self)
