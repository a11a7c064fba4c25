"""What the standard library's fork server imports, and what happens when it cannot.

Refuses: to import anything itself.
"""

from __future__ import annotations

import inspect
from multiprocessing import forkserver

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def set_preload(modules: list[str], on_error: str) -> None:
    """Set the list; a module that cannot be found is ignored, warned of, or refused."""
    if on_error not in ("ignore", "warn", "fail"):
        raise ValueError(f'on_error must be "ignore", "warn" or "fail", not {on_error!r}')
    set_: Any = forkserver.set_forkserver_preload
    if on_error != "ignore" and "on_error" in inspect.signature(set_).parameters:
        set_(modules, on_error=on_error)
        return
    set_(modules)
    if on_error != "ignore":
        _look_for(modules, on_error)


def _look_for(modules: list[str], on_error: str) -> None:
    import importlib.util
    import warnings

    for module in modules:
        if module == "__main__" or _is_there(importlib.util.find_spec, module):
            continue
        message = f"the fork server cannot preload {module!r}: there is no such module"
        if on_error == "fail":
            raise ImportError(message, name=module)
        warnings.warn(message, ImportWarning, stacklevel=4)


def _is_there(find_spec: Any, module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        return False
