"""How workers are launched without a template: forked, or by a `multiprocessing` context.

A thread of the package carries out the engine's orders for such a pool and reports how its workers
ended. `fork` forks this process, with the interpreter's hooks. Any other context, the standard
library's or a program's own, starts its `Process` with the descriptors of the lane.

Refuses: to decide when a worker is launched or replaced; the engine does.
"""

from __future__ import annotations

import os
import signal
import sys

from . import _failures, _half_imported, _handles, _native, _neighbours, _search_path
from ._genuine import allocate_lock
from ._start_errors import Worded
from ._threads import NoThreadError, start_thread
from ._uninterrupted import Uninterrupted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    from ._native import Launches, WorkerEnd
    from ._neighbours import Parcel

    class Launched(Protocol):
        """A worker process, however it was made."""

        @property
        def pid(self) -> int:
            """Its number."""

        def ended(self) -> tuple[int | None, int | None]:
            """Once it is dead: its exit code, negative for a signal, and its peak of memory.

            The peak is in bytes; None stands for what is not known.
            """

        def discard(self) -> None:
            """End it: its pool does not come to be."""


class Forked:
    """A worker that `fork` made: a child of this process."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def ended(self) -> tuple[int | None, int | None]:
        try:
            _, status, usage = os.wait4(self.pid, 0)
        except ChildProcessError:
            # Something else in the program waits for every child.
            return None, None
        return os.waitstatus_to_exitcode(status), usage.ru_maxrss * 1024

    def discard(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        self.ended()


class Started:
    """A worker that a context's `Process` is."""

    def __init__(self, process: Any) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        number: int = self._process.pid
        return number

    def discard(self) -> None:
        self._process.terminate()
        self._process.join()

    def ended(self) -> tuple[int | None, int | None]:
        # It is dead or has been killed; on a busy machine that takes its time.
        self._process.join(10)
        code: int | None = self._process.exitcode
        if code == 1 and getattr(self._process, "_start_method", "") in ("spawn", "forkserver"):
            _failures.suspect_guard()
        return code, None


class ForkLauncher:
    """Launches workers by forking this process."""

    def __init__(self, parcel: Parcel) -> None:
        self._parcel = parcel

    def __call__(self, end: WorkerEnd, snapshot: bytes) -> Launched:
        return _fork_worker(end, snapshot, self._parcel)


def _fork_worker(end: WorkerEnd, snapshot: bytes, parcel: Parcel) -> Launched:
    """Fork this process; the child becomes a worker and never returns from here."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    parent = os.getpid()
    pid = _native.fork()
    if pid:
        return Forked(pid)
    code = 1
    try:
        _half_imported.forget()
        _forget_children()
        tie_or_leave(parent)
        _neighbours.receive(parcel.fds, parcel)
        _become_worker(end, snapshot, parent, "inherited")
        _wait_for_own()
        code = 0
    except SystemExit as exit_:
        code = exit_.code if isinstance(exit_.code, int) else 1
    except BaseException:  # noqa: BLE001 - a child must never unwind into its parent's frames
        import traceback

        traceback.print_exc()
    finally:
        _handles.leave()
        os._exit(code & 0xFF)  # it refuses what is no int of C


def _forget_children() -> None:
    """In a forked child: the processes that its parent has started are no children of this one."""
    process: Any = sys.modules.get("multiprocessing.process")
    if process is not None:
        process._children = set()  # noqa: SLF001 - as its own children do it


def tie_or_leave(parent: int) -> None:
    """In a child: `tie`, or end with a line that says why that cannot be."""
    try:
        tie(parent)
    except OSError as error:
        # The pool raises what has happened; a traceback of ours tells no more, for each worker.
        if sys.stderr is not None:
            sys.stderr.write(
                f"manyhands: a worker has no thread that watches its parent: {error} "
                "(RLIMIT_NPROC, or a limit of the control group)\n"
            )
            sys.stderr.flush()
        raise SystemExit(1) from error


def _wait_for_own() -> None:
    """Wait for this process's threads and processes, as an interpreter does at its end."""
    util: Any = sys.modules.get("multiprocessing.util")
    if util is not None:
        util._exit_function()  # noqa: SLF001 - as its own children do it
    threading: Any = sys.modules.get("threading")
    if threading is not None:
        threading._shutdown()  # noqa: SLF001 - the same


class ContextLauncher:
    """Launches workers with the `Process` of a `multiprocessing` context."""

    def __init__(self, context: Any, environ: dict[str, str], parcel: Parcel) -> None:
        self._context = context
        self._parcel = parcel
        self._environ = environ

    def __call__(self, end: WorkerEnd, snapshot: bytes) -> Launched:
        ends = Ends(end, snapshot, os.getpid(), self._parcel)
        process = self._context.Process(target=serve_process, args=(ends,), daemon=True)
        name = process.name
        process.name = _TyingName(name)
        kept = _handles.Spawning(_handles.spawning())
        with _Environment(self._environ), Worded(), kept:
            process.start()
        process.name = name
        return Started(process)


class _Environment:
    """Replaces this process's environment for the moment in which a child is started.

    `multiprocessing` gives a child no environment of its own, and the child imports the program
    before any code of ours runs in it.
    """

    _lock = allocate_lock()

    def __init__(self, environ: dict[str, str]) -> None:
        self._wanted = environ
        self._before: dict[str, str | None] = {}

    def __enter__(self) -> None:
        self._lock.acquire()
        for name, value in self._wanted.items():
            if os.environ.get(name) != value:
                self._before[name] = os.environ.get(name)
                os.environ[name] = value

    def __exit__(self, *_: object) -> None:
        for name, value in self._before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        self._lock.release()


class Ends:
    """A worker's descriptors on their way to a process that a context starts."""

    def __init__(self, end: WorkerEnd, snapshot: bytes, parent: int, parcel: Parcel | None) -> None:
        self.end = end
        self.snapshot = snapshot
        self.parent = parent
        self.parcel = parcel
        self.given = [] if parcel is None else parcel.fds

    def __reduce__(self) -> tuple[Any, ...]:
        from multiprocessing.reduction import DupFd

        popen = _handles.spawning()
        family = None if popen is None else _handles.passport(popen)
        fds = [DupFd(fd) for fd in (*self.end.fds(), *self.given)]
        return _attach, (family, fds, self.end.seat, self.snapshot, self.parent)


def _attach(
    family: None,  # noqa: ARG001 - unpickling it has attached the world
    fds: list[Any],
    seat: int,
    snapshot: bytes,
    parent: int,
) -> Ends:
    lane, hub, event, *given = (fd.detach() for fd in fds)
    ends = Ends(_native.WorkerEnd.attach(lane, hub, event, seat), snapshot, parent, None)
    ends.given = given
    return ends


_TIE = """
import sys
sys.path[:] = path
from manyhands import _start
_start.tie_or_leave(parent)
"""


class _TyingName(str):
    """A process's name that ties the process to this one while it is unpickled.

    `multiprocessing` sends the name first of all: in the child nothing of the program has been
    imported yet, so that an import which hangs, or starts something, cannot outlive this process.
    """

    __slots__ = ()

    def __reduce__(self) -> tuple[Any, ...]:
        names = {"path": _search_path.taken(), "parent": os.getpid()}
        names |= {"code": _TIE, "name": str(self)}
        return eval, ("exec(code, {'path': path, 'parent': parent}) or name", names)


def serve_process(ends: Ends) -> None:
    """The target of such a process."""
    _half_imported.forget()  # a context may fork, too
    import multiprocessing.process

    # Workers may have children of their own: what a daemon is forbidden to have.
    own: Any = multiprocessing.process.current_process()
    own._config["daemon"] = False  # noqa: SLF001 - there is no other way
    own.name = str(own.name)
    _neighbours.receive(ends.given, ends.parcel)
    origin = "imported" if "__mp_main__" in sys.modules else "inherited"
    _become_worker(ends.end, ends.snapshot, ends.parent, origin)


def _become_worker(end: WorkerEnd, snapshot: bytes, parent: int, origin: Any) -> None:
    from . import _worker

    tie(parent)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    _worker.serve(end, snapshot, origin)


_tied = 0


def tie(parent: int) -> None:
    """End with the process of that number, together with all that this one starts; once."""
    global _tied  # noqa: PLW0603 - one parent per process
    if _tied != os.getpid():
        _native.lead_group()
        _native.watch_parent(parent)
        _tied = os.getpid()


def _is_gone(pid: int) -> bool:
    """Whether a process has ended and was reaped."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


class LaunchThread:
    """Carries out the launch orders of one pool."""

    def __init__(self, launches: Launches, launch: Any, snapshot: bytes) -> None:
        _half_imported.keep()
        self._launches = launches
        self._launch = launch
        self._snapshot = snapshot
        self._workers: dict[int, Launched] = {}
        self._lock = allocate_lock()

    def start(self) -> None:
        """Launch what is ordered now, and leave the rest to a thread; raises if that fails."""
        orders = []
        while (work := self._launches.next(False)) is not None:
            orders.append(work)
        with Uninterrupted():
            self._launch_all(orders)
            try:
                start_thread(self._run, "launch")
            except NoThreadError:
                for worker in self._workers.values():
                    worker.discard()
                raise

    def _launch_all(self, orders: list[Any]) -> None:
        """All or none."""
        launched: list[tuple[int, Launched]] = []
        try:
            for _, key, end in orders:
                launched.append((key, self._launch(end, self._snapshot)))
            for key, worker in launched:
                self._note(key, worker)
        except BaseException:
            for _, worker in launched:
                worker.discard()
            raise

    def _note(self, key: int, worker: Launched) -> None:
        """Tell of a worker; OSError where no descriptor is left for it."""
        try:
            self._launches.launched(key, worker.pid)
        except OSError:
            if not _is_gone(worker.pid):
                raise
            # `multiprocessing` reaps who has ended whenever it starts another one.
            code, _ = worker.ended()
            text = f"workers end before they can run anything (exit code {code})"
            self._launches.launch_failed(key, text)
            return
        with self._lock:
            self._workers[key] = worker

    def _run(self) -> None:
        while self._step(block=True):
            pass
        # A worker that came up when its pool had ended was killed, and no order tells of its death.
        with self._lock:
            late, self._workers = self._workers, {}
        for worker in late.values():
            worker.ended()

    def _step(self, *, block: bool) -> bool:
        """Carry out one order; whether there may be another."""
        work = self._launches.next(block)
        if work is None:
            return False
        _, key, end = work
        if end is None:
            with self._lock:
                dead = self._workers.pop(key, None)
            self._launches.reported(key, *(dead.ended() if dead is not None else (None, None)))
            return True
        launched: Launched | None = None
        try:
            launched = self._launch(end, self._snapshot)
            self._note(key, launched)
        except Exception as error:  # noqa: BLE001 - whatever a foreign Process may raise
            if launched is not None:
                launched.discard()
            self._launches.launch_failed(key, f"{type(error).__name__}: {error}")
        return True
