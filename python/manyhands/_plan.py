"""How a function is run over items: the checked options of one call, in the engine's form.

Refuses: to know the function or the items.
"""

from __future__ import annotations

from ._native import Task
from ._options import bounds, check_chunksize, check_errors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypedDict

    from ._native import Engine

    class Options(TypedDict):
        """The keywords of a `Task` that a plan settles."""

        shape: int
        chunk: int | None
        stop: bool
        ordered: bool
        lazy: bool


# How a function is called with an item (see kind.rs of the binding): f(x), f(*x) or f(**x),
# f(*x[0], **x[1]).
ONE, STAR, APPLY = 0, 1, 2


class Plan:
    """The checked options of one call.

    Args:
        shape: ONE, STAR or APPLY.
        chunksize: items that one worker gets at a time; None adapts.
        errors: "raise" or "return".
        ordered: whether results come in the order of the items.
        buffer: items and bytes that a lazy call reads ahead; None for a call that is not lazy.
    """

    __slots__ = ("buffer", "options")

    def __init__(
        self,
        shape: int,
        chunksize: int | None = None,
        errors: str = "raise",
        *,
        ordered: bool = True,
        buffer: tuple[float | None, float | None] | None = None,
    ) -> None:
        check_chunksize(chunksize)
        check_errors(errors)
        self.buffer = (None, None) if buffer is None else bounds(*buffer)
        self.options: Options = {
            "shape": shape,
            "chunk": chunksize,
            "stop": errors == "raise",
            "ordered": ordered,
            "lazy": buffer is not None,
        }

    def task(
        self,
        code: tuple[int, list[int]],
        name: str,
        shipping: Callable[[], tuple[Any, list[int]]],
        *,
        progress: Any = None,
        lease: Engine | None = None,
    ) -> Task:
        """The engine's form of it, for one function.

        Args:
            code: the ids of the function and of what it needs.
            name: what errors call the function.
            shipping: makes a shipper for the items that plain pickle cannot do.
            progress: the display of the call, if it has one.
            lease: the engine that is told when the function's code is not needed any more.
        """
        return Task(code, name, shipping, progress=progress, lease=lease, **self.options)
