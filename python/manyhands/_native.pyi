# The native module: the engine of manyhands as Python sees it. Users meet `AsyncResult`,
# `ResultIterator` and `cpu_count`; all else is for the package's own modules. `make check` holds
# this file against the built module, by stubtest.

from collections.abc import AsyncIterator, Callable, Generator, Iterable
from types import GenericAlias, TracebackType
from typing import Any, Generic, Literal, Self, TypeAlias, TypeVar, final

from ._native_doctor import LaneView as LaneView
from ._native_doctor import copy_fd as copy_fd
from ._native_doctor import core_limits as core_limits
from ._native_doctor import memory_limits as memory_limits
from ._native_doctor import relatives as relatives
from ._native_doctor import survey as survey
from ._native_pipe import PipeEnd as PipeEnd
from ._native_pipe import PipeSeed as PipeSeed
from ._native_pipe import adopt_pipe as adopt_pipe
from ._native_pipe import new_pipe as new_pipe
from ._native_process import ProcessTemplate as ProcessTemplate
from ._native_process import WorkerEnd as WorkerEnd
from ._native_process import end_on_hangup as end_on_hangup
from ._native_process import end_with_creator as end_with_creator
from ._native_process import fork as fork
from ._native_process import forked as forked
from ._native_process import is_main_thread as is_main_thread
from ._native_process import lead_group as lead_group
from ._native_process import leave_interpreter as leave_interpreter
from ._native_process import make_handler_stack_roomy as make_handler_stack_roomy
from ._native_process import release_owned as release_owned
from ._native_process import run_process_template as run_process_template
from ._native_process import run_template as run_template
from ._native_process import set_handler as set_handler
from ._native_process import spawn_member_of_group as spawn_member_of_group
from ._native_process import wait_dead as wait_dead
from ._native_process import watch_parent as watch_parent
from ._native_queue import QueueBase as QueueBase
from ._native_queue import QueueHold as QueueHold
from ._native_queue import QueueIterator as QueueIterator
from ._native_queue import SimpleQueueBase as SimpleQueueBase
from ._native_queue import adopt_queue as adopt_queue
from ._native_sync import Atomic as Atomic
from ._native_sync import Barrier as Barrier
from ._native_sync import BoundedSemaphore as BoundedSemaphore
from ._native_sync import Condition as Condition
from ._native_sync import Event as Event
from ._native_sync import Lock as Lock
from ._native_sync import RLock as RLock
from ._native_sync import Semaphore as Semaphore
from ._native_world import Cargo as Cargo
from ._native_world import Collector as Collector
from ._native_world import Memory as Memory
from ._native_world import Synchronized as Synchronized
from ._native_world import adopt_cargo as adopt_cargo
from ._native_world import attach_world as attach_world
from ._native_world import begin_anew as begin_anew
from ._native_world import collect as collect
from ._native_world import collecting as collecting
from ._native_world import home_world as home_world
from ._native_world import known_worlds as known_worlds
from ._native_world import leave as leave
from ._native_world import locate_cargo as locate_cargo
from ._native_world import shares_anything as shares_anything
from ._native_world import stow_buffer as stow_buffer
from ._native_world import sweep as sweep
from ._native_world import trying as trying
from ._native_world import usage as usage
from ._native_world import watch_types as watch_types

_T_co = TypeVar("_T_co", covariant=True)
_Retry: TypeAlias = tuple[int, bool, bool, bool]

__all__ = [
    "AsyncResult",
    "Atomic",
    "Barrier",
    "BoundedSemaphore",
    "Cargo",
    "Collector",
    "Condition",
    "Engine",
    "Event",
    "LaneView",
    "Launches",
    "Lock",
    "Memory",
    "PipeEnd",
    "PipeSeed",
    "ProcessTemplate",
    "QueueBase",
    "QueueHold",
    "QueueIterator",
    "RLock",
    "ResultIterator",
    "Semaphore",
    "SimpleQueueBase",
    "Stream",
    "Synchronized",
    "Task",
    "WorkerEnd",
    "adopt_cargo",
    "adopt_pipe",
    "adopt_queue",
    "attach_world",
    "begin_anew",
    "collect",
    "collecting",
    "copy_fd",
    "core_limits",
    "cpu_count",
    "end_on_hangup",
    "end_with_creator",
    "fork",
    "forked",
    "home_world",
    "interrupt_wanted",
    "is_main_thread",
    "keep_printed",
    "known_worlds",
    "lead_group",
    "leave",
    "leave_interpreter",
    "locate_cargo",
    "make_handler_stack_roomy",
    "mark_again",
    "memory_limits",
    "new_pipe",
    "relatives",
    "release_owned",
    "run_process_template",
    "run_template",
    "run_worker",
    "set_handler",
    "shares_anything",
    "spawn_member_of_group",
    "stacks_signal",
    "stow_buffer",
    "survey",
    "sweep",
    "trying",
    "usage",
    "wait_dead",
    "watch_parent",
    "watch_types",
]

def cpu_count() -> int:
    """How many threads of this process can run at once.

    The lowest of the affinity mask, the CPU quota of every enclosing cgroup (rounded up), and the
    environment variable MANYHANDS_MAX_CPUS.

    Raises:
        ValueError: if MANYHANDS_MAX_CPUS is not a positive integer.
    """

@final
class AsyncResult(Generic[_T_co]):
    """The result of a call that runs on its own: of `apply_async`, `map_async`, `starmap_async`.

    It has the method names of `multiprocessing` and those of `concurrent.futures`, and can be
    awaited. Its value is decoded by whoever asks for it first, and kept.
    """

    @classmethod
    def __class_getitem__(cls, item: Any) -> GenericAlias: ...
    def get(self, timeout: float | None = None) -> _T_co:
        """Return the value, or raise what the task raised.

        Args:
            timeout: seconds to wait; None waits for ever. Giving up does not stop the call.

        Raises:
            manyhands.TimeoutError: the result did not arrive in time.
            concurrent.futures.CancelledError: it was cancelled, or its pool terminated.
        """

    def result(self, timeout: float | None = None) -> _T_co:
        """The same as `get`, under the name of `concurrent.futures`."""

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """What the task raised, or None; waits as `get` does."""

    def wait(self, timeout: float | None = None) -> None:
        """Wait until the result has arrived, at most `timeout` seconds."""

    def ready(self) -> bool:
        """Whether the result has arrived."""

    def done(self) -> bool:
        """The same as `ready`, under the name of `concurrent.futures`."""

    def successful(self) -> bool:
        """Whether the task returned.

        Raises:
            ValueError: the result has not arrived.
        """

    def running(self) -> bool:
        """Whether a worker runs an item of the call now."""

    def cancelled(self) -> bool:
        """Whether the call was cancelled."""

    def cancel(self, *, running: bool = True) -> bool:
        """End the call; whether it is cancelled: False if the result was there before.

        What no worker has begun never runs. What runs is interrupted: the task gets a
        `KeyboardInterrupt`, and 0.3 seconds later its worker is ended, if it has not given up. The
        result is a `CancelledError` at once; items of other calls are not affected.

        Args:
            running: with False, nothing is done once a worker has begun an item of the call.
        """

    def add_done_callback(self, callback: Callable[[AsyncResult[_T_co]], object]) -> None:
        """Call `callback(self)` once the result has arrived.

        It is called in a thread of the package, or at once, in this thread, if the result is there.
        """

    def __await__(self) -> Generator[Any, None, _T_co]: ...
    # For `concurrent.futures.wait` and `as_completed`
    @property
    def _condition(self) -> Any: ...
    @property
    def _state(self) -> str: ...
    @property
    def _waiters(self) -> list[Any]: ...
    # For the threads that run callbacks and show progress
    @property
    def _engine(self) -> Engine:
        """The pool that runs it."""

    @property
    def _number(self) -> int:
        """The call's number among `Engine.completions`."""

    def _announce(self) -> None:
        """Ask the engine to announce the completion among `Engine.completions`."""

    def _take_callbacks(self) -> list[Callable[[Any], object]]:
        """The callbacks that wait; they are handed out once."""

    def _hold(self, callback: Callable[[AsyncResult[_T_co]], object]) -> None:
        """Leave a callback to the thread that runs them, and the result to it until `_release`."""

    def _release(self) -> None:
        """Let everybody have the result."""

    def _peek(self) -> tuple[bool, Any]:
        """Whether the task returned, and what it returned or raised."""

    def _progress(self) -> int | None:
        """How many items have ended so far; None once the outcome is there."""

    def _wait_progress(self, timeout: float) -> None:
        """Wait until something new may be shown, at most `timeout` seconds."""

    def _printed(self) -> list[tuple[str, str, int]]:
        """What workers printed since the last time: 1 or 2 for the stream, and the text."""

@final
class ResultIterator(Generic[_T_co]):
    """Yields results; made by `imap`, `imap_unordered`, `istarmap` and `istarmap_unordered`.

    It pulls its source in the thread that asks for results, a bounded number of items ahead. One
    that is dropped or closed cancels what has not started and closes its source.
    """

    @classmethod
    def __class_getitem__(cls, item: Any) -> GenericAlias: ...
    def __iter__(self) -> Self: ...
    def __next__(self) -> _T_co: ...
    def __aiter__(self) -> AsyncIterator[_T_co]: ...
    def next(self, timeout: float | None = None) -> _T_co:
        """The next result.

        Args:
            timeout: seconds to wait; None waits for ever.

        Raises:
            StopIteration: there are no more results.
            manyhands.TimeoutError: it did not arrive in time; it can be asked for again.
        """

    def close(self) -> None:
        """Cancel what has not started, and close the source. What runs ends unheard."""

    def cancel(self) -> None:
        """As `close`, and end what runs: by a `KeyboardInterrupt`, 0.3 seconds later by force."""

    def __del__(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None: ...
    @property
    def _stream(self) -> Stream: ...

@final
class Stream:
    """What an iteration and its pool share: the pool feeds it to its end when it is joined."""

    def run_all(self) -> None:
        """Feed and run the rest of the source; results wait to be taken."""

    def stop_feeding(self) -> bool:
        """Pull nothing more; whether that leaves an iteration undone that was never advanced."""

    def close_source(self) -> None:
        """Close the source, if it is open."""

    @property
    def exhausted(self) -> bool:
        """Whether the source has been pulled to its end."""

@final
class Task:
    """A function and how to run it over items; made by `Engine.task`."""

@final
class Engine:
    """A pool of worker processes, in bytes: what `Pool` and `Executor` stand on.

    Args:
        workers: how many there are at the start. They wait for `release`.
        cores: threads that can run at once on this machine.
        limits: items after which a worker is replaced; bytes of memory beyond which it is replaced,
            and beyond which it is ended; seconds until its initializer must have returned.
        template: program, arguments and environment of the template; None leaves launching to
            whoever takes the orders of `launches`.
        start: what a new worker is started with.
    """

    def __new__(
        cls,
        workers: tuple[int, int],
        limits: tuple[int | None, int | None, int | None, float | None],
        template: tuple[str, list[str], list[tuple[str, str]]] | None,
        start: bytes,
    ) -> Self: ...
    # Code
    def register(self, data: bytes, met: Collector) -> int:
        """The id of a blob of code: the same for the same bytes; it keeps what was met."""

    def untold_fault(self) -> BaseException | None:
        """Why items were lost of whose results nobody has asked for one; once."""

    def set_initializer(
        self, name: str, codes: list[int], arguments: bytes, met: Collector
    ) -> None:
        """Set what workers do first: load `codes`, call the last one's value with `arguments`."""

    def preload(self, module: str) -> None:
        """Ask the template to import a module."""

    # Calls
    def task(
        self,
        code: tuple[int, list[int], bool],
        name: str,
        shipping: Callable[[], tuple[Any, list[int]]],
        plan: tuple[int, int | None, bool, bool, bool, float | None, _Retry, bytes | None],
        progress: Any,
    ) -> Task:
        """What one call is, apart from its items.

        Args:
            code: the id of the function, the ids of what it needs, and whether that code is this
                task's alone and may be forgotten with it.
            name: what errors call the function.
            shipping: makes a shipper for items that plain pickle cannot do, and the list to which
                it appends the ids that such items need.
            plan: shape, chunk size, whether the first failure ends the call, whether results are
                taken one by one, whether they come in the order of the items, the seconds that an
                item may run, what runs again, and the root of the items' random streams (see
                `_plan`).
            progress: the display of the call, or None.
        """

    def map(self, task: Task, iterable: Iterable[Any], max_bytes: int | None) -> list[Any]:
        """Run all items and return their results."""

    def map_later(self, task: Task, iterable: Iterable[Any]) -> AsyncResult[Any]:
        """Feed all items now and return at once."""

    def iterate(
        self, task: Task, iterable: Iterable[Any], bounds: tuple[int | None, int | None]
    ) -> ResultIterator[Any]:
        """Start a lazy iteration; `bounds` are the items and the bytes that are read ahead."""

    def submit(self, task: Task, value: Any) -> AsyncResult[Any]:
        """Submit one item: `value` as the task's shape wants it."""

    def not_early(self) -> list[str]:
        """Which modules the template has not imported, and why: a sentence for each."""

    def report(
        self,
    ) -> list[tuple[int, int | None, str, tuple[int, int | None] | None, float, int]]:
        """What each worker does: seat, process, a word, what it runs, seconds, items that wait.

        What it runs is the id of the function's code (0: the initializer, or code that it loads)
        and the item's index.
        """

    def ask_stacks(self) -> None:
        """Ask all workers to write the stacks of their threads."""

    def stacks(self) -> list[tuple[int, bytes]]:
        """What each worker has written since then, by seat."""

    def cancel_all(self) -> None:
        """Cancel everything that has not begun."""

    def completions(self) -> list[int]:
        """Wait for announced results to arrive; their numbers. Empty: the pool is over."""

    # Life
    def check(self) -> None:
        """Raise what makes the pool unusable, if anything does."""

    def is_foreign(self) -> bool:
        """Whether this is the copy of a forked child."""

    def close(self) -> None:
        """Accept nothing more; workers end when everything is done."""

    def terminate(self) -> None:
        """End all workers now."""

    def wait_drained(self, timeout: float | None) -> bool:
        """Wait until no item is on its way; whether it came to that."""

    def wait_gone(self, timeout: float | None) -> bool:
        """Wait until no worker is left; whether it came to that."""

    def grow(self, count: int) -> None:
        """Add workers."""

    def shrink(self, count: int) -> None:
        """Let workers go, each after the item that it runs."""

    def pids(self) -> list[tuple[int, int | None]]:
        """Seat and process id of each worker; None until it is launched."""

    # Launching
    def release(self) -> None:
        """Let workers be launched."""

    def set_start(self, start: bytes, given: list[int]) -> None:
        """Replace what new workers are told, and the descriptors that they get copies of."""

    def launches(self) -> Launches:
        """What launches the workers of a pool without a template."""

@final
class Launches:
    """The orders for workers of a pool without a template; it does not keep the pool alive."""

    def next(self, block: bool) -> tuple[Literal["launch", "dead"], int, WorkerEnd | None] | None:
        """The next order; None if there is none, with `block` only at the end of the pool.

        Either ("launch", key, end) or ("dead", key, None).
        """

    def launched(self, key: int, pid: int) -> None:
        """Say that an order was carried out."""

    def launch_failed(self, key: int, message: str) -> None:
        """Say that an order could not be carried out."""

    def reported(self, key: int, exitcode: int | None, peak: int | None) -> None:
        """Say how a worker ended: negative for a signal, None if unknown; and its peak in bytes."""

def run_worker(end: WorkerEnd, soft: int | None, hard: int | None) -> None:
    """Serve the pool until it asks for the end.

    With more than `soft` bytes of memory it is replaced, with more than `hard` it ends at once.
    """

def stacks_signal() -> int:
    """The number of the signal at which a worker writes its stacks into its lane."""

def interrupt_wanted() -> bool:
    """Whether the item that runs is the one that the parent wants to interrupt."""

def mark_again() -> None:
    """Say that what the item that runs is about to raise may be tried again."""

def keep_printed(stream: int, text: bytes, now: bool) -> bool:
    """Take text that a task printed, to be shown above the parent's bar; whether it was taken."""
