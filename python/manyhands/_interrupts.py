"""Which exceptions are no failure of the value that was being pickled: those that must come out.

While a value is pickled or rebuilt its own methods run, and whatever they raise is told as a
failure of that value. But a handler of a signal may run in the middle of them, and what that raises
(the KeyboardInterrupt of Ctrl-C, the SystemExit of a handler of SIGTERM, the timeout of one of
SIGALRM) is meant for the program: it comes out of the call as it is.

Refuses: to remember handlers. One that has put another in its place meanwhile is known as well.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, FrameType, TracebackType

KINDS = (KeyboardInterrupt, MemoryError)
"""What comes out whoever has raised it."""

_CO_VARARGS = 0x04  # as in `inspect`, which is slow to import


def passes(error: BaseException) -> bool:
    """Whether an exception is to come out as it is."""
    return isinstance(error, KINDS) or by_handler(error.__traceback__)


def by_handler(traceback: TracebackType | None) -> bool:
    """Whether what has this traceback was raised by a handler of a signal, or within one."""
    while traceback is not None:
        if _is_handler(traceback.tb_frame):
            return True
        traceback = traceback.tb_next
    return False


def _is_handler(frame: FrameType) -> bool:
    """A handler, and hardly anything else, has the frame that was interrupted as an argument."""
    caller = frame.f_back
    if caller is None:
        return False
    space = frame.f_locals
    for name in _parameters(frame.f_code):
        value = space.get(name)
        if value is caller or (type(value) is tuple and any(part is caller for part in value)):
            return True
    return False


def _parameters(code: CodeType) -> tuple[str, ...]:
    starred = bool(code.co_flags & _CO_VARARGS)
    keywords = code.co_kwonlyargcount if starred else 0
    return code.co_varnames[: code.co_argcount + keywords + starred]
