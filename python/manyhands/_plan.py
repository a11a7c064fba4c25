"""How a function is run over items: the checked options of one call, in the engine's form.

Refuses: to know the function or the items.
"""

from __future__ import annotations

from ._again import NO_LIMITS, Limits
from ._options import bounds, check_chunksize, check_errors

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
        limits: how long an item may run, and how often.
        buffer: items and bytes that a lazy call reads ahead; None for a call that is not lazy.
        root: of the items' random streams (see `_seeds`); None: they have none.
    """

    __slots__ = ("buffer", "engine_plan", "limits")

    def __init__(
        self,
        shape: int,
        chunksize: int | None = None,
        errors: str = "raise",
        *,
        ordered: bool = True,
        limits: Limits = NO_LIMITS,
        buffer: tuple[float | None, float | None] | None = None,
        root: bytes | None = None,
    ) -> None:
        chunksize = check_chunksize(chunksize)
        check_errors(errors)
        self.buffer = (None, None) if buffer is None else bounds(*buffer)
        self.limits = limits
        # The engine's form of it (see task.rs of the binding).
        self.engine_plan = (
            shape,
            chunksize,
            errors == "raise",
            buffer is not None,
            ordered,
            limits.timeout,
            limits.retry,
            root,
        )
