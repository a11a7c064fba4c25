"""The names of `multiprocessing` that depend on a start method, as methods of a context.

Each is loaded when it is first called, so that a program pays for what it uses.

Refuses: to implement any of them; each stands in the module that `multiprocessing` has it in.
"""

from __future__ import annotations

import sys

from . import process
from ._native import cpu_count

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any, Literal, overload

    from . import connection, errors, queues, synchronize
    from ._executor import Executor
    from ._options import MemoryLimit, Seed
    from ._pool import Pool
    from ._shared_types import MakesArray, MakesRawArray, MakesRawValue, MakesValue
    from .managers import SyncManager


# It waits for the pipe in its queue of results, and reads from that; ours has none.
_PIPED = "concurrent.futures.process"


class Api:
    """What every context offers."""

    cpu_count = staticmethod(cpu_count)
    current_process = staticmethod(process.current_process)
    parent_process = staticmethod(process.parent_process)
    active_children = staticmethod(process.active_children)

    def get_context(self, method: str | None = None) -> Any:
        """A context with a fixed start method."""
        raise NotImplementedError

    @property
    def TimeoutError(self) -> type[errors.TimeoutError]:  # noqa: N802 - multiprocessing's name
        """The exception of a wait that was over too early: `manyhands.TimeoutError`."""
        from .errors import TimeoutError  # noqa: A004 - multiprocessing's name

        return TimeoutError

    @property
    def ProcessError(self) -> type[errors.ProcessError]:  # noqa: N802 - multiprocessing's name
        """The base of what goes wrong between processes: `manyhands.ProcessError`."""
        from .errors import ProcessError

        return ProcessError

    # Locks and the like

    def Lock(self) -> synchronize.Lock:  # noqa: N802 - multiprocessing's name
        """A lock, which one process at a time holds."""
        from .synchronize import Lock

        return Lock(ctx=self.get_context())

    def RLock(self) -> synchronize.RLock:  # noqa: N802 - multiprocessing's name
        """A lock that its holder may take again."""
        from .synchronize import RLock

        return RLock(ctx=self.get_context())

    def Condition(self, lock: Any = None) -> synchronize.Condition:  # noqa: N802 - the same
        """A condition that processes wait for; `lock` is a Lock or RLock, None makes an RLock."""
        from .synchronize import Condition

        return Condition(lock, ctx=self.get_context())

    def Semaphore(self, value: int = 1) -> synchronize.Semaphore:  # noqa: N802 - the same
        """A counter of permits."""
        from .synchronize import Semaphore

        return Semaphore(value, ctx=self.get_context())

    def BoundedSemaphore(self, value: int = 1) -> synchronize.BoundedSemaphore:  # noqa: N802 - the same
        """A semaphore that refuses to give back more permits than it had."""
        from .synchronize import BoundedSemaphore

        return BoundedSemaphore(value, ctx=self.get_context())

    def Event(self) -> synchronize.Event:  # noqa: N802 - multiprocessing's name
        """A flag that processes wait for."""
        from .synchronize import Event

        return Event(ctx=self.get_context())

    def Barrier(  # noqa: N802 - multiprocessing's name
        self,
        parties: int,
        action: Callable[[], object] | None = None,
        timeout: float | None = None,
    ) -> synchronize.Barrier:
        """A place where `parties` processes wait for each other."""
        from .synchronize import Barrier

        return Barrier(parties, action, timeout, ctx=self.get_context())

    # Queues and pipes

    def Queue(self, maxsize: int = 0, *, max_bytes: int | None = None) -> queues.Queue[Any]:  # noqa: N802
        """A queue of objects; `maxsize` items at most if positive, `max_bytes` bytes if given."""
        from .queues import Queue

        return Queue(maxsize, ctx=self.get_context(), max_bytes=max_bytes)

    def JoinableQueue(  # noqa: N802 - multiprocessing's name
        self, maxsize: int = 0, *, max_bytes: int | None = None
    ) -> queues.JoinableQueue[Any]:
        """A queue that counts what has been done of it."""
        from .queues import JoinableQueue

        return JoinableQueue(maxsize, ctx=self.get_context(), max_bytes=max_bytes)

    def SimpleQueue(self) -> queues.SimpleQueue[Any]:  # noqa: N802 - multiprocessing's name
        """A queue without bounds and timeouts."""
        if sys._getframe(1).f_globals.get("__name__") == _PIPED:  # noqa: SLF001 - who asks
            from multiprocessing.queues import SimpleQueue as Piped

            piped: Any = Piped(ctx=self.get_context())
            return piped  # type: ignore[no-any-return]
        from .queues import SimpleQueue

        return SimpleQueue(ctx=self.get_context())

    def Pipe(  # noqa: N802 - multiprocessing's name
        self, duplex: bool = True
    ) -> tuple[connection.Connection, connection.Connection]:
        """Two ends of a connection; without `duplex` the first reads and the second writes."""
        from .connection import Pipe

        return Pipe(duplex)

    # Shared values

    if TYPE_CHECKING:

        @property
        def Value(self) -> MakesValue:  # noqa: N802 - multiprocessing's name
            """A ctypes object in shared memory, with a lock unless `lock` is false."""

        @property
        def Array(self) -> MakesArray:  # noqa: N802 - multiprocessing's name
            """A ctypes array in shared memory, with a lock unless `lock` is false."""

        @property
        def RawValue(self) -> MakesRawValue:  # noqa: N802 - multiprocessing's name
            """A ctypes object in shared memory."""

        @property
        def RawArray(self) -> MakesRawArray:  # noqa: N802 - multiprocessing's name
            """A ctypes array in shared memory."""

    else:

        def Value(self, typecode_or_type: Any, *args: Any, lock: Any = True) -> Any:  # noqa: N802
            """A ctypes object in shared memory, with a lock unless `lock` is false."""
            from .sharedctypes import Value

            return Value(typecode_or_type, *args, lock=lock, ctx=self.get_context())

        def Array(  # noqa: N802 - multiprocessing's name
            self, typecode_or_type: Any, size_or_initializer: Any, *, lock: Any = True
        ) -> Any:
            """A ctypes array in shared memory, with a lock unless `lock` is false."""
            from .sharedctypes import Array

            return Array(typecode_or_type, size_or_initializer, lock=lock, ctx=self.get_context())

        def RawValue(self, typecode_or_type: Any, *args: Any) -> Any:  # noqa: N802 - the same
            """A ctypes object in shared memory."""
            from .sharedctypes import RawValue

            return RawValue(typecode_or_type, *args)

        def RawArray(self, typecode_or_type: Any, size_or_initializer: Any) -> Any:  # noqa: N802
            """A ctypes array in shared memory."""
            from .sharedctypes import RawArray

            return RawArray(typecode_or_type, size_or_initializer)

    if TYPE_CHECKING:

        @overload
        def Atomic(self, value: int | None = None) -> synchronize.Atomic[int]: ...

        @overload
        def Atomic(self, value: float) -> synchronize.Atomic[float]: ...

    def Atomic(self, value: float | None = None) -> synchronize.Atomic[Any]:  # noqa: N802 - as the others
        """A number in shared memory that needs no lock; an `int` or a `float`, as `value` is."""
        from .synchronize import Atomic

        return Atomic(value, ctx=self.get_context())

    # What runs things

    def Manager(self) -> SyncManager:  # noqa: N802 - multiprocessing's name
        """A server process for shared objects, which are reached through proxies."""
        from .managers import SyncManager

        manager = SyncManager(ctx=self.get_context())
        manager.start()
        return manager

    def Pool(  # noqa: N802 - multiprocessing's name
        self,
        processes: int | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: Iterable[Any] = (),
        maxtasksperchild: int | None = None,
        *,
        env: Mapping[str, str] | None = None,
        preload: Sequence[str] = (),
        exit: Literal["wait", "terminate"] = "wait",  # noqa: A002 - the option's name
        threads_per_worker: int | None = None,
        seed: Seed = None,
        logs: bool = True,
        max_memory_per_child: MemoryLimit = None,
        initializer_timeout: float | None = None,
    ) -> Pool:
        """A `manyhands.Pool` whose workers start by this method."""
        from ._pool import Pool

        return Pool(
            processes,
            initializer,
            initargs,
            maxtasksperchild,
            self.get_context(),
            env=env,
            preload=preload,
            exit=exit,
            threads_per_worker=threads_per_worker,
            seed=seed,
            logs=logs,
            max_memory_per_child=max_memory_per_child,
            initializer_timeout=initializer_timeout,
        )

    def Executor(  # noqa: N802 - the class's name, as Pool's
        self,
        max_workers: int | None = None,
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
    ) -> Executor:
        """A `manyhands.Executor` whose workers start by this method."""
        from ._executor import Executor

        return Executor(
            max_workers,
            self.get_context(),
            initializer,
            initargs,
            max_tasks_per_child=max_tasks_per_child,
            env=env,
            preload=preload,
            threads_per_worker=threads_per_worker,
            logs=logs,
            max_memory_per_child=max_memory_per_child,
            initializer_timeout=initializer_timeout,
        )

    # Loggers and settings: the standard library's

    def freeze_support(self) -> None:
        """Be the child, in a frozen program that was started again as one.

        To be called first of all beneath `if __name__ == "__main__":` in a frozen program that uses
        `spawn` or `forkserver`. It does not return in a child, and does nothing elsewhere.
        """
        from manyhands._frozen import be_a_child

        be_a_child()

    def get_logger(self) -> Any:
        """The logger of `multiprocessing`, which ours is too."""
        from multiprocessing.util import get_logger

        return get_logger()

    def log_to_stderr(self, level: Any = None) -> Any:
        """Print what is logged to standard error, from `level` on; the logger."""
        from multiprocessing.util import log_to_stderr

        return log_to_stderr(level)

    def allow_connection_pickling(self) -> None:
        """Let connections and sockets be sent to other processes."""
        import multiprocessing.connection
        import multiprocessing.reduction  # noqa: F401 - loaded, they have registered how

    def set_executable(self, executable: Any) -> None:
        """Set the interpreter that `spawn`, `forkserver` and `template` execute, by its path."""
        from multiprocessing.spawn import set_executable

        set_executable(executable)

    def set_forkserver_preload(
        self, module_names: list[str], *, on_error: Literal["ignore", "warn", "fail"] = "ignore"
    ) -> None:
        """Name the modules that the fork server imports.

        Args:
            module_names: their full names.
            on_error: what to do about one that cannot be imported: nothing, an `ImportWarning`, or
                an `ImportError`. Before Python 3.15 it is looked for here and now, not imported.
        """
        from ._preload import set_preload

        set_preload(module_names, on_error)
