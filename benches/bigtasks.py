"""The work of the benches of big data; in a module of its own, as `tasks` is."""

from typing import Any

import numpy as np


def nothing(number: int) -> int:
    """The task that warms a pool up."""
    return number


def total(array: Any) -> float:
    """Read all of an array."""
    return float(array.sum())


BIG: Any = None
"""A global that is there before workers are forked."""


def total_of_global(_number: int) -> float:
    """Read all of the global."""
    return float(BIG.sum())


def total_of(array: Any, _number: int) -> float:
    """Read all of an array that comes with the function."""
    return float(array.sum())


def make(length: int) -> Any:
    """Return a new array."""
    return np.ones(length)


class Model:
    """An object that holds much, and has a method that needs little of it."""

    def __init__(self, length: int) -> None:
        self.weights = np.arange(float(length))

    def look(self, number: int) -> float:
        """One number of it."""
        return float(self.weights[number])


def take_arrays(connection: Any, turns: int, count: int) -> None:
    """Be a consumer, which says after each turn how many came."""
    for _ in range(turns):
        sums = [connection.recv()[-1] for _ in range(count)]
        connection.send(int(sum(sums)))


def put_arrays(queue: Any, count: int, length: int) -> None:
    """Be a producer."""
    array = np.ones(length)
    for _ in range(count):
        queue.put(array)
