"""The package's own Python threads, and how they end before the interpreter does.

They are daemons, so that they never keep a program alive. When the interpreter exits, the pools end
first; then each thread comes to its end by itself and is waited for, for a bounded time.

Refuses: to start a thread before something needs it.
"""

from __future__ import annotations

import sys
from _weakref import ref
from time import monotonic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Thread

_started: set[ref[Thread]] = set()


def start_thread(run: Callable[[], object], name: str) -> None:
    """Run `run()` in a daemon thread called `manyhands-<name>`."""
    import threading

    thread = threading.Thread(target=_run, args=(run, name), name=f"manyhands-{name}", daemon=True)
    _started.add(ref(thread, _started.discard))
    thread.start()


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
    if "threading" not in sys.modules:
        return
    until = monotonic() + seconds
    for known in list(_started):
        thread = known()
        if thread is not None:
            thread.join(max(0.0, until - monotonic()))
