"""The lazy methods of the pools that live in this process, and what all their mappings do first.

Refuses: to pull from a source; that is `_local_stream.py`.
"""

from __future__ import annotations

from ._again import limits
from ._local_base import LocalBase
from ._local_options import StreamPlan, check_callable, length_of, unpacking
from ._local_report import make_reporter
from ._local_seeds import Numbered, Seeded
from ._local_stream import ResultIterator, Stream
from ._options import check_chunksize, check_errors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, Literal, TypeVar, Unpack, overload

    from ._again import Limits
    from ._options import Errors, Kinds, LazyOptions, Progress, Seed

    T = TypeVar("T")
    R = TypeVar("R")


class LocalLazy(LocalBase):
    """`imap` and its relatives."""

    if TYPE_CHECKING:

        @overload
        def imap(
            self,
            func: Callable[[T], R],
            iterable: Iterable[T],
            chunksize: int | None = None,
            *,
            errors: Literal["raise"] = "raise",
            **options: Unpack[LazyOptions],
        ) -> ResultIterator[R]: ...

        @overload
        def imap(
            self,
            func: Callable[[T], R],
            iterable: Iterable[T],
            chunksize: int | None = None,
            *,
            errors: Literal["return"],
            **options: Unpack[LazyOptions],
        ) -> ResultIterator[R | BaseException]: ...

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
    ) -> ResultIterator[Any]:
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

    if TYPE_CHECKING:

        @overload
        def imap_unordered(
            self,
            func: Callable[[T], R],
            iterable: Iterable[T],
            chunksize: int | None = None,
            *,
            errors: Literal["raise"] = "raise",
            **options: Unpack[LazyOptions],
        ) -> ResultIterator[R]: ...

        @overload
        def imap_unordered(
            self,
            func: Callable[[T], R],
            iterable: Iterable[T],
            chunksize: int | None = None,
            *,
            errors: Literal["return"],
            **options: Unpack[LazyOptions],
        ) -> ResultIterator[R | BaseException]: ...

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
    ) -> ResultIterator[Any]:
        """As `imap`, results in the order in which they are ready."""
        plan = StreamPlan(chunksize, buffersize, max_bytes_in_flight, errors)
        plan.ordered = False
        func, iterable = self._seeded(func, iterable, seed)
        func = self._limited(func, limits(timeout, retries, retry_on))
        return self._stream(func, iterable, plan, progress, total)

    if TYPE_CHECKING:

        @overload
        def istarmap(
            self,
            func: Callable[..., R],
            iterable: Iterable[Any],
            chunksize: int | None = None,
            *,
            errors: Literal["raise"] = "raise",
            **options: Unpack[LazyOptions],
        ) -> ResultIterator[R]: ...

        @overload
        def istarmap(
            self,
            func: Callable[..., R],
            iterable: Iterable[Any],
            chunksize: int | None = None,
            *,
            errors: Literal["return"],
            **options: Unpack[LazyOptions],
        ) -> ResultIterator[R | BaseException]: ...

    def istarmap(
        self,
        func: Callable[..., Any],
        iterable: Iterable[Any],
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
    ) -> ResultIterator[Any]:
        """As `imap`, with `func(*item)`, or `func(**item)` where the item is a dict."""
        plan = StreamPlan(chunksize, buffersize, max_bytes_in_flight, errors)
        star, iterable = self._seeded(unpacking(func), iterable, seed)
        star = self._limited(star, limits(timeout, retries, retry_on))
        return self._stream(star, iterable, plan, progress, total)

    if TYPE_CHECKING:

        @overload
        def istarmap_unordered(
            self,
            func: Callable[..., R],
            iterable: Iterable[Any],
            chunksize: int | None = None,
            *,
            errors: Literal["raise"] = "raise",
            **options: Unpack[LazyOptions],
        ) -> ResultIterator[R]: ...

        @overload
        def istarmap_unordered(
            self,
            func: Callable[..., R],
            iterable: Iterable[Any],
            chunksize: int | None = None,
            *,
            errors: Literal["return"],
            **options: Unpack[LazyOptions],
        ) -> ResultIterator[R | BaseException]: ...

    def istarmap_unordered(
        self,
        func: Callable[..., Any],
        iterable: Iterable[Any],
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
    ) -> ResultIterator[Any]:
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

    def _check(self, func: object, chunksize: int | None, errors: str) -> None:
        self._check_running()
        check_callable(func)
        check_chunksize(chunksize)
        check_errors(errors)

    def _stream(
        self,
        func: Callable[[Any], Any],
        iterable: Iterable[Any],
        plan: StreamPlan,
        progress: Progress,
        total: int | None,
    ) -> ResultIterator[Any]:
        self._check_running()
        check_callable(func)
        self._adapt(plan)
        source, length = iter(iterable), length_of(iterable)
        reporter = make_reporter(progress, iterable, total)
        stream = Stream(func, source, plan, self._dispatch, reporter)
        self._adopt(stream)
        stream.start(length)
        return ResultIterator(stream, self)
