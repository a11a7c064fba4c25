"""Log records, warnings and tracebacks of a worker: how they reach the parent.

What is said is in shared memory when the call that says it returns, so it outlives this process,
however that ends. `_log_handler` does it for `logging`, once something imports that; here is what
needs no import: warnings, and exceptions that nobody has caught, in threads, in finalizers, in the
worker itself.

A parent that falls behind by more than the channel holds is waited for; after `_PATIENCE` the
message goes to standard error instead. Nothing is dropped.

Refuses: to decide what is worth saying; levels and filters have done that.
"""

from __future__ import annotations

import os
import sys
import time
from _pickle import dumps

from ._imports import when_imported
from ._native import QueueBase, adopt_queue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

# Seconds that a full channel is waited for.
_PATIENCE = 10.0


class Outlet:
    """This worker's way to the parent's handlers."""

    def __init__(
        self, channel: tuple[int, int], name: str, settings: dict[str, Any] | None
    ) -> None:
        self._queue: QueueBase[bytes] = QueueBase()
        self._queue._take(adopt_queue(*channel))  # noqa: SLF001 - what `Queue` does too
        self.name = name
        self.settings = settings

    def send(self, kind: str, content: Any, otherwise: Callable[[], str]) -> None:
        """Send a message; if that cannot be, its text goes to standard error."""
        try:
            self._queue.put(dumps((kind, content), 5), True, _PATIENCE)
        except Exception as error:  # noqa: BLE001 - full, shut down, no memory: it must not be lost
            if sys.stderr is not None:
                reason = f"manyhands: not sent to the parent ({type(error).__name__}):"
                print(reason, otherwise(), file=sys.stderr, flush=True)  # noqa: T201

    def send_trace(self, title: str, trace: str) -> None:
        """Send a traceback, as an error of the logger `manyhands`."""
        now = time.time()
        text = f"{title} in {self.name} (pid {os.getpid()}):\n{trace.rstrip()}"
        record = {
            "name": "manyhands",
            "levelno": 40,
            "levelname": "ERROR",
            "msg": text,
            "process": os.getpid(),
            "processName": self.name,
            "created": now,
            "msecs": (now - int(now)) * 1000,
            "extra": {},
        }
        self.send("record", record, lambda: text)


def begin(channel: tuple[int, int], name: str, settings: dict[str, Any] | None) -> None:
    """Send what this process says to the parent from now on."""
    outlet = Outlet(channel, name, settings)

    def on_logging(_module: ModuleType) -> None:
        from ._log_handler import install

        install(outlet)

    def on_threading(module: Any) -> None:
        def excepthook(args: Any) -> None:
            if args.exc_type is SystemExit:
                return
            where = args.thread.name if args.thread is not None else "a thread"
            trace = _trace(args.exc_type, args.exc_value, args.exc_traceback)
            outlet.send_trace(f"Exception in thread {where}", trace)

        module.excepthook = excepthook

    when_imported("logging", on_logging)
    when_imported("threading", on_threading)
    _hook_warnings(outlet)
    _hook_interpreter(outlet)


def _trace(kind: type[BaseException], value: BaseException | None, trace: Any) -> str:
    import traceback

    return "".join(traceback.format_exception(kind, value, trace))


def _hook_interpreter(outlet: Outlet) -> None:
    def excepthook(kind: type[BaseException], value: BaseException, trace: Any) -> None:
        outlet.send_trace("Exception that nobody has caught", _trace(kind, value, trace))

    def unraisablehook(args: Any) -> None:
        title = f"{args.err_msg or 'Exception ignored in'}: {_shown(args.object)}"
        outlet.send_trace(title, _trace(args.exc_type, args.exc_value, args.exc_traceback))

    sys.excepthook = excepthook
    sys.unraisablehook = unraisablehook


def _shown(obj: object) -> str:
    try:
        return repr(obj)
    except Exception:  # noqa: BLE001 - an object that is being finalized may be half gone
        return f"<{type(obj).__name__}>"


def _hook_warnings(outlet: Outlet) -> None:
    import warnings

    original = warnings.formatwarning

    def showwarning(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        *more: Any,
        **named: Any,
    ) -> None:
        file, line = _file_and_line(*more, **named)
        text = str(message)
        if file is not None:
            file.write(original(text, category, filename, lineno, line))
            return
        content = (text, _by_name(category), filename, lineno, line)
        outlet.send("warning", content, lambda: original(text, category, filename, lineno, line))

    warnings.showwarning = showwarning


def _file_and_line(file: Any = None, line: str | None = None) -> tuple[Any, str | None]:
    """The last two arguments of `warnings.showwarning`."""
    return file, line


def _by_name(category: type[Warning]) -> bytes:
    try:
        return dumps(category, 5)
    except Exception:  # noqa: BLE001 - a class that has no name to be found by
        return b""
