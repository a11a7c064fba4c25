"""The options of a call, checked early and in the caller.

Refuses: to guess. A wrong option is a TypeError or ValueError that says what is allowed.
"""

from __future__ import annotations

import operator
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, Literal, TypeAlias, TypedDict

    Errors: TypeAlias = Literal["raise", "return"]
    Kinds: TypeAlias = type[BaseException] | tuple[type[BaseException], ...]
    Progress: TypeAlias = bool | dict[str, Any] | Callable[[int, int | None], object] | None
    MemoryLimit: TypeAlias = int | tuple[int | None, int | None] | None
    Seed: TypeAlias = int | str | bytes | None

    class MapOptions(TypedDict, total=False):
        """What every mapping call takes, apart from what its result depends on."""

        progress: Progress
        total: int | None
        timeout: float | None
        retries: int
        retry_on: Kinds
        seed: Seed

    class AheadOptions(MapOptions, total=False):
        """The same for those that pull their items while others run."""

        max_bytes_in_flight: float | None

    class LazyOptions(AheadOptions, total=False):
        """The same for lazy ones."""

        buffersize: float | None


_ENDLESS = float("inf")
# What the engine takes for a number without an end.
HUGE = 1 << 62
# Seconds, about thirty years: less than any lock's limit.
_LONGEST = 1e9
# As many as the engine counts in one chunk.
_MOST_ITEMS = (1 << 32) - 1

METHODS = ("template", "fork", "spawn", "forkserver")
"""How workers can be started."""


class OptionError(TypeError, ValueError):
    """A value of a kind that an option cannot have: Python's error, and `multiprocessing`'s."""


def check_method(method: str) -> None:
    """Raise unless `method` is a way to start workers."""
    if method not in METHODS:
        raise ValueError(f"unknown start method {method!r}: use {', '.join(METHODS)}")


def environment_method() -> str | None:
    """The start method that the environment variable MANYHANDS_START_METHOD names, if it does."""
    method = os.environ.get("MANYHANDS_START_METHOD")
    if not method:
        return None
    if method not in METHODS:
        raise ValueError(
            f"unknown start method {method!r} in MANYHANDS_START_METHOD: use {', '.join(METHODS)}"
        )
    return method


def check_errors(errors: str) -> None:
    """Raise unless `errors` is a word that we know."""
    if errors not in ("raise", "return"):
        raise ValueError(f'errors must be "raise" or "return", not {errors!r}')


def check_chunksize(chunksize: int | None) -> int | None:
    """The option as the engine takes it; raise unless it is None or an integer of at least 1."""
    return None if chunksize is None else min(at_least_one("chunksize", chunksize), _MOST_ITEMS)


def waiting_time(timeout: float | None) -> float | None:
    """Seconds as a lock takes them: what is over already is 0, what is too long never ends."""
    if timeout is None or timeout > _LONGEST:
        return None
    return timeout if timeout > 0 else 0.0


def check_timeout(timeout: float | None, name: str = "timeout") -> float | None:
    """The seconds that something may take, as the engine takes them: None is for ever."""
    if timeout is None:
        return None
    number = seconds(name, timeout)
    if not number > 0:
        raise ValueError(f"{name} must be more than 0 seconds, not {timeout!r}")
    return None if number == _ENDLESS else number


def seconds(name: str, value: Any) -> float:
    """The option called `name`, a number of seconds."""
    try:
        return float(operator.pos(value))  # text is no number
    except (TypeError, ValueError):
        raise OptionError(f"{name} must be seconds or None, not {value!r}") from None
    except OverflowError:
        return _ENDLESS  # longer than a float can say


def at_least_one(name: str, value: Any, *, optional: bool = True) -> int:
    """The option called `name` as an integer of at least 1; the text allows None if `optional`."""
    number = integer(name, value, "an integer or None" if optional else "an integer")
    if number < 1:
        raise ValueError(f"{name} must be at least 1, not {number}")
    return number


def check_total(total: int | None) -> None:
    """Raise unless it is None or a number of items."""
    if total is not None and integer("total", total) < 0:
        raise ValueError(f"total must be at least 0, not {total}")


def integer(name: str, value: Any, kind: str = "an integer or None") -> int:
    """The option called `name` as an integer; the text says which `kind` is allowed."""
    try:
        return operator.index(value)
    except TypeError:
        raise OptionError(f"{name} must be {kind}, not {value!r}") from None


def arguments(name: str, values: Any) -> tuple[Any, ...]:
    """The arguments of a call, given as an option of that name."""
    if type(values) is tuple:
        return values
    try:
        iterator = iter(values)
    except TypeError:
        text = f"{name} must be a tuple or list of arguments: ({values!r},) rather than {values!r}"
        raise TypeError(text) from None
    return tuple(iterator)


def keywords(values: Any) -> dict[str, Any]:
    """The keyword arguments of a call."""
    try:
        return dict(values)
    except (TypeError, ValueError):
        raise TypeError(f"kwds must be a dict of keyword arguments, not {values!r}") from None


def check_callbacks(callback: Any, error_callback: Any) -> None:
    """Raise unless each is None or callable."""
    for name, value in (("callback", callback), ("error_callback", error_callback)):
        if value is not None and not callable(value):
            raise TypeError(f"{name} must be callable or None, not {value!r}")


def memory_limits(value: MemoryLimit) -> tuple[int | None, int | None]:
    """The soft and the hard limit, in bytes; one number is the soft one."""
    if value is None:
        return None, None
    soft, hard = value if isinstance(value, tuple) and len(value) == 2 else (value, None)  # noqa: PLR2004
    name = "max_memory_per_child"
    if isinstance(soft, tuple):
        raise OptionError(f"{name} must be a number of bytes, or (soft, hard), not {value!r}")
    soft = None if soft is None else min(at_least_one(name, soft), HUGE)
    hard = None if hard is None else min(at_least_one(name, hard), HUGE)
    if soft is not None and hard is not None and soft > hard:
        raise ValueError(f"{name}: the soft limit, {soft}, is above the hard one, {hard}")
    return soft, hard


def bounds(buffersize: float | None, max_bytes: float | None) -> tuple[int | None, int | None]:
    """The bounds of read-ahead as the engine takes them: None adapts, infinity is a huge number."""
    return _bound("buffersize", buffersize), _bound("max_bytes_in_flight", max_bytes)


def bytes_bound(max_bytes: float | None) -> int | None:
    """The bound of `map` in bytes, likewise."""
    return _bound("max_bytes_in_flight", max_bytes)


def _bound(name: str, value: float | None) -> int | None:
    if value is None:
        return None
    if value == _ENDLESS:
        return HUGE
    return min(at_least_one(name, value), HUGE)


def unique(
    kwds: Mapping[str, Any] | None, kwargs: Mapping[str, Any] | None
) -> Mapping[str, Any] | None:
    """The keyword arguments, whichever of their two names was used."""
    if kwds is not None and kwargs is not None:
        raise TypeError("kwds and kwargs are two names of one argument: give one of them")
    return kwargs if kwds is None else kwds
