"""The lazy methods of `Pool`: results one by one, from an iterable that is pulled a little ahead.

Refuses: to run anything before it was asked for more than the bounds allow; that is the engine's.
"""

from __future__ import annotations

from . import _setup
from ._again import limits
from ._plan import ONE, STAR, Plan
from ._pool_life import PoolLife

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, Literal, TypeVar, Unpack, overload

    from ._native import ResultIterator
    from ._options import Errors, Kinds, LazyOptions, Progress, Seed
    from ._seeds import Roots

    T = TypeVar("T")
    R = TypeVar("R")


class LazyCalls(PoolLife):
    """`imap` and its relatives."""

    _roots: Roots

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
        """Yield results in the order of the items, lazily.

        The iterable is pulled in the thread that asks for results, at most `buffersize` items
        (None: a bounded number that adapts) and `max_bytes_in_flight` bytes (None: 64 MiB, more
        where items are large) ahead, so it may be endless. A failure is raised for its item; the
        iteration can go on after it. An iterator that is dropped cancels what has not started and
        closes its source.

        >>> with Pool(2) as pool:
        ...     list(pool.imap(abs, range(-2, 1)))
        [2, 1, 0]
        """
        limit, ahead = limits(timeout, retries, retry_on), (buffersize, max_bytes_in_flight)
        root = self._roots(seed)
        plan = Plan(ONE, chunksize, errors, limits=limit, buffer=ahead, root=root)
        return self._iterate(func, iterable, plan, (progress, total))

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
        """As `imap`, in the order in which results arrive."""
        limit, ahead = limits(timeout, retries, retry_on), (buffersize, max_bytes_in_flight)
        root = self._roots(seed)
        plan = Plan(ONE, chunksize, errors, ordered=False, limits=limit, buffer=ahead, root=root)
        return self._iterate(func, iterable, plan, (progress, total))

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
        limit, ahead = limits(timeout, retries, retry_on), (buffersize, max_bytes_in_flight)
        root = self._roots(seed)
        plan = Plan(STAR, chunksize, errors, limits=limit, buffer=ahead, root=root)
        return self._iterate(func, iterable, plan, (progress, total))

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
        """As `istarmap`, in the order in which results arrive."""
        limit, ahead = limits(timeout, retries, retry_on), (buffersize, max_bytes_in_flight)
        root = self._roots(seed)
        plan = Plan(STAR, chunksize, errors, ordered=False, limits=limit, buffer=ahead, root=root)
        return self._iterate(func, iterable, plan, (progress, total))

    def _iterate(
        self, func: Callable[..., Any], iterable: Iterable[Any], plan: Plan, shown: tuple[Any, Any]
    ) -> ResultIterator[Any]:
        task = self._crew.task(func, plan, _setup.display(iterable, *shown))
        results = self._crew.engine.iterate(task, iterable, plan.buffer)
        self._crew.keep(results._stream)
        return results
