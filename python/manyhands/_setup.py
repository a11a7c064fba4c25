"""Between a `Pool` and the engine: how workers start, how functions become tasks, what ends when.

A `Crew` is what `Pool` and `Executor` share: the engine, the code that was shipped, the iterators
that are still fed.

Refuses: to be called by users; every check of arguments has been made before.
"""

from __future__ import annotations

import atexit
import sys
from _weakref import ref

from . import (
    _cargo,
    _code,
    _default,
    _early,
    _identity,
    _loading,
    _logs,
    _neighbours,
    _pickling,
    _search_path,
    _snapshot,
    _stacks,
)
from ._again import NO_LIMITS
from ._genuine import RLock
from ._native import Collector, Engine, Task, cpu_count, leave_interpreter
from ._options import HUGE, OptionError, at_least_one, check_method, check_total
from ._plan import STAR, Plan
from ._threads import join_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any

    from ._again import Limits
    from ._codebook import Plan as Watch
    from ._doctor import Diagnosis
    from ._native import Stream
    from ._options import Progress


_MOST_WORKERS = 4096
_MOST_NAMES = 1000

_crews: set[ref[Crew]] = set()
_registered = False


class Options:
    """How the workers of a pool are made."""

    def __init__(self, processes: int | None, max_tasks: int | None, context: Any) -> None:
        self.cores = cpu_count()
        self.workers = self.cores if processes is None else _count_of_workers(processes)
        if self.workers > _MOST_WORKERS:
            raise ValueError(f"processes must be at most {_MOST_WORKERS}, not {self.workers}")
        if max_tasks is not None:
            max_tasks = min(at_least_one("maxtasksperchild", max_tasks), HUGE)
        self.max_tasks = max_tasks
        self.method, self.context = _method(context)
        self._env: dict[str, str] = {}
        self._threads = 1
        self.preload: tuple[str, ...] = ()
        # Bytes of memory beyond which a worker is replaced, and beyond which it is ended.
        self.memory: tuple[int | None, int | None] = (None, None)
        # Seconds until the initializer of a worker must have returned.
        self.initializer_timeout: float | None = None
        # Whether what workers log goes to the parent's handlers.
        self.logs = True

    def environment(
        self, env: Mapping[str, str] | None, threads: int | None, preload: Sequence[str]
    ) -> None:
        """Set what the workers' environment is, and what their template imports."""
        if isinstance(preload, str):
            raise TypeError(f"preload must be a list of module names: use [{preload!r}]")
        if threads is not None:
            at_least_one("threads_per_worker", threads)
        self._env = _snapshot.checked(env)
        self._threads = threads or max(1, self.cores // self.workers)
        try:
            self.preload = tuple(preload)
        except TypeError:
            text = f"preload must be a list of module names, not {preload!r}"
            raise TypeError(text) from None
        for module in self.preload:
            _check_module(module)

    def inherits(self) -> bool:
        """Whether workers inherit the objects of this process."""
        method = getattr(self.context, "get_start_method", None)
        return self.method == "fork" or (method is not None and method() == "fork")

    def environ(self) -> dict[str, str]:
        """The environment of a worker that starts now."""
        return _snapshot.worker_environment(self._env, self._threads)


def _count_of_workers(processes: Any) -> int:
    try:
        return at_least_one("processes", processes)
    except OptionError:
        raise
    except ValueError as error:
        hint = "Pool(processes=0), with the name, runs everything in the caller, for debugging"
        raise ValueError(f"{error}: {hint}") from None


def _method(context: Any) -> tuple[str, Any]:
    """The start method, and the context whose `Process` starts the workers, if one does."""
    if context is None:
        context = _default.method()
    if context is None:
        return "template", None
    method = getattr(context, "method", context)
    if not isinstance(method, str):
        if not hasattr(context, "Process"):
            raise TypeError(f"context must be a start method or a context, not {context!r}")
        return "context", context
    check_method(method)
    if method in ("template", "fork"):
        return method, None
    import multiprocessing

    from ._executable import interpreter

    interpreter()
    return method, multiprocessing.get_context(method)


def _check_module(name: Any) -> None:
    """Raise if it is no name; whether it can be imported shows in the workers."""
    if not isinstance(name, str):
        raise TypeError(f"preload must be a list of module names: {name!r} is none")


class Shipping:
    """Makes shippers for one engine; calls hold this, not the crew, so that a dropped pool goes."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        # What functions are called, by the ids of their code: for reports.
        self.names: dict[int, str] = {}
        self._book = _code.Codebook()
        self.inherited: dict[str, Any] = {}

    def __call__(self) -> tuple[_code.Shipper, list[int]]:
        """A shipper for one call, and the list to which it appends what workers need."""
        required: list[int] = []
        shipper = _code.Shipper(
            self._register, required.append, codebook=self._book, inherited=self.inherited
        )
        return shipper, required

    def watch(self, func: Any) -> Watch | None:
        """What tells that a global of `__main__` is as it was shipped; None if nothing can."""
        return None if _code.is_reference(func) else self._book.plans.get(func)

    def is_current(self, func: Any, watch: Watch) -> bool:
        """Whether what was shipped for a function is what would be shipped now."""
        return self._book.plans.get(func) is watch and watch.holds()

    def note_name(self, number: int, name: str) -> None:
        """Remember what a function is called; the oldest names are forgotten."""
        self.names[number] = name
        if len(self.names) > _MOST_NAMES:
            del self.names[next(iter(self.names))]

    def _register(self, data: bytes, name: str, met: Collector) -> int:  # noqa: ARG002 - the shipper's signature
        return self._engine.register(data, met)


class Crew:
    """An engine with its workers, and what the parent knows of their code."""

    def __init__(
        self, options: Options, initializer: Callable[..., object] | None, initargs: tuple[Any, ...]
    ) -> None:
        if initializer is not None and not callable(initializer):
            raise TypeError(f"initializer must be callable, not {initializer!r}")
        if options.method != "fork":
            _loading.refuse("a pool")
        self._options = options
        self._homes: set[Any] = set()
        self._imported: set[str] = set()
        self._released = self._terminated = False
        self._parcel = _neighbours.Parcel(inherited=options.inherits())
        self._singles: dict[Any, tuple[Any, Task, Watch | None]] = {}
        self._streams: dict[int, Stream] = {}
        # Reentrant, as all locks that a handler of signals may meet: it may end the pool.
        self._lock = RLock()
        self._environ = environ = options.environ()
        self._path = _search_path.fixed()
        _stacks.offer()
        by_template = options.method == "template"
        # The template's workers are told at the first call.
        snapshot = self._snapshot(None if by_template else self._logs())
        self.engine = Engine(
            (options.workers, options.cores),
            (options.max_tasks, *options.memory, options.initializer_timeout),
            _template_command(environ, self._path) if by_template else None,
            snapshot,
        )
        self._shipping = Shipping(self.engine)
        _remember(self)
        try:
            self._start(initializer, initargs, snapshot, by_template=by_template)
        except BaseException:
            self.engine.terminate()
            raise

    def _start(
        self,
        initializer: Callable[..., object] | None,
        initargs: tuple[Any, ...],
        snapshot: bytes,
        *,
        by_template: bool,
    ) -> None:
        if by_template:
            # Any module starts the template now, beside what the program does before a first call.
            self.engine.preload("manyhands")
        for module in self._options.preload:
            self.engine.preload(module)
        if self._options.method == "fork":
            self._shipping.inherited = dict(sys.modules["__main__"].__dict__)
        if initializer is not None:
            self._set_initializer(initializer, initargs)
        if by_template:
            if initializer is not None:
                self._release()
            return
        from . import _start

        context, environ = self._options.context, self._options.environ()
        by_fork = context is None
        parcel = self._parcel
        launch: Any = _start.ForkLauncher(parcel)
        if not by_fork:
            launch = _start.ContextLauncher(context, environ, parcel)
        self.engine.release()
        _start.LaunchThread(self.engine.launches(), launch, snapshot).start()

    def _set_initializer(
        self, initializer: Callable[..., object], initargs: tuple[Any, ...]
    ) -> None:
        with self._parcel, Collector(cargo=True) as met:
            shipper, required = self._shipping()
            number = shipper.function(initializer)
            arguments = shipper.dumps(initargs, "initargs")
        arguments = _cargo.pack(arguments, met, _pickling.loads_cargo)
        self._parcel.keep(initargs, arguments)
        self._import_early(initializer, shipper.modules)
        name = _code.describe(initializer)
        self.engine.set_initializer(name, [*required, number], arguments, met)

    # Functions become tasks

    def task(self, func: Callable[..., Any], plan: Plan, display: Any = None) -> Task:
        """What the engine runs: the function, shipped, and how to run it."""
        if not callable(func):
            raise TypeError(f"the first argument must be callable, not {func!r}")
        shipper, required = self._shipping()
        number = shipper.function(plan.limits.around(func))
        self._import_early(func, shipper.modules)
        code = (number, required, shipper.root == number)
        name = _code.describe(func)
        self._shipping.note_name(number, name)
        return self.engine.task(code, name, self._shipping, plan.engine_plan, display)

    def single(
        self, func: Callable[..., Any], limits: Limits = NO_LIMITS, root: bytes | None = None
    ) -> Task:
        """The task of `apply` without keywords: kept while the code is seen to be the same."""
        if root is not None:
            return self.task(func, Plan(STAR, limits=limits, root=root))
        key = id(func) if limits is NO_LIMITS else (id(func), limits.key)
        kept = self._singles.get(key)
        if kept is not None and kept[0] is func:
            watch = kept[2]
            if watch is None or self._shipping.is_current(func, watch):
                return kept[1]
        task = self.task(func, Plan(STAR, limits=limits))
        watch = self._shipping.watch(func) if limits.around(func) is func else None
        if watch is not None or _code.is_reference(func):
            if len(self._singles) >= _MOST_NAMES:
                self._singles.clear()
            self._singles[key] = (func, task, watch)
        return task

    def _import_early(self, func: Callable[..., Any], mentioned: Iterable[str]) -> None:
        """Let the template import what the function refers to: workers are born with it."""
        home = getattr(func, "__module__", None)
        if self._options.method != "template":
            return
        if home in self._homes and not mentioned and self._released:
            return
        self._homes.add(home)
        new = [name for name in _early.modules([func], mentioned) if name not in self._imported]
        # What the template imports sees the environment in which the template was started, and
        # is found by its `sys.path`.
        if new and self._options.environ() == self._environ:
            for module in _search_path.found_in_both(new, self._path):
                self._imported.add(module)
                self.engine.preload(module)
        self._release()

    def _release(self) -> None:
        """Let the template fork workers: they take over what the program is at this moment."""
        if not self._released:
            snapshot = self._snapshot(self._logs())
            self.engine.set_start(snapshot, self._parcel.fds)
            self.engine.release()
            # Last: what interrupts it, or calls the pool in a handler of signals, finds it undone.
            self._released = True

    # Logs

    def _logs(self) -> Any:
        """What workers are told of the logs: where records go, and which are wanted."""
        return (_logs.open_channel(), _logs.settings()) if self._options.logs else None

    def hear(self) -> None:
        """Let the handlers have what workers have logged by now."""
        if self._options.logs:
            _logs.flush()

    def _snapshot(self, logs: Any) -> bytes:
        options = self._options
        more = {"logs": logs, "memory": options.memory, "parent": _identity.own()}
        return _snapshot.take(options.environ(), options.preload, more)

    # Iterators

    def keep(self, stream: Stream) -> None:
        """Remember an iteration until its source is exhausted: `join` feeds it to the end."""
        with self._lock:
            self._streams[id(stream)] = stream
            for key, kept in list(self._streams.items()):
                if kept.exhausted:
                    self._streams.pop(key, None)

    # Life

    def seal(self) -> int:
        """Pull nothing more from any source; how many iterations never began and lose items."""
        with self._lock:
            streams, self._streams = self._streams, {}
        return sum(stream.stop_feeding() for stream in list(streams.values()))

    def settle(self) -> None:
        """Pull nothing more from any source, and wait for what was fed."""
        forgotten = self.seal()
        if forgotten:
            import warnings

            warnings.warn(
                f"{forgotten} iterator(s) of this pool were never advanced, and their source was "
                "not pulled to its end: iterate over them, or call close() and join() to run "
                "everything",
                RuntimeWarning,
                stacklevel=3,
            )
        self.engine.wait_drained(None)
        self._warn_of_fault()

    def join(self) -> None:
        """Feed every live iteration to its end, and wait until all workers have ended."""
        with self._lock:
            streams, self._streams = self._streams, {}
        for stream in list(streams.values()):
            stream.run_all()
        self.wait_gone()
        if not self._terminated:
            self._warn_of_fault()

    def _warn_of_fault(self) -> None:
        """Tell why nothing has run, if no result was asked for that would have told."""
        if self.engine.is_foreign():
            return
        fault = self.engine.untold_fault()
        if fault is not None:
            import warnings

            text = f"items whose results nobody asked for have not run: {fault}"
            if fault.__cause__ is not None:
                text += f" It raised {type(fault.__cause__).__name__}: {fault.__cause__}"
            warnings.warn(text, RuntimeWarning, stacklevel=4)

    def terminate(self) -> None:
        """End everything now."""
        self._terminated = True
        with self._lock:
            streams, self._streams = self._streams, {}
        self.engine.terminate()
        if not self.engine.is_foreign():
            for stream in list(streams.values()):
                stream.close_source()

    def wait_gone(self) -> None:
        """Wait until no worker is left."""
        if not self.engine.is_foreign():
            self.engine.wait_gone(None)
            self.hear()

    def grow(self, count: int) -> None:
        """Add workers."""
        count = at_least_one("n", count, optional=False)
        if len(self.engine.pids()) + count > _MOST_WORKERS:
            raise ValueError(f"a pool has at most {_MOST_WORKERS} workers")
        self.engine.grow(count)

    def shrink(self, count: int) -> None:
        """Let workers go."""
        count = at_least_one("n", count, optional=False)
        if count >= len(self.engine.pids()):
            raise ValueError("one worker must stay: use close() to end the pool")
        self.engine.shrink(count)

    def doctor(self) -> Diagnosis:
        """What the workers, and everything that they share, do and wait for."""
        from ._doctor import WorkerState, diagnose
        from ._stacks import once_written

        self.engine.ask_stacks()
        stacks = once_written(lambda: dict(self.engine.stacks()))
        states = []
        for seat, pid, doing, running, seconds, waiting in self.engine.report():
            function, index = (None, None)
            if running is not None:
                code, index = running
                function = self._shipping.names.get(code, "a function") if code else "its start"
            spent = None if running is None else seconds
            item = (function, index, spent, waiting)
            states.append(WorkerState(seat, pid, doing, *item, stacks.get(seat)))
        return diagnose(states, self.engine.not_early())

    def describe(self) -> str:
        """For a repr."""
        if self.engine.is_foreign():
            return "of the parent process"
        return f"{len(self.engine.pids())} workers, {self._options.method}"


def _template_command(
    env: Mapping[str, str], path: list[str]
) -> tuple[str, list[str], list[tuple[str, str]]]:
    from ._template import command

    program, arguments = command(path)
    return program, arguments, list(env.items())


def display(iterable: Iterable[Any], progress: Progress, total: int | None) -> Any:
    """The display of a call's progress, if one was asked for."""
    check_total(total)
    if progress is None or progress is False:
        return None
    from ._progress import make

    sized: Any = iterable
    if total is None and hasattr(sized, "__len__"):
        total = len(sized)
    return make(progress, total)


def _remember(crew: Crew) -> None:
    """End the crew's workers when the interpreter exits."""
    global _registered  # noqa: PLW0603 - once per process
    if not _registered:
        _registered = True
        atexit.register(_at_exit)
    _crews.add(ref(crew, _crews.discard))


def _at_exit() -> None:
    crews = [crew for crew in (known() for known in list(_crews)) if crew is not None]
    for crew in crews:
        crew.terminate()
    for crew in crews:
        if not crew.engine.is_foreign():
            crew.engine.wait_gone(5.0)
    _logs.finish()
    join_all(5.0)
    leave_interpreter()
