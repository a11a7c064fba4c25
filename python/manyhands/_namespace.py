"""The worker's `__main__`: what shipped code finds as its globals, and who may set them.

All code of one `__main__` shares one dictionary in a worker: that of the worker's real `__main__`
module. A shipment sets a name there only if the name is absent or still holds the very object that
an earlier shipment put there; what worker code has bound (an initializer's `global model`, say) is
never overwritten. So a script may say `model = None` at its top, set it in the initializer and
read it in tasks, and results of its classes come back as the parent's own classes.

Functions of a namespace that cannot be imported (an exec'd script, a profiler's private
`__main__`) get a namespace of their own here, one for each of the parent's, under the same rule.

A worker calls `prepare` once, before its first task, and `install` for each piece of code. The
parent uses the same tables when a result holds a function by value.

This module refuses to serialise anything; it imports nothing but `_pickle`, so that a worker is
ready in a millisecond.
"""

from __future__ import annotations

import sys
from _pickle import Unpickler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any, Literal

ABSENT: Any = object()
"""Stands for "no such name": every other object, None included, may be a value."""


class Namespace:
    """A dictionary of globals, and what shipments have put there."""

    def __init__(self, space: dict[str, Any]) -> None:
        self.space = space
        self.shipped: dict[str, Any] = {}

    def bind(self, name: str, value: Any) -> None:
        """Set `name` by the rule of this module; do nothing when worker code holds the name."""
        held = self.space.get(name, ABSENT)
        if held is ABSENT or held is self.shipped.get(name):
            self.space[name] = self.shipped[name] = value


_main = Namespace(sys.modules["__main__"].__dict__)
_private: dict[str, Namespace] = {}
_own: frozenset[str] = frozenset()
_unsent: dict[str, str] = {}


def main() -> Namespace:
    """The namespace of this process's `__main__`, whichever module that is at the moment."""
    global _main  # noqa: PLW0603 (one table per process, replaced when `__main__` is)
    space = sys.modules["__main__"].__dict__
    if _main.space is not space:
        _main = Namespace(space)
    return _main


def private(token: str) -> Namespace:
    """The namespace that stands for the parent's unimportable namespace called `token`."""
    known = _private.get(token)
    if known is None:
        space = {"__builtins__": sys.modules["builtins"], "__name__": "__main__"}
        known = _private.setdefault(token, Namespace(space))
        known.shipped.update(space)
    return known


def prepare(origin: Literal["fresh", "inherited", "imported"]) -> None:
    """Say where this worker's `__main__` comes from; called once, before any code is installed.

    - `"fresh"`: it has nothing of the parent's (template). A new, empty `__main__` is made, so
      that names of the worker's own start-up cannot be taken for the user's.
    - `"inherited"`: it is the parent's, by fork: what it holds counts as shipped, so a later
      shipment may replace it, and results refer to it.
    - `"imported"`: the parent's script was imported again (spawn, forkserver): what that bound is
      the worker's own, so it stays; results may refer to it.
    """
    global _own  # noqa: PLW0603 (one table per process)
    if origin == "fresh":
        fresh: ModuleType = type(sys)("__main__")
        fresh.__dict__["__builtins__"] = sys.modules["builtins"]
        sys.modules["__main__"] = fresh
    sys.modules["__mp_main__"] = sys.modules["__main__"]
    space = main().space
    if origin == "imported":
        _own = frozenset(space)
    else:
        _own = frozenset()
        main().shipped = dict(space)
    _unsent.clear()


def token_of(space: dict[str, Any]) -> str:
    """The token of an unimportable namespace: given here, or the one that it came with."""
    for token, known in _private.items():
        if known.space is space:
            return token
    import os

    token = os.urandom(8).hex()
    _private[token] = Namespace(space)
    return token


def bind(name: str, value: Any) -> Any:
    """Set a global of `__main__` by the rule of this module, and return `value` itself."""
    _unsent.pop(name, None)
    main().bind(name, value)
    return value


def mark_unsent(name: str, reason: str) -> None:
    """Remember why the global `name` could not be sent; `why_unsent` tells it on a NameError.

    A value that an earlier shipment put there is taken away, since it is out of date.
    """
    home = main()
    held = home.space.get(name, ABSENT)
    if held is not ABSENT and held is home.shipped.get(name, ABSENT):
        del home.space[name]
    _unsent[name] = reason


def why_unsent(name: str) -> str | None:
    """Why the global `name` was not sent to this worker, or None when that is not the case."""
    return None if name in main().space else _unsent.get(name)


def parent_has(name: str) -> bool:
    """Whether the parent can resolve `__main__.name` to what it means here."""
    home = main()
    held = home.space.get(name, ABSENT)
    return held is not ABSENT and (name in _own or held is home.shipped.get(name, ABSENT))


def own_class(path: str) -> type | None:
    """The worker's own class `__main__.path`, if importing the parent's script has made one."""
    if path.partition(".")[0] not in _own:
        return None
    try:
        found = lookup(path)
    except AttributeError:
        return None
    return found if isinstance(found, type) else None


def lookup(path: str) -> Any:
    """What `__main__.path` is in this process (`path` may be dotted: `Outer.Inner`)."""
    return _walk(main().space, path)


def resolve(path: str) -> Any:
    """What a shipment put at `__main__.path`; what `__main__` holds when no shipment did."""
    home = main()
    return _walk(home.shipped if path.partition(".")[0] in home.shipped else home.space, path)


def _walk(space: dict[str, Any], path: str) -> Any:
    top, _, rest = path.partition(".")
    try:
        value = space[top]
    except KeyError:
        msg = f"__main__ has no attribute {top!r} in this process"
        raise AttributeError(msg) from None
    for name in rest.split(".") if rest else ():
        value = getattr(value, name)
    return value


class CodeUnpickler(Unpickler):
    """Loads code: a persistent id in the bytes is the path of something in `__main__`."""

    def persistent_load(self, pid: Any) -> Any:
        """Resolve a reference that one piece of code makes to another."""
        return resolve(pid)
