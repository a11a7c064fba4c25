"""`Pool`: the names of `multiprocessing.Pool`, on the engine.

Each method turns its arguments into a `Task` (a function and how to run it over items) and hands it
to the engine with the items. What the engine is, how workers start and how code travels stands
elsewhere (`_native`, `_setup`, `_code`); here is what a user calls, checked and documented.

Refuses: to schedule, to wait in loops, to catch what a task raises.
"""

from __future__ import annotations

from . import _seeds, _setup
from ._again import limits
from ._options import (
    arguments,
    bytes_bound,
    check_callbacks,
    check_timeout,
    keywords,
    memory_limits,
    unique,
)
from ._plan import APPLY, ONE, STAR, Plan
from ._pool_lazy import LazyCalls
from ._signature import OfInit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any, Literal, Self, TypeVar, Unpack, overload

    from ._again import Limits
    from ._native import AsyncResult
    from ._options import AheadOptions, Errors, Kinds, MapOptions, MemoryLimit, Progress, Seed

    T = TypeVar("T")
    R = TypeVar("R")


class Pool(LazyCalls):
    """A pool of worker processes.

    Args:
        processes: how many workers; None means `cpu_count()`. `processes=0`, by name, runs
            everything in the caller, one item at a time: for debugging.
        initializer: called in each worker before its first item, with `initargs`. If it fails, the
            pool fails: once, with `InitializerError`.
        initargs: anything that can be pickled.
        maxtasksperchild: items after which a worker is replaced, counted exactly; None: never.
        context: how workers start: None or "template" (a clean process forks them), "fork",
            "spawn", "forkserver", or any `multiprocessing` context.
        env: environment variables for the workers, set before they import anything.
        preload: modules that the template imports, so that workers have them from the start.
        exit: at the normal end of a `with` block: "wait" for what was submitted, or "terminate".
        threads_per_worker: what thread variables such as OMP_NUM_THREADS are set to in workers,
            unless the user has set them; None means cores divided by workers, at least 1.
        seed: gives every call a seed of its own that follows from this one and from how many calls
            came before it; see `map`. None: items are random as they are elsewhere.
        logs: whether the handlers of this process get what workers log, warn of and die of.
        max_memory_per_child: bytes of memory of its own that a worker may have. With more than that
            it is replaced, after the item that it runs. A pair of two numbers, or None: with more
            than the second one the item fails with `MemoryLimitExceeded`, at once.
        initializer_timeout: seconds that a worker may take, from its start until `initializer` has
            returned; with a tenth of a second more the pool fails with `InitializerError`. None: as
            long as it takes. Without an initializer it does nothing.

    Raises:
        ValueError: for a number or a word that means nothing; the text says what is allowed.
        OSError: if the system gives no memory or no file descriptors.

    >>> with Pool(2) as pool:
    ...     pool.map(abs, [-1, 2, -3])
    [1, 2, 3]
    """

    __signature__ = OfInit()

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        # By its name only: `Pool(0)` is an error in `multiprocessing`, and mostly a mistake.
        if kwargs.get("processes") == 0 and cls is Pool:
            from ._local import serial_pool

            serial: Any = serial_pool(*args, **kwargs)
            return serial  # type: ignore[no-any-return]
        return super().__new__(cls)

    def __init__(
        self,
        processes: int | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: Iterable[Any] = (),
        maxtasksperchild: int | None = None,
        context: Any = None,
        *,
        env: Mapping[str, str] | None = None,
        preload: Sequence[str] = (),
        exit: Literal["wait", "terminate"] = "wait",  # noqa: A002 - the option's name
        threads_per_worker: int | None = None,
        seed: Seed = None,
        logs: bool = True,
        max_memory_per_child: MemoryLimit = None,
        initializer_timeout: float | None = None,
    ) -> None:
        if exit not in ("wait", "terminate"):
            raise ValueError(f'exit must be "wait" or "terminate", not {exit!r}')
        self._roots = _seeds.Roots(seed)
        self._seeded = seed is not None
        options = _setup.Options(processes, maxtasksperchild, context)
        options.environment(env, threads_per_worker, preload)
        options.logs = bool(logs)
        options.memory = memory_limits(max_memory_per_child)
        options.initializer_timeout = check_timeout(initializer_timeout, "initializer_timeout")
        self._exit = exit
        self._closed = False
        self._crew = _setup.Crew(options, initializer, arguments("initargs", initargs))

    # One item

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
        """Call `func(*args, **kwds)` in a worker and return what it returns.

        Raises what it raises; `WorkerDied` if the worker ended. `kwargs` is another name of `kwds`.
        With `timeout`, a call that runs longer than so many seconds, from when a worker begins it,
        is ended and raises `TaskTimeout`; with `retries`, one that fails runs again (see `map`).

        >>> with Pool(1) as pool:
        ...     pool.apply(divmod, (7, 2))
        (3, 1)
        """
        limit = limits(timeout, retries, retry_on)
        result: R = self._submit(func, args, unique(kwds, kwargs), limit).get()
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
    ) -> AsyncResult[R]:
        """As `apply`, but return an `AsyncResult` at once.

        `callback` is called with the value, `error_callback` with the exception, in a thread of the
        package.
        """
        limit = limits(timeout, retries, retry_on)
        if kwargs is not None:
            kwds = unique(kwds, kwargs)
        if callback is None and error_callback is None:
            return self._submit(func, args, kwds, limit)
        from ._callbacks import with_callbacks

        check_callbacks(callback, error_callback)
        return with_callbacks(self._submit(func, args, kwds, limit), callback, error_callback)

    # Many items, all results

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
        """`[func(x) for x in iterable]`, on all workers.

        Args:
            func: called with one item.
            iterable: pulled by the calling thread, a bounded number of items ahead.
            chunksize: items that one worker gets at a time; None adapts to what an item costs.
            max_bytes_in_flight: bytes of arguments that were sent and not answered, an item more
                or less; None: 16 MiB, or as many as keep all workers busy with large items.
            errors: "raise" raises the first failure at once and cancels what has not started;
                "return" runs everything and puts exceptions in the places of results.
            progress: True shows a bar (tqdm if installed); a dict holds tqdm's options; a callable
                is called with the numbers of done items and of all items (None if unknown).
            total: how many items there are, where `len(iterable)` can't tell.
            timeout: seconds that each item may run, from when a worker begins it; one that takes
                longer is interrupted, its worker ended if need be, and it alone fails, with
                `TaskTimeout`.
            retries: how often an item that failed runs again, at once, before its failure counts.
                So it may run more than once: also what it does outside.
            retry_on: the exceptions after which it does, a class or a tuple of them; `WorkerDied`
                and `TaskTimeout` stand for the death of its worker and the end of its time.
            seed: gives each item a random stream of its own, which follows from this number (text,
                bytes) and from the item's index: `random`, numpy's global state, `rng()` and
                `item_seed()` give the same in any number of workers and batches. None: the pool's.

        >>> with Pool(2) as pool:
        ...     pool.map(len, ["a", "bb", ""])
        [1, 2, 0]
        """
        limit = limits(timeout, retries, retry_on)
        plan = Plan(ONE, chunksize, errors, limits=limit, root=self._roots(seed))
        most = bytes_bound(max_bytes_in_flight)
        return self._map(func, iterable, plan, (progress, total), most)

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
        """As `map`, with `func(*item)`, or `func(**item)` where the item is a dict.

        >>> with Pool(2) as pool:
        ...     pool.starmap(pow, [(2, 3), (3, 2)])
        [8, 9]
        """
        limit = limits(timeout, retries, retry_on)
        plan = Plan(STAR, chunksize, errors, limits=limit, root=self._roots(seed))
        most = bytes_bound(max_bytes_in_flight)
        return self._map(func, iterable, plan, (progress, total), most)

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
        ) -> AsyncResult[list[R]]: ...

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
        ) -> AsyncResult[list[R | BaseException]]: ...

    def map_async(
        self,
        func: Callable[[T], Any],
        iterable: Iterable[T],
        chunksize: int | None = None,
        callback: Callable[[Any], object] | None = None,
        error_callback: Callable[[BaseException], object] | None = None,
        *,
        errors: Errors = "raise",
        progress: Progress = None,
        total: int | None = None,
        timeout: float | None = None,
        retries: int = 0,
        retry_on: Kinds = Exception,
        seed: Seed = None,
    ) -> AsyncResult[Any]:
        """As `map`, but return an `AsyncResult` once all items are submitted.

        The whole iterable is pulled and pickled by this call; use `imap` for one that is long or
        lazy.
        """
        limit = limits(timeout, retries, retry_on)
        plan = Plan(ONE, chunksize, errors, limits=limit, root=self._roots(seed))
        return self._map_async(func, iterable, plan, (callback, error_callback, progress, total))

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
        ) -> AsyncResult[list[R]]: ...

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
        ) -> AsyncResult[list[R | BaseException]]: ...

    def starmap_async(
        self,
        func: Callable[..., Any],
        iterable: Iterable[Any],
        chunksize: int | None = None,
        callback: Callable[[Any], object] | None = None,
        error_callback: Callable[[BaseException], object] | None = None,
        *,
        errors: Errors = "raise",
        progress: Progress = None,
        total: int | None = None,
        timeout: float | None = None,
        retries: int = 0,
        retry_on: Kinds = Exception,
        seed: Seed = None,
    ) -> AsyncResult[Any]:
        """As `map_async`, with `func(*item)`, or `func(**item)` where the item is a dict."""
        limit = limits(timeout, retries, retry_on)
        plan = Plan(STAR, chunksize, errors, limits=limit, root=self._roots(seed))
        return self._map_async(func, iterable, plan, (callback, error_callback, progress, total))

    # What the methods share

    def _submit(
        self,
        func: Callable[..., Any],
        args: Iterable[Any],
        kwds: Mapping[str, Any] | None,
        limits: Limits,
    ) -> AsyncResult[Any]:
        crew = self._crew
        root = self._roots() if self._seeded else None
        if kwds:
            task = crew.task(func, Plan(APPLY, limits=limits, root=root))
            pair = (arguments("args", args), keywords(kwds))
            try:
                return crew.engine.submit(task, pair)
            except Exception as error:
                from ._culprit import tell_apart

                tell_apart(error)
                raise
        task = crew.single(func, limits, root)
        # Told apart here: a call costs as much as the check.
        words = args if type(args) is tuple else arguments("args", args)
        return crew.engine.submit(task, words)

    def _map(
        self,
        func: Callable[..., Any],
        iterable: Iterable[Any],
        plan: Plan,
        shown: tuple[Any, Any],
        max_bytes: int | None,
    ) -> list[Any]:
        task = self._crew.task(func, plan, _setup.display(iterable, *shown))
        try:
            results = self._crew.engine.map(task, iterable, max_bytes)
        except Exception:
            self._crew.hear()
            raise
        self._crew.hear()
        return results

    def _map_async(
        self, func: Callable[..., Any], iterable: Iterable[Any], plan: Plan, extras: tuple[Any, ...]
    ) -> AsyncResult[Any]:
        callback, error_callback, progress, total = extras
        check_callbacks(callback, error_callback)
        display = _setup.display(iterable, progress, total)
        result = self._crew.engine.map_later(self._crew.task(func, plan, display), iterable)
        if callback is None and error_callback is None and display is None:
            return result
        from ._callbacks import with_callbacks

        return with_callbacks(result, callback, error_callback, display)
