"""`multiprocessing.pool`, for programs that take `Pool` and what belongs to it from there.

Refuses: to hold anything of its own.
"""

from __future__ import annotations

from multiprocessing.pool import CLOSE as CLOSE
from multiprocessing.pool import RUN as RUN
from multiprocessing.pool import TERMINATE as TERMINATE

from ._local import ThreadPool
from ._native import AsyncResult as AsyncResult
from ._native import ResultIterator as ResultIterator
from ._pool import Pool
from .errors import PicklingError
from .errors import RemoteTraceback as RemoteTraceback

__all__ = ["Pool", "ThreadPool"]

MaybeEncodingError = PicklingError
ApplyResult = MapResult = AsyncResult
IMapIterator = IMapUnorderedIterator = ResultIterator
