"""What a template imports before it forks: the modules that the code of a task refers to.

What a function of `__main__` finds in its globals (`import numpy as np` at the top of a script) is
imported once in the template, and not in each child again. So are the module of a callable that
goes by name, and the modules of classes whose instances travel along.

A module that is imported only when a function runs (`import torch` inside of an initializer) is
not imported early: who writes that wants it late.

Refuses: to import anything, here or there. The template checks what each import did to it.
"""

from __future__ import annotations

import sys

from ._codebook import is_reference
from ._globals import importable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

_THERE = frozenset({*sys.builtin_module_names, "os", "manyhands"})  # in every template


def modules(callables: Iterable[Any], mentioned: Iterable[str]) -> list[str]:
    """The modules of callables and those that their code mentions, if others can import them."""
    homes = [func.__module__ for func in callables if is_reference(func)]
    return [name for name in dict.fromkeys((*homes, *mentioned)) if _is_wanted(name)]


def _is_wanted(name: str) -> bool:
    return name not in _THERE and not name.startswith("manyhands.") and importable(name)
