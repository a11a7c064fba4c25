"""`multiprocessing.reduction`: how objects travel to other processes is registered in one place.

A reducer that a library registers in the standard library's `ForkingPickler` works in ours.

Refuses: to differ from it in anything.
"""

from __future__ import annotations

import multiprocessing.reduction as _standard

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = list(_standard.__all__)


def __getattr__(name: str) -> Any:
    return getattr(_standard, name)
