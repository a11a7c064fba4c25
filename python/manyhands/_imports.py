"""Doing something to a module when it is there: now, or as soon as something imports it.

A worker must not import what its tasks may never use, and yet has to be ready when they do: the
random state of a library, the handlers of `logging`. So a finder stands first in `sys.meta_path`
while a module is awaited; it lets the others find that module, and runs what was asked for once the
module has run. The module keeps the loader that found it.

Refuses: to import anything itself.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

    Hook = Callable[[ModuleType], object]


def when_imported(name: str, hook: Hook) -> None:
    """Call `hook(module)` now if the module is there, otherwise once it has been imported.

    A hook that waits already is not called twice.
    """
    module = sys.modules.get(name)
    if module is not None:
        hook(module)
        return
    hooks = _hooks.setdefault(name, [])
    if hook not in hooks:
        hooks.append(hook)
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)


class _Finder:
    """Finds awaited modules by the other finders, and sees to it that their hooks run."""

    __name__ = "ManyhandsFinder"  # by which `_template` knows that it changes nothing

    def __init__(self) -> None:
        self._asked: set[str] = set()

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of an awaited module, with a loader that runs its hooks; None for all others."""
        if name not in _hooks or name in self._asked:
            return None
        self._asked.add(name)  # another finder may look through `sys.meta_path` again
        try:
            found = (_ask(finder, name, path, target) for finder in list(sys.meta_path))
            spec = next((spec for spec in found if spec is not None), None)
        finally:
            self._asked.discard(name)
        if spec is not None and hasattr(spec.loader, "exec_module"):
            wrapped: Any = _Loader(spec.loader)
            spec.loader = wrapped
        return spec


def _ask(finder: Any, name: str, path: Any, target: Any) -> ModuleSpec | None:
    find = getattr(finder, "find_spec", None)
    spec: ModuleSpec | None = None if find is None else find(name, path, target)
    return spec


class _Loader:
    """Another loader, and the hooks after it."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """As the loader does it."""
        module: ModuleType | None = self._loader.create_module(spec)
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Run the module as the loader does it, then the hooks."""
        spec = module.__spec__
        if spec is not None:
            spec.loader = self._loader
        module.__loader__ = self._loader
        self._loader.exec_module(module)
        for hook in _hooks.pop(module.__name__, ()):
            hook(module)
        if not _hooks and _finder in sys.meta_path:
            sys.meta_path.remove(_finder)


_hooks: dict[str, list[Hook]] = {}
_finder: Any = _Finder()
