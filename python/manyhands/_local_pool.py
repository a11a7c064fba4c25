"""The names and signatures of `Pool` for pools that live in this process.

`SerialPool` and `ThreadPool` (in `_local.py`) inherit them all. Each method checks its options,
makes a result or a stream, and dispatches tasks; the lifecycle stands in `_local_base.py`.

Refuses: to pickle anything. Arguments and results pass by reference.
"""

from __future__ import annotations

from ._again import limits
from ._local_calls import Call, Chunk, MapResult
from ._local_lazy import LocalLazy
from ._local_options import check_callable, unpacking
from ._local_report import AsyncReport, follow, make_reporter
from ._local_result import LocalResult
from ._local_seeds import Alone
from ._options import bytes_bound, check_callbacks, keywords, unique

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any, Literal, TypeVar, Unpack, overload

    from ._options import AheadOptions, Errors, Kinds, MapOptions, Progress, Seed

    T = TypeVar("T")
    R = TypeVar("R")


class LocalPool(LocalLazy):
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
        func: Callable[..., R],
        args: Iterable[Any] = (),
        kwds: Mapping[str, Any] | None = None,
        callback: Callable[[R], object] | None = None,
        error_callback: Callable[[BaseException], object] | None = None,
        *,
        kwargs: Mapping[str, Any] | None = None,
        timeout: float | None = None,
        retries: int = 0,
        retry_on: Kinds = Exception,
    ) -> LocalResult[R]:
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
        words = keywords(unique(kwds, kwargs) or {})
        check_callable(func)
        root = self._roots()
        if root is not None:
            func = Alone(func, root, alone=self._alone)
        func = self._limited(func, limits(timeout, retries, retry_on))
        check_callbacks(callback, error_callback)
        result: LocalResult[R] = LocalResult(self._notify, callback, error_callback)
        self._dispatch(Call(result, func, args, words))
        return result

    # whole maps

    if TYPE_CHECKING:

        @overload
        def map(
            self,
            func: Callable[[T], R],
            iterable: Iterable[T],
            chunksize: int | None = None,
            *,
            errors: Literal["raise"] = "raise",
            **options: Unpack[AheadOptions],
        ) -> list[R]: ...

        @overload
        def map(
            self,
            func: Callable[[T], R],
            iterable: Iterable[T],
            chunksize: int | None = None,
            *,
            errors: Literal["return"],
            **options: Unpack[AheadOptions],
        ) -> list[R | BaseException]: ...

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
    ) -> list[Any]:
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

    if TYPE_CHECKING:

        @overload
        def starmap(
            self,
            func: Callable[..., R],
            iterable: Iterable[Any],
            chunksize: int | None = None,
            *,
            errors: Literal["raise"] = "raise",
            **options: Unpack[AheadOptions],
        ) -> list[R]: ...

        @overload
        def starmap(
            self,
            func: Callable[..., R],
            iterable: Iterable[Any],
            chunksize: int | None = None,
            *,
            errors: Literal["return"],
            **options: Unpack[AheadOptions],
        ) -> list[R | BaseException]: ...

    def starmap(
        self,
        func: Callable[..., R],
        iterable: Iterable[Any],
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
    ) -> list[Any]:
        """As `map`, with `func(*item)`, or `func(**item)` where the item is a dict."""
        star, iterable = self._seeded(unpacking(func), iterable, seed)
        star = self._limited(star, limits(timeout, retries, retry_on))
        bytes_bound(max_bytes_in_flight)
        return self._map(star, iterable, chunksize, errors=errors, progress=progress, total=total)

    if TYPE_CHECKING:

        @overload
        def map_async(
            self,
            func: Callable[[T], R],
            iterable: Iterable[T],
            chunksize: int | None = None,
            callback: Callable[[Any], object] | None = None,
            error_callback: Callable[[BaseException], object] | None = None,
            *,
            errors: Literal["raise"] = "raise",
            **options: Unpack[MapOptions],
        ) -> MapResult[list[R]]: ...

        @overload
        def map_async(
            self,
            func: Callable[[T], R],
            iterable: Iterable[T],
            chunksize: int | None = None,
            callback: Callable[[Any], object] | None = None,
            error_callback: Callable[[BaseException], object] | None = None,
            *,
            errors: Literal["return"],
            **options: Unpack[MapOptions],
        ) -> MapResult[list[R | BaseException]]: ...

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
    ) -> MapResult[Any]:
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
        result: MapResult[Any] = MapResult(
            len(items), self._notify, callback, error_callback, keep_errors=keep_errors
        )
        if report is not None:
            report.watch(result)
        self._send(result, func, items, chunksize)
        return result

    if TYPE_CHECKING:

        @overload
        def starmap_async(
            self,
            func: Callable[..., R],
            iterable: Iterable[Any],
            chunksize: int | None = None,
            callback: Callable[[Any], object] | None = None,
            error_callback: Callable[[BaseException], object] | None = None,
            *,
            errors: Literal["raise"] = "raise",
            **options: Unpack[MapOptions],
        ) -> MapResult[list[R]]: ...

        @overload
        def starmap_async(
            self,
            func: Callable[..., R],
            iterable: Iterable[Any],
            chunksize: int | None = None,
            callback: Callable[[Any], object] | None = None,
            error_callback: Callable[[BaseException], object] | None = None,
            *,
            errors: Literal["return"],
            **options: Unpack[MapOptions],
        ) -> MapResult[list[R | BaseException]]: ...

    def starmap_async(
        self,
        func: Callable[..., Any],
        iterable: Iterable[Any],
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
    ) -> MapResult[Any]:
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

    # inside

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
        result: MapResult[Any] = MapResult(len(items), self._notify, keep_errors=errors == "return")
        try:
            self._send(result, func, items, chunksize)
            if reporter is not None:
                follow(result, reporter)
            values: list[Any] = result.get()
        except BaseException:
            result.cancel()
            raise
        return values

    def _send(
        self,
        result: MapResult[Any],
        func: Callable[[Any], Any],
        items: list[Any],
        chunksize: int | None,
    ) -> None:
        size = chunksize or 1
        for start in range(0, len(items), size):
            self._dispatch(Chunk(result, func, start, items[start : start + size]))
