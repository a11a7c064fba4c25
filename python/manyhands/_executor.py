"""`Executor`: a `concurrent.futures.Executor` on the engine that `Pool` stands on.

`submit` gives one call of the engine as a real Future (`_futures`); `map` is a lazy call of the
engine, whose results come in order. At the end of the interpreter all submitted work is waited for,
as `concurrent.futures` does; after a Ctrl-C that nobody handled the workers are ended instead.

It refuses to schedule: what runs where and when is the engine's.
"""

from __future__ import annotations

import concurrent.futures
import os
import signal
import time
from math import inf
from pickle import PicklingError
from typing import TYPE_CHECKING, Any

from ._again import NO_LIMITS, limits
from ._futures import Account
from ._genuine import check_wakes
from ._options import arguments, at_least_one, check_timeout, integer, memory_limits, seconds
from ._plan import APPLY, ONE, STAR, Plan
from ._seeds import root_of
from ._setup import Crew, Options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from types import TracebackType
    from typing import ParamSpec, TypeVar

    from ._again import Limits
    from ._native import ResultIterator
    from ._options import Kinds, MemoryLimit, Seed

    P = ParamSpec("P")
    R = TypeVar("R")

_SHUT = "cannot schedule new futures after shutdown"


class Executor(concurrent.futures.Executor):
    """A `concurrent.futures.Executor` whose workers are processes.

    A worker that dies costs the call that it ran, as `WorkerDied` (a `BrokenProcessPool`); the
    worker is replaced and the executor goes on. Functions and arguments travel as those of `Pool`:
    lambdas and what is defined in `__main__` may be submitted.

    Args:
        max_workers: how many workers; None means `cpu_count()`.
        mp_context: how workers start: None or "template" (a clean process forks them), "fork",
            "spawn", "forkserver", or any `multiprocessing` context.
        initializer: called in each worker before its first call, with `initargs`. If it fails,
            every future raises `InitializerError` (a `BrokenProcessPool`).
        initargs: anything that can be pickled.
        max_tasks_per_child: calls after which a worker is replaced, counted exactly.
        env: environment variables for the workers, set before they import anything.
        preload: modules that the template imports, so that workers have them from the start.
        threads_per_worker: what thread variables such as OMP_NUM_THREADS are set to in workers,
            unless the user has set them; None means cores divided by workers, at least 1.
        logs: whether log records, warnings and uncaught exceptions of workers go to the handlers of
            this process.
        max_memory_per_child, initializer_timeout: as in `Pool`.

    Raises:
        ValueError: for a number or a word that means nothing; the text says what is allowed.
        OSError: if the system gives no memory or no file descriptors.

    >>> with Executor(2) as executor:
    ...     executor.submit(pow, 2, 5).result()
    32
    """

    def __init__(
        self,
        max_workers: int | None = None,
        mp_context: Any = None,
        initializer: Callable[..., object] | None = None,
        initargs: Iterable[Any] = (),
        *,
        max_tasks_per_child: int | None = None,
        env: Mapping[str, str] | None = None,
        preload: Sequence[str] = (),
        threads_per_worker: int | None = None,
        logs: bool = True,
        max_memory_per_child: MemoryLimit = None,
        initializer_timeout: float | None = None,
    ) -> None:
        if max_workers is not None and integer("max_workers", max_workers) <= 0:
            raise ValueError(f"max_workers must be greater than 0, not {max_workers}")
        if max_tasks_per_child is not None:
            at_least_one("max_tasks_per_child", max_tasks_per_child)
        check_wakes("who waits for a future")
        options = Options(max_workers, max_tasks_per_child, mp_context)
        options.environment(env, threads_per_worker, preload)
        options.logs = bool(logs)
        options.memory = memory_limits(max_memory_per_child)
        options.initializer_timeout = check_timeout(initializer_timeout, "initializer_timeout")
        # The name that the standard executors have: programs read it.
        self._max_workers = options.workers
        self._account = Account(Crew(options, initializer, arguments("initargs", initargs)))

    def submit(
        self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs
    ) -> concurrent.futures.Future[R]:
        """Call `fn(*args, **kwargs)` in a worker; return its future at once.

        Arguments that cannot be pickled fail the future, with a `PicklingError` that names them.

        Raises:
            RuntimeError: after `shutdown`.
            InitializerError: if the initializer has failed by now.
        """
        return _submit(self._account, NO_LIMITS, fn, (args, kwargs))

    def options(
        self, *, timeout: float | None = None, retries: int = 0, retry_on: Kinds = Exception
    ) -> Limited:
        """This executor, with bounds for what is submitted through what this returns.

        That has `submit` and `map`. `submit` has no place of its own for options, since its
        keywords are the function's, and the `timeout` of `map` is about waiting.

        Args:
            timeout: seconds that each call may run, from when a worker begins it; one that takes
                longer is ended and fails with `TaskTimeout`.
            retries: how often a call that failed runs again, at once, before its failure counts.
                So it may run more than once: also what it does outside.
            retry_on: the exceptions after which it does, a class or a tuple of them; `WorkerDied`
                and `TaskTimeout` stand for the death of its worker and the end of its time.

        >>> with Executor(2) as executor:
        ...     executor.options(timeout=60, retries=2).submit(pow, 2, 5).result()
        32
        """
        return Limited(self._account, limits(timeout, retries, retry_on))

    def map(
        self,
        fn: Callable[..., R],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int | None = None,
        buffersize: int | None = None,
        seed: Seed = None,
    ) -> Iterator[R]:
        """Yield `fn(*items)` for the items of `zip(*iterables)`, in their order.

        The exception of a call is raised in the place of its result, and the iteration can go on
        after it. An iterator that is dropped cancels what has not started.

        Args:
            fn: called with one item of each iterable.
            iterables: pulled to their ends by this call, or, with `buffersize`, by the thread that
                asks for results.
            timeout: seconds from this call after which asking for a result that is not there raises
                `TimeoutError` and cancels what has not started; None waits for ever.
            chunksize: items that one worker gets at a time; None adapts to what an item costs.
            buffersize: chunks (of one item without `chunksize`) that are pulled ahead of the
                results that were taken; None pulls everything now.
            seed: gives each call a random stream of its own by its index, as in `Pool.map`.

        Raises:
            RuntimeError: after `shutdown`. An iterator that had more to pull then raises
                `CancelledError`.
        """
        ahead = (timeout, chunksize, buffersize)
        root = None if seed is None else root_of(seed)
        return _map(self._account, (NO_LIMITS, root), (fn, iterables), ahead)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Accept nothing more; what was submitted runs to its end.

        Args:
            wait: return when all futures are done, with their callbacks, and all workers have gone.
            cancel_futures: cancel what no worker has begun.
        """
        self._account.close(_SHUT, cancel=cancel_futures)
        if wait:
            self._account.wait()

    def terminate_workers(self) -> None:
        """Shut down and send SIGTERM to all workers; waits for nothing.

        Futures that no worker had begun are cancelled; those that ran raise `WorkerDied`.
        """
        self._end_workers(signal.SIGTERM)

    def kill_workers(self) -> None:
        """As `terminate_workers`, by SIGKILL, which no task can hold up."""
        self._end_workers(signal.SIGKILL)

    def _end_workers(self, number: int) -> None:
        pids = [pid for _, pid in self._account.crew.engine.pids() if pid is not None]
        self.shutdown(wait=False, cancel_futures=True)
        for pid in pids:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue  # it was faster

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if kind is not None and issubclass(kind, KeyboardInterrupt):
                self.kill_workers()
            self.shutdown()
        except KeyboardInterrupt:
            self.kill_workers()
            # Code that completes futures while the interpreter ends would change its exit status.
            self._account.wait()
            raise

    def __del__(self) -> None:
        account = getattr(self, "_account", None)
        if account is not None:
            account.retire()

    def __repr__(self) -> str:
        return f"<manyhands.Executor, {self._account.crew.describe()}>"


class Limited:
    """An executor whose calls have bounds; made by `Executor.options`."""

    def __init__(self, account: Account, limit: Limits) -> None:
        self._account = account
        self._limit = limit

    def submit(
        self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs
    ) -> concurrent.futures.Future[R]:
        """As `Executor.submit`."""
        return _submit(self._account, self._limit, fn, (args, kwargs))

    def map(
        self,
        fn: Callable[..., R],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int | None = None,
        buffersize: int | None = None,
        seed: Seed = None,
    ) -> Iterator[R]:
        """As `Executor.map`, whose `timeout` gives up waiting; the bounds hold for each item."""
        ahead = (timeout, chunksize, buffersize)
        root = None if seed is None else root_of(seed)
        return _map(self._account, (self._limit, root), (fn, iterables), ahead)


def _submit(
    account: Account, limit: Limits, fn: Callable[..., Any], arguments: tuple[Any, Any]
) -> concurrent.futures.Future[Any]:
    account.check_open()
    args, kwargs = arguments
    try:
        if kwargs:
            task = account.crew.task(fn, Plan(APPLY, limits=limit))
            return account.submit(task, (args, kwargs))
        return account.submit(account.crew.single(fn, limit), args)
    except PicklingError as error:
        if kwargs:
            from ._culprit import tell_apart

            tell_apart(error)
        future: concurrent.futures.Future[Any] = concurrent.futures.Future()
        future.set_exception(error)
        return future


def _map(
    account: Account,
    options: tuple[Limits, bytes | None],
    call: tuple[Callable[..., Any], Sequence[Iterable[Any]]],
    ahead: tuple[float | None, int | None, int | None],
) -> Iterator[Any]:
    (fn, iterables), (timeout, chunksize, buffersize) = call, ahead
    limit, root = options
    deadline = None if timeout is None else time.monotonic() + seconds("timeout", timeout)
    account.check_open()
    window: float = inf
    if buffersize is not None:
        window = at_least_one("buffersize", buffersize) * (chunksize or 1)
    shape = ONE if len(iterables) == 1 else STAR
    plan = Plan(shape, chunksize, limits=limit, buffer=(window, inf), root=root)
    items: Iterable[Any] = iterables[0] if len(iterables) == 1 else zip(*iterables, strict=False)
    task = account.crew.task(fn, plan)
    try:
        results = account.crew.engine.iterate(task, items, plan.buffer)
    except ValueError:
        account.check_open()  # another thread has shut it down meanwhile
        raise
    account.crew.keep(results._stream)
    return results if deadline is None else _Results(results, deadline)


class _Results:
    """What `map` with a timeout returns: results in order, until the deadline."""

    def __init__(self, results: ResultIterator[Any], deadline: float) -> None:
        self._results = results
        self._deadline = deadline

    def __iter__(self) -> _Results:
        return self

    def __next__(self) -> Any:
        try:
            return self._results.next(max(0.0, self._deadline - time.monotonic()))
        except TimeoutError:
            if time.monotonic() >= self._deadline:
                self.close()
            raise

    def close(self) -> None:
        """Cancel what has not started, and close the iterables."""
        self._results.close()
