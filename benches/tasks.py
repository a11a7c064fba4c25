"""The work that the benches hand out.

Every function stands in a module of its own, because each rival must be able to import it by name
in a fresh process. Nothing here knows a rival or a pool.
"""

import ast
import hashlib
import time
import warnings
from pathlib import Path


def noop() -> None:
    """Do nothing: what is left is the price of asking."""


def increment(number: int) -> int:
    """The trivial task: a result that depends on the argument, at no cost worth naming."""
    return number + 1


def loop(turns: int) -> None:
    """Keep a core busy for a fixed number of turns.

    Turns and not a clock, so that a task that has lost its core to another process does not seem
    to work meanwhile.
    """
    for _ in range(turns):
        pass


def burn(seconds: float) -> None:
    """Use `seconds` of processor time on this thread, whatever else runs on the machine."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def digest(buffer: bytes) -> bytes:
    """The SHA-256 of a buffer: little work for the bytes that must travel."""
    return hashlib.sha256(buffer).digest()


def count_nodes(path: str) -> int:
    """The number of nodes in a file's syntax tree; 0 for a file that does not parse."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            tree = ast.parse(Path(path).read_bytes())
        except (SyntaxError, ValueError, RecursionError):
            return 0
    return sum(1 for _ in ast.walk(tree))
