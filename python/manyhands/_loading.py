"""Whether this process is only importing what a pool or a process of its parent needs.

A module that makes a pool or a process as soon as it is imported would be imported by that pool's
template and workers, which would make pools whose workers import it, and so on without an end. So
a process that is still loading what it was sent refuses to make any, with an error that says where
they belong. A task that imports such a module is a task, and may have pools.

It is seen by the frames of the stack: asked for seldom, and true for one thread only.

Refuses: to know who asks.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

# Functions of this package that import for others: by the module's name, then theirs.
_LOADERS = {("manyhands._template", "_import"), ("manyhands._child", "_load")}

# What the native loop of a worker calls to load code, arguments, and what these import.
_HOMES = {"manyhands._pickling", "importlib._bootstrap", "_frozen_importlib"}


ADVICE = 'Make it in a function, or under `if __name__ == "__main__":`.'


class LoopError(RuntimeError):
    """Why nothing was made: `ADVICE` says what to do."""


def refuse(what: str) -> None:
    """Raise if this thread is loading what its process was sent; `what` is what it would make."""
    if _is_loading():
        raise LoopError(
            f"{_importing()} makes {what} while it is imported, and is imported in this process "
            "because what was sent here lives in it: that would go on without an end"
        )


def _is_loading() -> bool:
    inner: list[str] = ["", ""]
    for frame in _frames():
        name = frame.f_globals.get("__name__", "")
        function = (name, frame.f_code.co_name)
        if function in _LOADERS:
            return True
        if function == ("manyhands._worker", "serve"):
            if inner[0] == "manyhands._worker":
                return inner[1] in _HOMES
            return inner[0] in _HOMES
        inner = [name, inner[0]]
    return False


def _importing() -> str:
    """What is being imported, for people."""
    for frame in _frames():
        if frame.f_code.co_name == "<module>":
            return f"the module {frame.f_globals.get('__name__')!r}"
    return "a module"


def _frames() -> list[FrameType]:
    frames = []
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - documented, but for its name
    while frame is not None:
        frames.append(frame)
        frame = frame.f_back
    return frames
