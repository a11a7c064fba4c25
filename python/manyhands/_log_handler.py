"""The handler that a worker's root logger has: it sends records to the parent.

A record is formatted no further than it must be to travel: arguments that are plain values stay
apart from the message, others are merged into it, and a traceback becomes text. What a program has
added (`extra=`) is pickled, each value alone; what cannot be becomes its `repr`.

The parent's levels hold here, so a record that nobody wants is not made. Its handlers do not: those
that a fork or a second run of `__main__` brought are taken off, and those that worker code adds
later work beside this one. `logging.basicConfig`, which does nothing where there are handlers, sets
the level that it is given, and with `force=True` it replaces this handler.

Refuses: to filter by anything but levels; the parent's filters run in the parent.
"""

from __future__ import annotations

import logging
import os
from _pickle import dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._outlet import Outlet

# What a record says by itself; the rest is a program's own. `relativeCreated` is left out: it
# counts from the start of a process.
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_SENT = sorted(_OWN - {"args", "asctime", "exc_info", "message", "msg", "relativeCreated"})
_PLAIN = (int, float, str, bytes, bool, type(None))

# Handlers that were taken off: their streams are shared with the parent and must not be closed.
_retired: list[logging.Handler] = []


class ForwardingHandler(logging.Handler):
    """Sends records to the parent of this worker."""

    def __init__(self, outlet: Outlet) -> None:
        super().__init__()
        self._outlet = outlet

    def createLock(self) -> None:  # noqa: N802 - logging's name
        """None: sending needs no lock, and so nobody can wait for one here."""
        self.lock = None

    def handle(self, record: logging.LogRecord) -> Any:
        """As every handler, but without a lock."""
        passed: Any = self.filter(record)  # since Python 3.12 it may be another record
        if passed:
            self.emit(passed if isinstance(passed, logging.LogRecord) else record)
        return passed

    def emit(self, record: logging.LogRecord) -> None:
        """Send the record; it is in shared memory when this returns."""
        try:
            self._outlet.send("record", self._content(record), lambda: self.format(record))
        except Exception:  # noqa: BLE001 - as in every handler of `logging`
            self.handleError(record)

    def _content(self, record: logging.LogRecord) -> dict[str, Any]:
        facts = vars(record)
        content = {name: facts[name] for name in _SENT if name in facts}
        content["msg"], content["args"] = _message(record)
        if record.exc_info and not record.exc_text:
            formatter = self.formatter or _formatter
            content["exc_text"] = formatter.formatException(_exc_info(record.exc_info))
        if record.process == os.getpid():
            content["processName"] = self._outlet.name
        content["extra"] = {
            name: _pickled(value) for name, value in facts.items() if name not in _OWN
        }
        return content


_formatter = logging.Formatter()


def _exc_info(exc_info: Any) -> Any:
    return exc_info if isinstance(exc_info, tuple) else (None, None, None)


def _message(record: logging.LogRecord) -> tuple[str, Any]:
    """The message and its arguments, or the message with them."""
    args = record.args
    if type(record.msg) is not str:
        return record.getMessage(), None
    values = args.values() if type(args) is dict else args if type(args) is tuple else None
    if not args or (values is not None and all(type(value) in _PLAIN for value in values)):
        return record.msg, args
    return record.getMessage(), None


def _pickled(value: Any) -> bytes:
    try:
        return dumps(value, 5)
    except Exception:  # noqa: BLE001 - whatever pickling may raise
        return dumps(repr(value), 5)


def install(outlet: Outlet) -> None:
    """Send the records of this process to the parent, and take over the parent's levels."""
    manager = logging.root.manager
    loggers = [
        logger for logger in manager.loggerDict.values() if isinstance(logger, logging.Logger)
    ]
    for logger in (logging.root, *loggers):
        _retired.extend(logger.handlers)
        logger.handlers.clear()
        logger.propagate = True
    handler = ForwardingHandler(outlet)
    logging.root.addHandler(handler)
    # The logger of `multiprocessing` does not hand its records on.
    own = logging.getLogger("multiprocessing")
    own.addHandler(handler)
    own.propagate = False
    if outlet.settings is not None:
        _take_over(outlet.settings)
    _adapt_basic_config(handler)


def _take_over(settings: dict[str, Any]) -> None:
    for level, name in settings["names"].items():
        if logging.getLevelName(level) != name:
            logging.addLevelName(level, name)
    logging.root.setLevel(settings["root"])
    logging.disable(settings["disable"])
    for name, (level, disabled) in settings["loggers"].items():
        logger = logging.getLogger(name)
        logger.setLevel(level)
        logger.disabled = disabled


def _adapt_basic_config(handler: ForwardingHandler) -> None:
    original: Any = logging.basicConfig

    def basic_config(**options: Any) -> None:
        if options.get("force") or logging.root.handlers != [handler]:
            original(**options)
        elif options.get("level") is not None:
            logging.root.setLevel(options["level"])

    basic_config.__doc__ = original.__doc__
    basic_config.__name__ = original.__name__
    logging.basicConfig = basic_config
