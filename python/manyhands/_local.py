"""Pools without processes: `SerialPool` runs everything in the caller, `ThreadPool` in threads.

Both have the methods, signatures and meaning of `Pool`, so a program moves between the three by one
word. `Pool(processes=0)` gives the serial one: breakpoints, profilers and prints work as in any
program, and an exception comes with its own traceback. Threads suit work that waits or releases the
GIL, and whatever cannot be pickled.

Refuses: what only a process can do (be killed, be limited, have an environment).
"""

from __future__ import annotations

import threading

from ._local_calls import Raised, attempt, deliverable
from ._local_crew import CallbackThread, Crew, initializer_error
from ._local_options import check_initializer
from ._local_pool import LocalPool
from ._local_report import make_reporter
from ._options import arguments, at_least_one, check_timeout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any

    from ._local_calls import Task
    from ._local_options import StreamPlan
    from ._options import Errors, MemoryLimit, Progress, Seed

__all__ = ["SerialPool", "ThreadPool"]

# What a task raises and the serial pool lets through: a Ctrl-C, in all likelihood.
_PASSING = (KeyboardInterrupt,)
# Items that a lazy mapping reads ahead by default, per thread.
WINDOW_PER_THREAD = 8


class SerialPool(LocalPool):
    """A pool that runs each task in the thread that asks for it: what `Pool(processes=0)` gives.

    `imap` and its sisters run an item when its result is asked for and read nothing ahead;
    `apply_async` and `map_async` return when the work is done. `chunksize`, `buffersize` and
    `max_bytes_in_flight` are checked and change nothing. KeyboardInterrupt passes straight through;
    SystemExit of a task is a `TaskExit`, as in a worker. A `timeout` is not enforced (it would
    interrupt a debugger), with a RuntimeWarning.

    Args:
        initializer: called once, in the caller, at the first use of the pool.
        initargs: its arguments.
        exit: "wait" finishes what was submitted at the end of `with`, "terminate" drops it.
        seed: as in `Pool`. The caller's own random state is as it was after each item.
    """

    _alone = True

    def __init__(
        self,
        initializer: Callable[..., object] | None = None,
        initargs: Iterable[Any] = (),
        *,
        exit: str = "wait",  # noqa: A002 - the option's name
        seed: Seed = None,
    ) -> None:
        check_initializer(initializer)
        super().__init__(exit, seed)
        self._initializer = initializer
        self._initargs = arguments("initargs", initargs)
        self._initializing = threading.RLock()
        self._failure: BaseException | None = None

    def grow(self, n: int) -> None:
        """Has no effect: there are no workers."""
        self._check_running()
        at_least_one("n", n, optional=False)

    def shrink(self, n: int) -> None:
        """Has no effect: there are no workers."""
        self._check_running()
        at_least_one("n", n, optional=False)

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
        # Not by way of a result: an exception leaves through the frames that it was raised in.
        self._check(func, chunksize, errors)
        self._initialize()
        reporter = make_reporter(progress, iterable, total)
        values: list[Any] = []
        try:
            for item in iterable:
                try:
                    values.append(keep(func, item) if errors == "return" else func(item))
                except (StopIteration, StopAsyncIteration) as error:
                    raise deliverable(error) from error
                except (Exception, *_PASSING):
                    raise
                except BaseException as error:
                    raise deliverable(error) from error
                if reporter is not None:
                    reporter.update(len(values))
        finally:
            if reporter is not None:
                reporter.close()
        return values

    def _dispatch(self, task: Task) -> None:
        self._initialize()
        task.run(_PASSING)

    def _notify(self, function: Callable[[], None]) -> None:
        function()

    def _adapt(self, plan: StreamPlan) -> None:
        plan.chunksize, plan.window, plan.prefill = 1, 1, False

    def _limit(self) -> None:
        _warn_of_limit("timeout")

    def _finish(self) -> None:
        pass

    def _abort(self) -> None:
        pass

    def _describe(self) -> str:
        return "serial"

    def _initialize(self) -> None:
        with self._initializing:
            if self._failure is not None:
                raise self._failure
            initializer, self._initializer = self._initializer, None
            if initializer is not None:
                self._run_initializer(initializer)

    def _run_initializer(self, initializer: Callable[..., object]) -> None:
        try:
            initializer(*self._initargs)
        except (Exception, SystemExit) as error:
            self._failure = initializer_error(initializer, error)
            raise self._failure from error


class ThreadPool(LocalPool):
    """A pool of threads.

    `terminate` cancels what has not started; what runs in a thread runs to its end, unheard.
    `max_bytes_in_flight` counts `sys.getsizeof` of the items, since nothing is pickled. A `timeout`
    is refused, and `cancel` is for what has not started: no thread can be ended from outside.

    Args:
        processes: how many threads; None means `cpu_count()`.
        initializer: each thread calls it once, before its first task.
        initargs: its arguments.
        exit: "wait" finishes what was submitted at the end of `with`, "terminate" drops it.
        seed: as in `Pool`, for `rng()` and `item_seed()` alone: threads share the state of `random`
            and numpy's global one.
    """

    def __init__(
        self,
        processes: int | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: Iterable[Any] = (),
        *,
        exit: str = "wait",  # noqa: A002 - the option's name
        seed: Seed = None,
    ) -> None:
        check_initializer(initializer)
        super().__init__(exit, seed)
        if processes is None:
            from ._native import cpu_count

            processes = cpu_count()
        processes = at_least_one("processes", processes)
        self._callbacks = CallbackThread()
        self._crew = Crew(initializer, initargs)
        self._crew.add(processes)

    def grow(self, n: int) -> None:
        """Start `n` more threads."""
        self._check_running()
        at_least_one("n", n, optional=False)
        self._crew.add(n)

    def shrink(self, n: int) -> None:
        """Let `n` threads go once they have done what is queued by now; one must remain."""
        self._check_running()
        at_least_one("n", n, optional=False)
        self._crew.remove(n)

    def __del__(self) -> None:
        if hasattr(self, "_crew"):
            self._crew.leave()
            self._callbacks.leave()

    def _check_running(self) -> None:
        super()._check_running()
        self._crew.check_process()

    def _dispatch(self, task: Task) -> None:
        self._crew.put(task)

    def _notify(self, function: Callable[[], None]) -> None:
        self._callbacks.put(function)

    def _adapt(self, plan: StreamPlan) -> None:
        if plan.window is None:
            plan.window = max(WINDOW_PER_THREAD, 2 * plan.chunksize) * max(self._crew.size, 1)

    def _limit(self) -> None:
        raise ValueError(
            "timeout= needs a pool of processes: a thread cannot be ended; use manyhands.Pool"
        )

    def _finish(self) -> None:
        self._crew.leave()
        self._crew.join()
        thread = self._callbacks.leave()
        if thread is not None:
            thread.join()

    def _abort(self) -> None:
        self._crew.abandon()
        self._callbacks.leave()

    def _describe(self) -> str:
        return f"{self._crew.size} threads"


def keep(func: Callable[[Any], Any], item: Any) -> Any:
    """`func(item)`, or the exception that it raised."""
    outcome = attempt(func, item, _PASSING)
    return outcome.error if isinstance(outcome, Raised) else outcome


def _warn_of_limit(option: str) -> None:
    """Say, where the user calls, that nothing can be ended here."""
    import warnings

    warnings.warn(
        f"{option}= is not enforced by a pool without processes: what runs in the caller runs on",
        RuntimeWarning,
        stacklevel=5 if option == "timeout" else 4,
    )


def serial_pool(
    initializer: Callable[..., object] | None = None,
    initargs: Iterable[Any] = (),
    maxtasksperchild: int | None = None,  # noqa: ARG001 - nothing is ever replaced
    context: Any = None,  # noqa: ARG001 - nothing is started
    *,
    processes: int = 0,  # noqa: ARG001 - that is what made it this one
    env: Mapping[str, str] | None = None,  # noqa: ARG001 - there is no other process
    preload: Sequence[str] = (),  # noqa: ARG001 - the same
    exit: str = "wait",  # noqa: A002 - the option's name
    threads_per_worker: int | None = None,  # noqa: ARG001 - the same
    seed: Seed = None,
    logs: bool = True,  # noqa: ARG001 - they are the caller's
    max_memory_per_child: MemoryLimit = None,  # noqa: ARG001 - nothing is ever replaced
    initializer_timeout: float | None = None,
) -> SerialPool:
    """What `Pool(processes=0)` is: the same methods, in the caller."""
    if check_timeout(initializer_timeout, "initializer_timeout") is not None:
        _warn_of_limit("initializer_timeout")
    return SerialPool(initializer, initargs, exit=exit, seed=seed)
