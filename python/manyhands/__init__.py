"""Every core from one changed import: `import manyhands as mp`.

    import manyhands as mp

    def square(x):
        return x * x

    with mp.Pool() as pool:
        print(pool.map(square, range(10)))

The names, argument order and defaults are those of `multiprocessing`; what is added is
keyword-only. `docs/compatibility.md` lists where the meaning differs on purpose.

Importing this package loads next to nothing; each name is loaded when it is first used. Names come
from four places: the engine, modules of ours, the default context, whose methods they are, and, as
submodules, the modules that `multiprocessing` has too.
"""

from __future__ import annotations

import os as _os

from . import _half_imported, _native
from ._native import AsyncResult, ResultIterator, cpu_count
from ._worker import worker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

    from . import connection as connection
    from . import context as context
    from . import managers as managers
    from . import pool as pool
    from . import process as process
    from . import queues as queues
    from . import reduction as reducer
    from . import reduction as reduction
    from . import shared_memory as shared_memory
    from . import sharedctypes as sharedctypes
    from . import synchronize as synchronize
    from ._arrays import copy, empty, share, zeros
    from ._executor import Executor
    from ._local import ThreadPool
    from ._pool import Pool
    from ._seeds import item_seed, rng
    from .context import (
        AuthenticationError,
        BufferTooShort,
        Context,
        DefaultContext,
        ForkContext,
        ForkServerContext,
        Process,
        SpawnContext,
        TemplateContext,
        _default_context,
    )
    from .errors import (
        CancelledError,
        InitializerError,
        LaunchError,
        MemoryLimitExceeded,
        OwnerDied,
        OwnerDiedWarning,
        PicklingError,
        ProcessError,
        RemoteError,
        RemoteTraceback,
        TaskExit,
        TaskTimeout,
        TimeoutError,  # noqa: A004 - multiprocessing's name
        UnpicklingError,
        WorkerDied,
    )
    from .process import active_children, current_process, parent_process

    Array = _default_context.Array
    Atomic = _default_context.Atomic
    Barrier = _default_context.Barrier
    BoundedSemaphore = _default_context.BoundedSemaphore
    Condition = _default_context.Condition
    Event = _default_context.Event
    JoinableQueue = _default_context.JoinableQueue
    Lock = _default_context.Lock
    Manager = _default_context.Manager
    Pipe = _default_context.Pipe
    Queue = _default_context.Queue
    RLock = _default_context.RLock
    RawArray = _default_context.RawArray
    RawValue = _default_context.RawValue
    Semaphore = _default_context.Semaphore
    SimpleQueue = _default_context.SimpleQueue
    Value = _default_context.Value
    allow_connection_pickling = _default_context.allow_connection_pickling
    freeze_support = _default_context.freeze_support
    get_all_start_methods = _default_context.get_all_start_methods
    get_context = _default_context.get_context
    get_logger = _default_context.get_logger
    get_start_method = _default_context.get_start_method
    log_to_stderr = _default_context.log_to_stderr
    set_executable = _default_context.set_executable
    set_forkserver_preload = _default_context.set_forkserver_preload
    set_start_method = _default_context.set_start_method

__version__ = "0.1.0"

SUBDEBUG = 5
SUBWARNING = 25

__all__ = [
    "Array",
    "AsyncResult",
    "Atomic",
    "AuthenticationError",
    "Barrier",
    "BoundedSemaphore",
    "BufferTooShort",
    "CancelledError",
    "Condition",
    "Context",
    "DefaultContext",
    "Event",
    "Executor",
    "ForkContext",
    "ForkServerContext",
    "InitializerError",
    "JoinableQueue",
    "LaunchError",
    "Lock",
    "Manager",
    "MemoryLimitExceeded",
    "OwnerDied",
    "OwnerDiedWarning",
    "PicklingError",
    "Pipe",
    "Pool",
    "Process",
    "ProcessError",
    "Queue",
    "RLock",
    "RawArray",
    "RawValue",
    "RemoteError",
    "RemoteTraceback",
    "ResultIterator",
    "Semaphore",
    "SimpleQueue",
    "SpawnContext",
    "TaskExit",
    "TaskTimeout",
    "TemplateContext",
    "ThreadPool",
    "TimeoutError",
    "UnpicklingError",
    "Value",
    "WorkerDied",
    "active_children",
    "allow_connection_pickling",
    "copy",
    "cpu_count",
    "current_process",
    "empty",
    "freeze_support",
    "get_all_start_methods",
    "get_context",
    "get_logger",
    "get_start_method",
    "item_seed",
    "log_to_stderr",
    "parent_process",
    "reducer",
    "rng",
    "set_executable",
    "set_forkserver_preload",
    "set_start_method",
    "share",
    "worker",
    "zeros",
]

_CONTEXT = (
    "AuthenticationError BufferTooShort Context DefaultContext ForkContext ForkServerContext "
    "Process SpawnContext TemplateContext"
)
_HOMES = {
    **dict.fromkeys(_CONTEXT.split(), "context"),
    **dict.fromkeys(("active_children", "current_process", "parent_process"), "process"),
    **dict.fromkeys(("copy", "empty", "share", "zeros"), "_arrays"),
    "Executor": "_executor",
    "Pool": "_pool",
    "item_seed": "_seeds",
    "rng": "_seeds",
    "ThreadPool": "_local",
}
_ERRORS = (
    "CancelledError InitializerError LaunchError MemoryLimitExceeded OwnerDied OwnerDiedWarning "
    "PicklingError ProcessError RemoteError RemoteTraceback TaskExit TaskTimeout TimeoutError "
    "UnpicklingError WorkerDied"
)
_HOMES.update(dict.fromkeys(_ERRORS.split(), "errors"))
_MODULES = frozenset(
    {
        "connection",
        "context",
        "managers",
        "pool",
        "process",
        "queues",
        "reduction",
        "shared_memory",
        "sharedctypes",
        "synchronize",
    }
)

# In this order: what comes later may import.
_os.register_at_fork(after_in_child=_native.forked)
_os.register_at_fork(after_in_child=_half_imported.forget)


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return _load(name)
    if name == "reducer":
        value: Any = _load("reduction")
    elif name in _HOMES:
        value = getattr(_load(_HOMES[name]), name)
    elif name in __all__:
        value = getattr(_load("context")._default_context, name)  # noqa: SLF001 - our own
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def _load(module: str) -> ModuleType:
    # Not by importlib, whose import takes longer than that of a small module.
    return __import__(f"{__name__}.{module}", fromlist=("",))


def __dir__() -> list[str]:
    return sorted([*__all__, *_MODULES, "SUBDEBUG", "SUBWARNING", "__version__"])
