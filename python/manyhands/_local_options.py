"""The checked options of a lazy mapping in this process, and how a `starmap` calls its function.

Refuses: to check single options; that is `_options.py`, for every pool.
"""

from __future__ import annotations

from ._options import bounds, check_chunksize, check_errors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any


class StreamPlan:
    """How a lazy mapping works.

    Args:
        chunksize: items in a chunk; None lets a chunk be one item.
        buffersize: items pulled and not yet handed over, at most (may be infinite); None leaves it
            to the pool, which then sets `window`, and lets it be filled by need.
        max_bytes: size in bytes of these items, at most; None for no bound.
        errors: "raise" or "return".
    """

    __slots__ = ("by_need", "chunksize", "keep_errors", "max_bytes", "ordered", "prefill", "window")

    def __init__(
        self,
        chunksize: int | None,
        buffersize: float | None,
        max_bytes: float | None,
        errors: str,
    ) -> None:
        check_errors(errors)
        self.chunksize = check_chunksize(chunksize) or 1
        self.window, self.max_bytes = bounds(buffersize, max_bytes)
        self.by_need = buffersize is None
        self.keep_errors = errors == "return"
        self.ordered = True
        self.prefill = True


def check_initializer(initializer: object) -> None:
    """Raise unless `initializer` is None or can be called."""
    if initializer is not None and not callable(initializer):
        raise TypeError(f"initializer must be callable, not {initializer!r}")


def check_callable(func: object) -> None:
    """Raise unless `func` can be called."""
    if not callable(func):
        raise TypeError(f"the first argument must be callable, not {func!r}")


def length_of(iterable: Iterable[Any]) -> int | None:
    """How many items there are, None if the iterable does not say."""
    try:
        return len(iterable)  # type: ignore[arg-type]
    except TypeError:
        return None


def unpacking(func: Callable[..., Any]) -> Callable[[Any], Any]:
    """`func`, taking its arguments as one iterable, or its keyword arguments as one dict."""
    check_callable(func)

    def call(arguments: Any) -> Any:
        if isinstance(arguments, dict):
            return func(**arguments)
        try:
            words = iter(arguments)
        except TypeError:
            text = "an item of a starmap holds the arguments of one call, "
            raise TypeError(f"{text}such as ({arguments!r},), not {arguments!r}") from None
        return func(*words)

    return call
