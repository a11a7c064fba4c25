"""`Generic` for classes that take a type, as `LocalResult[int]`, without the import of `typing`.

Refuses: to check types, or to remember their names.
"""

from __future__ import annotations

from types import GenericAlias

__all__ = ["Generic"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Generic
else:

    class Generic:
        """Its subclasses can be given a type in brackets."""

        __slots__ = ()
        __class_getitem__ = classmethod(GenericAlias)
