"""The package's own Python threads, and how they end before the interpreter does.

They are daemons, so that they never keep a program alive. When the interpreter exits, the pools end
first; then each thread comes to its end by itself and is waited for, for a bounded time.

Refuses: to start a thread before something needs it.
"""

from __future__ import annotations

from _weakref import ref
from errno import EAGAIN
from time import monotonic

from . import _genuine
from ._uninterrupted import Uninterrupted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Thread

_started: set[ref[Thread | _genuine.Thread]] = set()


class NoThreadError(OSError, RuntimeError):
    """No thread can be started: an error of the system, which `threading` calls a RuntimeError."""


def start_thread(run: Callable[[], object], name: str) -> None:
    """Run `run()` in a daemon thread called `manyhands-<name>`; NoThreadError if there is none."""
    thread: Thread | _genuine.Thread
    if _genuine.are_replaced():
        thread = _genuine.Thread(_run, (run, name))
    else:
        import threading

        title = f"manyhands-{name}"
        thread = threading.Thread(target=_run, args=(run, name), name=title, daemon=True)
    _started.add(ref(thread, _started.discard))
    try:
        # An exception in the middle would leave a thread that dies before it runs anything.
        with Uninterrupted():
            thread.start()
    except RuntimeError as error:
        text = f"{error} (RLIMIT_NPROC, or a limit of the control group)"
        raise NoThreadError(EAGAIN, text) from None


def _run(run: Callable[[], object], name: str) -> None:
    try:
        # For the doctor, and whoever looks with `ps`: the kernel's name of this thread.
        with open("/proc/thread-self/comm", "w", encoding="ascii") as comm:
            comm.write(f"manyhands-{name}"[:15])
    except OSError:
        pass  # /proc may not be mounted
    run()


def join_all(seconds: float) -> None:
    """Wait until all of them have ended, together at most so long."""
    until = monotonic() + seconds
    for known in list(_started):
        thread = known()
        if thread is not None:
            try:
                thread.join(max(0.0, until - monotonic()))
            except RuntimeError:
                continue  # an interrupt that met `start_thread` has left one that never came to be
