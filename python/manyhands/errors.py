"""The exceptions of manyhands: which item, which function, which worker, and what to do.

Each class also derives from the class that a program written for `multiprocessing` or
`concurrent.futures` already catches, so `except BrokenProcessPool`, `except TimeoutError` and
`except multiprocessing.ProcessError` go on working. A task's own exception is never replaced by
one of these as long as it can be rebuilt in the parent.

This is the only module of the package that imports `multiprocessing` and `concurrent.futures`; it
is loaded when the first of its names is needed, never by `import manyhands`.

It refuses to decide anything: it holds facts and words them.
"""

from __future__ import annotations

import builtins
import concurrent.futures
import concurrent.futures.process
import multiprocessing
import pickle
import signal as signals
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "CancelledError",
    "InitializerError",
    "LargeArgumentWarning",
    "LargeGlobalWarning",
    "LaunchError",
    "MemoryLimitExceeded",
    "OwnerDied",
    "OwnerDiedWarning",
    "PicklingError",
    "ProcessError",
    "RemoteError",
    "RemoteTraceback",
    "TaskExit",
    "TaskTimeout",
    "TimeoutError",
    "UnpicklingError",
    "WorkerDied",
]

CancelledError = concurrent.futures.CancelledError


class ProcessError(multiprocessing.ProcessError):
    """The base of what goes wrong between processes; a `multiprocessing.ProcessError` too."""


class TimeoutError(  # noqa: A001 (the name is multiprocessing's)
    ProcessError, builtins.TimeoutError, multiprocessing.TimeoutError
):
    """A wait ended before what it waited for happened.

    It is the built-in `TimeoutError` (which is also `concurrent.futures`' and `asyncio`'s) and
    `multiprocessing.TimeoutError`. What was waited for goes on: ask again.
    """


class _Record(Exception):
    """An exception whose facts are keyword-only attributes, and whose text is made from them.

    A subclass lists its facts in `_facts`; each becomes an attribute (None when not given) and
    travels through pickle by name. A text that stands first is taken instead: programs make the
    classes that these derive from with one, and make an exception again from its `args`.
    """

    _facts: tuple[str, ...] = ()

    def __init__(self, *text: object, **facts: Any) -> None:
        unknown = facts.keys() - set(self._facts)
        if unknown:
            msg = f"{type(self).__name__} has no {', '.join(sorted(unknown))}"
            raise TypeError(msg)
        for name in self._facts:
            setattr(self, name, facts.get(name))
        super().__init__(*(text or (self._text(),)))

    def _text(self) -> str:
        raise NotImplementedError

    def __reduce__(self) -> tuple[Any, ...]:
        facts = {name: getattr(self, name) for name in self._facts}
        rest = {name: value for name, value in vars(self).items() if name not in facts}
        return _rebuild, (type(self), facts, self.args), rest


def _rebuild(kind: type[_Record], facts: dict[str, Any], text: tuple[object, ...]) -> _Record:
    return kind(*text, **facts)


class WorkerDied(_Record, concurrent.futures.process.BrokenProcessPool, ProcessError):
    """The worker that ran an item ended before the item did.

    Only that item is lost; the other items go on and the worker is replaced. Nothing is run a
    second time.

    All arguments are keyword-only and may be None when not known:

    - `index`: position of the item in its call, from 0
    - `signal`: number of the signal that ended the worker
    - `exitcode`: the worker's exit status when no signal ended it
    - `pid`, `worker`: process id and the pool's number of the worker
    - `function`: name of the function that ran
    - `out_of_memory`: whether the kernel ended it because memory was short, by the counter of its
      control group
    - `peak_memory`: the most memory that it had, in bytes (its resident set)
    - `stacks`: the Python stacks of its threads, as text, if it crashed in native code
    - `detail`: one more sentence, for causes that only the pool can tell

    >>> error = WorkerDied(index=3, signal=11, worker=0, pid=4242, function="resize")
    >>> error.signal
    11
    """

    _facts: tuple[str, ...] = (
        "index",
        "signal",
        "exitcode",
        "pid",
        "worker",
        "function",
        "out_of_memory",
        "peak_memory",
        "stacks",
        "detail",
    )

    index: int | None
    signal: int | None
    exitcode: int | None
    pid: int | None
    worker: int | None
    function: str | None
    out_of_memory: bool | None
    peak_memory: int | None
    stacks: str | None
    detail: str | None

    def _text(self) -> str:
        item = "an item" if self.index is None else f"item {self.index}"
        of = f" of {self.function}" if self.function else ""
        parts = [f"{_worker(self.worker, self.pid)} {self._end()} while it ran {item}{of}."]
        parts.extend(text for text in (self.detail, self._advice(), _peak(self)) if text)
        parts.append("This item is lost; the other items are not affected.")
        return " ".join(parts)

    def _end(self) -> str:
        if self.signal is not None:
            return f"was ended by {_signal_name(self.signal)}"
        if self.exitcode is not None:
            return f"exited with status {self.exitcode}"
        return "ended"

    def _advice(self) -> str:
        if self.out_of_memory:
            return "The kernel was short of memory and chose it: " + _LESS_MEMORY
        if self.signal == signals.SIGKILL and self.out_of_memory is None:
            return (
                "When nobody sent that signal it was the kernel, short of memory: " + _LESS_MEMORY
            )
        if self.signal in _CRASHES:
            where = "" if self.stacks is None else f"; it was there:\n{self.stacks.rstrip()}\n"
            return f"That is a crash in native code{where or '.'}"
        if self.signal is None and self.exitcode is not None:
            return "Something in the task called os._exit or ended the interpreter."
        return ""


class MemoryLimitExceeded(WorkerDied, MemoryError):
    """The worker that ran an item had more memory than the pool's hard limit, and was ended.

    A `WorkerDied` and a `MemoryError`. Besides the facts of the former, keyword-only: `used`, the
    memory that the worker had for itself, and `limit`, both in bytes.

    >>> error = MemoryLimitExceeded(index=3, used=3 * 2**30, limit=2**30, function="resize")
    >>> error.limit
    1073741824
    """

    _facts: tuple[str, ...] = (*WorkerDied._facts, "used", "limit")  # noqa: SLF001 - its own base

    used: int | None
    limit: int | None

    def _end(self) -> str:
        return f"was ended because it had {_mebibytes(self.used)} of memory"

    def _advice(self) -> str:
        return (
            f"The pool allows {_mebibytes(self.limit)} (max_memory_per_child): allow more, or let "
            "one item need less."
        )


def _mebibytes(count: int | None) -> str:
    return "too much" if count is None else f"{count / 2**20:.0f} MiB"


_LESS_MEMORY = "use fewer workers or smaller items."


def _peak(error: WorkerDied) -> str:
    if (
        not error.peak_memory
        or isinstance(error, MemoryLimitExceeded)
        or error.signal != signals.SIGKILL
    ):
        return ""
    return f"It had {_mebibytes(error.peak_memory)} of memory at most."


_CRASHES = frozenset(
    {signals.SIGSEGV, signals.SIGBUS, signals.SIGFPE, signals.SIGILL, signals.SIGABRT}
)


class TaskTimeout(_Record, TimeoutError):
    """An item ran longer than the `timeout` of its call.

    Only that item fails. The task was interrupted (it gets a `KeyboardInterrupt`), and its worker
    was ended if it had not given up 0.3 seconds later; what waited behind it was run by others. It
    is a `TimeoutError` of every kind; unlike that of `get(timeout)` it is the item's end, so there
    is nothing to wait for any more.

    All arguments are keyword-only and may be None when not known:

    - `index`: position of the item in its call, from 0
    - `timeout`: seconds that it was allowed to run
    - `seconds`: seconds that it ran, with the time that it took to end it
    - `stacks`: what the threads of its worker were doing when the time was up, as text of
      `faulthandler`, even if they were stuck in C or ignored signals
    - `killed`: whether the worker had to be ended
    - `function`: name of the function that ran
    - `pid`, `worker`: process id and the pool's number of the worker

    What the task raised when it was interrupted is the `__cause__`.

    >>> TaskTimeout(index=3, timeout=1.5, seconds=1.8, function="fetch").timeout
    1.5
    """

    _facts = (
        "index", "timeout", "seconds", "stacks", "killed", "function", "pid", "worker",
    )  # fmt: skip

    index: int | None
    timeout: float | None
    seconds: float | None
    stacks: str | None
    killed: bool | None
    function: str | None
    pid: int | None
    worker: int | None

    def _text(self) -> str:
        item = "an item" if self.index is None else f"item {self.index}"
        of = f" of {self.function}" if self.function else ""
        limit = "" if self.timeout is None else f" of {self.timeout:g} s"
        spent = "" if self.seconds is None else f" for {self.seconds:.3g} s,"
        end = "was ended" if self.killed else "was interrupted and goes on"
        parts = [
            f"{item}{of} ran{spent} longer than its timeout{limit}.",
            f"{_worker(self.worker, self.pid).capitalize()} {end}.",
            "The other items are not affected.",
        ]
        if self.stacks:
            parts.append(f"What it was doing:\n{self.stacks.rstrip()}")
        return " ".join(parts)


class InitializerError(_Record, concurrent.futures.process.BrokenProcessPool, ProcessError):
    """The pool's initializer failed, so the pool cannot run anything.

    What the initializer raised is the `__cause__`; when it died instead, `signal` or `exitcode`
    tell how; when it had not returned in time, `timeout` says how many seconds it had. Arguments
    are keyword-only and may be None: `function` (the initializer's name), `worker`, `pid`,
    `signal`, `exitcode`, `timeout`, `stacks` (what its threads were doing then, or when it
    crashed, as text), `detail` (one more sentence).

    >>> InitializerError(function="load_model", exitcode=1).exitcode
    1
    """

    _facts = (
        "function", "worker", "pid", "signal", "exitcode", "timeout", "stacks", "detail",
    )  # fmt: skip

    function: str | None
    worker: int | None
    pid: int | None
    signal: int | None
    exitcode: int | None
    timeout: float | None
    stacks: str | None
    detail: str | None

    def _text(self) -> str:
        name = f"the initializer {self.function}" if self.function else "the initializer"
        parts = [f"{name} {self._end()} in {_worker(self.worker, self.pid)}."]
        if self.detail:
            parts.append(self.detail)
        parts.append(
            "The pool is closed: a worker that starts again would fail again. To see the error "
            "alone, call the initializer as a Process(target=...), or in a new interpreter."
        )
        if self.stacks:
            parts.append(f"What it was doing:\n{self.stacks.rstrip()}")
        return " ".join(parts)

    def _end(self) -> str:
        if self.signal is not None:
            return f"was ended by {_signal_name(self.signal)}"
        if self.exitcode is not None:
            return f"exited with status {self.exitcode}"
        if self.timeout is not None:
            return f"had not returned within {self.timeout:g} s (initializer_timeout)"
        return "failed"


class LaunchError(_Record, concurrent.futures.process.BrokenProcessPool, ProcessError):
    """The pool can get no workers: processes cannot be started, again and again.

    `detail` (keyword-only) says what went wrong the last time.

    >>> str(LaunchError(detail="fork failed.")).startswith("no worker can be started")
    True
    """

    _facts = ("detail",)

    detail: str | None

    def _text(self) -> str:
        why = f": {self.detail}" if self.detail else "."
        return (
            f"no worker can be started{why} The pool is closed: look at limits of processes, files "
            "and memory, and at what ends processes of this program."
        )


class PicklingError(pickle.PicklingError):
    """A value or a function cannot be sent to another process.

    `path` says where the offending value sits (`argument[2].handler`), `type_name` what it is;
    both are None when not known. What pickle said is the `__cause__`.
    """

    def __init__(
        self, message: str = "", *, path: str | None = None, type_name: str | None = None
    ) -> None:
        super().__init__(message)
        self.path = path
        self.type_name = type_name

    def __reduce__(self) -> tuple[Any, ...]:
        # A class made by `pickling_error` is found by what it adds; `UnpicklingError` by itself.
        kind = type(self)
        also = kind.__bases__[1] if kind.__dict__.get("_made") else None
        home = PicklingError if also else kind
        return _rebuild_pickling, (home, also, self.args), dict(vars(self))


def pickling_error(cause: BaseException) -> type[PicklingError]:
    """`PicklingError`, which is of the kind of its cause too if that is a common one.

    `multiprocessing` raises what an object's own code raised, and programs catch that.
    """
    also = next((kind for kind in _COMMON if isinstance(cause, kind)), None)
    return PicklingError if also is None else _made_also(also)


_COMMON = (RuntimeError, TypeError, ValueError, AttributeError)
_also: dict[type[Exception], type[PicklingError]] = {}


def _made_also(kind: type[Exception]) -> type[PicklingError]:
    if kind not in _also:
        body = {"__module__": __name__, "__doc__": PicklingError.__doc__, "_made": True}
        _also[kind] = type("PicklingError", (PicklingError, kind), body)
    return _also[kind]


def _rebuild_pickling(
    home: type[PicklingError], also: type[Exception] | None, args: tuple[Any, ...]
) -> PicklingError:
    return (home if also is None else _made_also(also))(*args)


class UnpicklingError(pickle.UnpicklingError, PicklingError):
    """Bytes from another process could not be turned back into a value here.

    Only the call that asked for the value fails. `type_name` is the type that the bytes announce;
    what the decoding raised is the `__cause__`. A `PicklingError` too, so that one `except`
    covers both directions.
    """


class RemoteTraceback(Exception):
    """The traceback of a worker, as text: the `__cause__` of an exception that came from there.

    It has no traceback of its own; printing the exception prints this text first.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    @property
    def tb(self) -> str:
        """The text, by the name that it has in `multiprocessing`."""
        return self.text

    def __str__(self) -> str:
        return f'\n"""\n{self.text}"""'


class TaskExit(ProcessError, RuntimeError):
    """A task raised something that would have steered the parent's own control flow.

    `SystemExit`, `KeyboardInterrupt`, `GeneratorExit` and every other exception that does not
    derive from `Exception` would end the parent, or be taken for the user's Ctrl-C;
    `StopIteration` and `StopAsyncIteration` would silently end the loop over the results.
    They arrive as this, with the original as `__cause__`.

    >>> try:
    ...     raise TaskExit("SystemExit(3)") from SystemExit(3)
    ... except TaskExit as error:
    ...     error.__cause__.code
    3
    """


class RemoteError(_Record, ProcessError):
    """Stands for an exception of a worker that could not be rebuilt in the parent.

    `type_name`, `message` and `arguments` (a list of texts) are what the exception said there,
    `traceback` is the worker's text; `reason` says why the exception itself is not here.
    """

    _facts = ("type_name", "message", "arguments", "traceback", "reason")

    type_name: str | None
    message: str | None
    arguments: Sequence[str] | None
    traceback: str | None
    reason: str | None

    def _text(self) -> str:
        what = f"{self.type_name}: {self.message}" if self.message else f"{self.type_name}"
        why = f" ({self.reason})" if self.reason else ""
        return f"{what} [this exception of a worker could not be rebuilt here{why}]"


class LargeArgumentWarning(RuntimeWarning):
    """The same large object is an argument of item after item, and copied for each."""


class LargeGlobalWarning(RuntimeWarning):
    """A function drags more than 16 MB of global data to every worker."""


class OwnerDied(ProcessError):
    """The process that held a lock has died: what the lock protects may be half done.

    Raised where the lock was made with `on_death="raise"`; the lock has not been taken.
    """


class OwnerDiedWarning(RuntimeWarning):
    """The process that held a lock, which has been taken now, has died."""


def _worker(number: int | None, pid: int | None) -> str:
    name = "a worker" if number is None else f"worker {number}"
    return name if pid is None else f"{name} (pid {pid})"


def _signal_name(number: int) -> str:
    try:
        return f"signal {number} ({signals.Signals(number).name})"
    except ValueError:
        return f"signal {number}"
