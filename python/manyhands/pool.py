"""`multiprocessing.pool`, for programs that take `Pool` and what belongs to it from there.

Refuses: to hold anything of its own.
"""

from __future__ import annotations

from ._local import ThreadPool
from ._native import AsyncResult, ResultIterator
from ._pool import Pool
from .errors import PicklingError

__all__ = ["Pool", "ThreadPool"]

ApplyResult = MapResult = AsyncResult
IMapIterator = IMapUnorderedIterator = ResultIterator
MaybeEncodingError = PicklingError
