"""`wait`: which of several connections, sockets and sentinels can be read.

The standard library's sleeps at once. Two processes that answer each other pay two wakes by the
kernel for each round then. This one looks for a moment first: longer when the last sleeps were so
short that looking would have done, for less each time that it was in vain.

Refuses: to know what it watches. All that it sees are file descriptors.
"""

from __future__ import annotations

from math import ceil
from os import sched_yield
from select import POLLIN, poll
from time import monotonic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

_MOST = 100e-6
"""Seconds to look before the sleep: somewhat more than what a wake on the other side costs."""
_LEAST = 2e-6
_SHORT = 200e-6
"""A sleep of fewer seconds was one too many."""

_LONGEST = 2**31 - 1  # milliseconds that the kernel takes at once

_patience = _MOST


def wait(object_list: Iterable[Any], timeout: float | None = None) -> list[Any]:
    """Wait until something in the list can be read, and return all that can be.

    Args:
        object_list: connections, sockets, sentinels and whatever has a `fileno`, or descriptors. A
            connection whose other side is closed can be read: that gives the end.
        timeout: seconds; None waits for ever, 0 or less only looks.

    Returns:
        those of the objects that can be read; an empty list if the time is over.

    Raises:
        KeyError: a descriptor is in the list twice.
        ValueError: an object has no valid descriptor.

    >>> here, there = Pipe()
    >>> wait([here], 0)
    []
    >>> there.send("news")
    >>> wait([here]) == [here]
    True
    """
    watched: dict[int, Any] = {}
    poller = poll()
    for each in object_list:
        descriptor = _descriptor(each)
        if descriptor in watched:
            raise KeyError(f"{each!r} (descriptor {descriptor}) is in the list twice")
        watched[descriptor] = each
        poller.register(descriptor, POLLIN)
    ready = _look(poller, timeout)
    if not ready and (timeout is None or timeout > 0):
        ready = _sleep(poller, timeout)
    return [watched[descriptor] for descriptor, _ in ready]


def _look(poller: Any, timeout: float | None) -> list[tuple[int, int]]:
    """See for a moment whether something comes."""
    ready: list[tuple[int, int]] = poller.poll(0)
    if ready or (timeout is not None and timeout <= 0):
        return ready
    end = monotonic() + (_patience if timeout is None else min(_patience, timeout))
    while not ready and monotonic() < end:
        sched_yield()
        ready = poller.poll(0)
    return ready


def _sleep(poller: Any, timeout: float | None) -> list[tuple[int, int]]:
    """Leave it to the kernel, and learn from how long that took."""
    global _patience  # noqa: PLW0603 - a guess that any thread may improve
    begin = monotonic()
    end = None if timeout is None else begin + timeout
    ready: list[tuple[int, int]] = []
    left = timeout
    while not ready and (left is None or left > 0):
        ready = poller.poll(None if left is None else ceil(min(left * 1e3, _LONGEST)))
        left = None if end is None else end - monotonic()
    worth = bool(ready) and monotonic() - begin < _SHORT
    _patience = min(_MOST, _patience * 2) if worth else max(_LEAST, _patience / 2)
    return ready


def _descriptor(watched: Any) -> int:
    if isinstance(watched, int):
        descriptor = watched
    else:
        try:
            descriptor = int(watched.fileno())
        except (AttributeError, TypeError, ValueError):
            raise ValueError(f"{watched!r} is no descriptor and has none") from None
    if descriptor < 0:
        raise ValueError(f"{watched!r} has no valid descriptor: {descriptor}")
    return descriptor
