"""What is tried again: the checked options `timeout`, `retries` and `retry_on` of a call.

The engine runs an item again whose worker died or whose time was up. Exceptions are known in the
worker alone: there `attempt` stands around the function, and marks those that count.

Refuses: to wait between two attempts, and to know what an item did before it failed.
"""

from __future__ import annotations

import operator
from functools import partial

from ._native import mark_again
from ._options import OptionError, check_timeout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ._options import Kinds

_MOST = 1 << 31


class Limits:
    """How long an item may run, and how often.

    Args:
        timeout: seconds; None is for ever.
        retries: how often an item that failed runs again.
        retry_on: the exceptions, one class or a tuple of them, after which it does; `WorkerDied`,
            `MemoryLimitExceeded` and `TaskTimeout` stand for the death of its worker, its death of
            too much memory, and the end of its time.
    """

    __slots__ = ("key", "kinds", "retry", "timeout")

    def __init__(
        self, timeout: float | None = None, retries: int = 0, retry_on: Kinds = Exception
    ) -> None:
        self.timeout = check_timeout(timeout)
        times = _count(retries)
        kinds = _kinds(retry_on)
        self.kinds = kinds if times else ()
        # The engine's form of it (see task.rs of the binding), and what tells two of them apart.
        self.retry = (times, *_covered(self.kinds))
        self.key = (self.timeout, times, self.kinds)

    def around(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """What is sent to workers for `func`."""
        return partial(attempt, self.kinds, func) if self.kinds else func

    def in_process(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """The same for pools of this process, where nothing but an exception ends an item."""
        times = self.retry[0]
        return partial(_repeat, times, self.kinds, func) if times else func


def limits(timeout: float | None, retries: int, retry_on: Kinds) -> Limits:
    """The checked options; those that are not given cost nothing."""
    if timeout is None and retries == 0 and retry_on is Exception:
        return NO_LIMITS
    return Limits(timeout, retries, retry_on)


def attempt(
    kinds: tuple[type[BaseException], ...],
    func: Callable[..., Any],
    /,
    *args: Any,
    **kwargs: Any,
) -> Any:
    """Call the function in a worker; what it raises of these kinds may be tried again."""
    try:
        return func(*args, **kwargs)
    except kinds:
        mark_again()
        raise


def _repeat(
    times: int,
    kinds: tuple[type[BaseException], ...],
    func: Callable[..., Any],
    /,
    *args: Any,
    **kwargs: Any,
) -> Any:
    for _ in range(times):
        try:
            return func(*args, **kwargs)
        except kinds:
            continue
    return func(*args, **kwargs)


def _count(retries: Any) -> int:
    try:
        times = operator.index(retries)
    except TypeError:
        raise OptionError(f"retries must be an integer, not {retries!r}") from None
    if not 0 <= times < _MOST:
        raise ValueError(f"retries must be at least 0, not {retries!r}")
    return times


def _kinds(retry_on: Any) -> tuple[type[BaseException], ...]:
    kinds = retry_on if isinstance(retry_on, tuple) else (retry_on,)
    for kind in kinds:
        if not (isinstance(kind, type) and issubclass(kind, BaseException)):
            raise OptionError(
                f"retry_on must be a class of exceptions, or a tuple of them, not {retry_on!r}"
            )
    return kinds


def _covered(kinds: tuple[type[BaseException], ...]) -> tuple[bool, bool, bool]:
    """Whether a worker's death counts, its death of too much memory, the end of an item's time."""
    if not kinds:
        return False, False, False
    if kinds == (Exception,):
        return True, True, True
    from .errors import MemoryLimitExceeded, TaskTimeout, WorkerDied

    death, overfull, late = (
        issubclass(kind, kinds) for kind in (WorkerDied, MemoryLimitExceeded, TaskTimeout)
    )
    return death, overfull, late


NO_LIMITS = Limits()
