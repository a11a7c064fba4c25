"""The signature of a class whose `__new__` takes anything.

`inspect.signature(cls)`, and with it `help` and editors, prefers `__new__` to `__init__`. Where the
first only decides which class it is to be, the second says what a caller may give.

Refuses: to load `inspect` before somebody asks.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import inspect
    from collections.abc import Callable


class OfInit:
    """As `__signature__` of a class: that of its `__init__`, its own or an inherited one."""

    def __get__(self, instance: object, cls: type) -> inspect.Signature:
        import inspect

        constructor: Callable[..., None] = getattr(cls, "__init__")  # noqa: B009 - of this class
        whole = inspect.signature(constructor)
        return whole.replace(
            parameters=list(whole.parameters.values())[1:], return_annotation=whole.empty
        )
