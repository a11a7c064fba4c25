"""`multiprocessing.pool`, for programs that take `Pool` and what belongs to it from there.

Refuses: to hold anything of its own.
"""

from __future__ import annotations

from multiprocessing.pool import CLOSE, RUN, TERMINATE

from ._local import ThreadPool
from ._native import AsyncResult, ResultIterator
from ._pool import Pool
from .errors import PicklingError, RemoteTraceback

__all__ = [
    "CLOSE",
    "RUN",
    "TERMINATE",
    "ApplyResult",
    "AsyncResult",
    "IMapIterator",
    "IMapUnorderedIterator",
    "MapResult",
    "MaybeEncodingError",
    "Pool",
    "RemoteTraceback",
    "ThreadPool",
]

MaybeEncodingError = PicklingError
ApplyResult = MapResult = AsyncResult
IMapIterator = IMapUnorderedIterator = ResultIterator
