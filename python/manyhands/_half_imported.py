"""Modules that another thread of the parent was importing when this process was forked.

Each import holds a lock of its module. In the child the thread is not there that would give it
back, so whoever imports that module waits for ever: a worker at its start, or a task. CPython takes
care of its own lock of all imports, and not of these. This package imports much of itself only when
it is needed, so every fork of a program that uses it, also one by `os.fork`, may meet that.

So the child forgets such locks, and the modules: it imports them anew when it needs them. Modules
that the forking thread itself was importing are left alone, since it goes on with them. So are
those whose import has made a pool: importing them anew would make another.

Refuses: to wait in the parent until nobody imports, which may be never.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


_kept: set[str] = set()


def keep() -> None:
    """Leave the modules that this thread is importing as they are: they make a pool that forks."""
    bootstrap: Any = sys.modules["_frozen_importlib"]
    me = bootstrap._thread.get_ident()  # noqa: SLF001 - as below
    for name, known in list(bootstrap._module_locks.items()):  # noqa: SLF001 - as below
        lock = known()
        if lock is not None and lock.owner == me and name in sys.modules:
            _kept.add(name)


def forget() -> None:
    """In a forked child, before it imports anything."""
    bootstrap: Any = sys.modules["_frozen_importlib"]
    me = bootstrap._thread.get_ident()  # noqa: SLF001 - what imports call: it may be replaced
    for name, known in list(bootstrap._module_locks.items()):  # noqa: SLF001 - nothing public does it
        lock = known()
        if lock is None or lock.owner == me:
            continue
        # Even a lock without an owner may be in the middle of a change.
        del bootstrap._module_locks[name]  # noqa: SLF001 - as above
        spec = getattr(sys.modules.get(name), "__spec__", None)
        if name in _kept and spec is not None:
            spec._initializing = False  # noqa: SLF001 - nobody goes on with it here
        elif lock.owner is not None and getattr(spec, "_initializing", True):
            sys.modules.pop(name, None)
