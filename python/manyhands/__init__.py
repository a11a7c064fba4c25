"""Every core from one changed import: `import manyhands as mp`.

    import manyhands as mp

    def square(x):
        return x * x

    with mp.Pool() as pool:
        print(pool.map(square, range(10)))

The names, argument order and defaults are those of `multiprocessing`; what is added is
keyword-only. `docs/compatibility.md` lists where the meaning differs on purpose.

Importing this package loads next to nothing; each name is loaded when it is first used.
"""

from __future__ import annotations

import os as _os

from . import _native
from ._native import AsyncResult, ResultIterator, cpu_count
from ._worker import worker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._context import (
        Context,
        get_all_start_methods,
        get_context,
        get_start_method,
        set_start_method,
    )
    from ._executor import Executor
    from ._local import ThreadPool
    from ._pool import Pool
    from .errors import (
        CancelledError,
        InitializerError,
        LaunchError,
        PicklingError,
        ProcessError,
        RemoteError,
        RemoteTraceback,
        TaskExit,
        TimeoutError,  # noqa: A004 - multiprocessing's name
        UnpicklingError,
        WorkerDied,
    )

__version__ = "0.1.0"

__all__ = [
    "AsyncResult",
    "CancelledError",
    "Context",
    "Executor",
    "InitializerError",
    "LaunchError",
    "PicklingError",
    "Pool",
    "ProcessError",
    "RemoteError",
    "RemoteTraceback",
    "ResultIterator",
    "TaskExit",
    "ThreadPool",
    "TimeoutError",
    "UnpicklingError",
    "WorkerDied",
    "cpu_count",
    "get_all_start_methods",
    "get_context",
    "get_start_method",
    "set_start_method",
    "worker",
]

_LAZY = {
    "Context": "_context",
    "get_all_start_methods": "_context",
    "get_context": "_context",
    "get_start_method": "_context",
    "set_start_method": "_context",
    "Executor": "_executor",
    "Pool": "_pool",
    "ThreadPool": "_local",
}

_os.register_at_fork(after_in_child=_native.forked)


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # Not by importlib, whose import takes longer than that of a small module.
    module = __import__(f"{__name__}.{_LAZY.get(name, 'errors')}", fromlist=(name,))
    globals()[name] = value = getattr(module, name)
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
