"""The progress of a mapping call: a bar while it runs, worker output above it.

`make` turns the `progress=` option into a `Progress`: tqdm when it is installed, else a plain line
of our own; or a callable that is told `(done, total)`. The counts are items that have ended,
absolute, so a caller may report as often or as rarely as it likes.

The plain line is redrawn in place on a terminal, at most ten times a second, cut to its width;
elsewhere (a pipe, a log file) it is a line every five seconds and one at the end.

`write` prints what a worker printed. Pieces are kept until their line is complete, the bar is
taken away, the lines are written in one call, and the bar is drawn again: nothing is torn.

A display that fails (a callable that raises, a closed stream) is switched off with one warning; it
never breaks the call. Without a stream, as where `sys.stderr` is None, there is no bar.

This module refuses to run a thread: it draws when it is told something.
"""

from __future__ import annotations

import os
import sys
from time import monotonic

from ._genuine import RLock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol, TextIO, TypeGuard

    class _Bar(Protocol):
        """What shows the counts."""

        def show(self, done: int) -> None:
            """So many items have ended."""

        def print_above(self, text: str, stream: TextIO) -> None:
            """Print complete lines without tearing the bar."""

        def finish(self, done: int) -> None:
            """Nothing more will come."""


_REDRAW_SECONDS = 0.1
_LINE_SECONDS = 5.0
_NARROW = 10
_OPTIONS_OF_LINE = ("desc", "disable", "file", "leave", "ncols", "total", "unit")


def make(
    progress: bool | dict[str, Any] | Callable[[int, int | None], object] | None,
    total: int | None,
) -> Progress | None:
    """The display that the option `progress` asks for, or None for none.

    `True` shows a bar; a dictionary holds options of tqdm for it (those that the plain line knows
    are `desc`, `disable`, `file`, `leave`, `ncols`, `total`, `unit`); a callable is called with
    the number of items that have ended and the total (None if unknown). `total` is the number of
    items, if it is known.

    Raises TypeError for anything else.

    >>> counts = []
    >>> display = make(lambda done, total: counts.append((done, total)), 2)
    >>> display.update(2)
    >>> counts
    [(2, 2)]
    """
    if progress is None or progress is False:
        return None
    if progress is True or isinstance(progress, dict):
        return Progress(_bar({} if progress is True else dict(progress), total))
    # A class is callable too, but `progress=tqdm` would not do what its author hopes for.
    if not isinstance(progress, type) and _takes_counts(progress):
        return Progress(_Callback(progress, total))
    msg = (
        "progress must be True, False, None, a dictionary of tqdm options, or a function of "
        f"(done, total), not {progress!r}"
    )
    raise TypeError(msg)


def _takes_counts(progress: Any) -> TypeGuard[Callable[[int, int | None], object]]:
    return callable(progress)


class Progress:
    """One display. Its methods may be called from any thread, and after `close`."""

    def __init__(self, bar: _Bar) -> None:
        self._bar: _Bar | None = bar
        self._done = 0
        self._partial: dict[tuple[str, int], str] = {}
        self._lock = RLock()

    def update(self, done: int) -> None:
        """Show that `done` items have ended since the start."""
        with self._lock:
            self._done = done
            if self._bar is not None:
                self._try(self._bar.show, done)

    def write(self, text: str, stream_name: str, worker: int = 0) -> None:
        """Print `text` of a worker to `sys.stdout` or `sys.stderr`, above the bar.

        `stream_name` is "stdout" or "stderr". What follows the last newline is kept until this
        worker has completed its line, or until `close`.
        """
        with self._lock:
            begun = self._partial.pop((stream_name, worker), "")
            lines, newline, rest = (begun + text).rpartition("\n")
            if rest:
                self._partial[stream_name, worker] = rest
            if newline:
                self._print(lines + newline, stream_name)

    def close(self) -> None:
        """Show the last count and end the display; incomplete lines of workers are printed."""
        with self._lock:
            for (name, _), rest in self._partial.items():
                self._print(rest + "\n", name)
            self._partial.clear()
            bar, self._bar = self._bar, None
            if bar is not None:
                self._try(bar.finish, self._done)

    def _print(self, text: str, stream_name: str) -> None:
        stream: TextIO | None = getattr(sys, stream_name)
        if stream is None:
            return
        bar = self._bar or _Silent()
        self._try(lambda: bar.print_above(_writable(text, stream), stream))

    def _try(self, action: Callable[..., object], *arguments: object) -> None:
        try:
            action(*arguments)
        except Exception as error:  # noqa: BLE001 (a display must not break the call)
            self._bar = None
            _warn(error)


class _Callback:
    """Tells a user's function."""

    def __init__(self, function: Callable[[int, int | None], object], total: int | None) -> None:
        self._function = function
        self._total = total
        self._told = 0

    def show(self, done: int) -> None:
        self._told = done
        self._function(done, self._total)

    def print_above(self, text: str, stream: TextIO) -> None:
        _write_beside_bars(stream, text)

    def finish(self, done: int) -> None:
        if done != self._told:
            self.show(done)


class _Tqdm:
    """A bar of tqdm."""

    def __init__(self, tqdm: Any, options: dict[str, Any]) -> None:
        self._bar = tqdm(**options)

    def show(self, done: int) -> None:
        self._bar.update(done - self._bar.n)

    def print_above(self, text: str, stream: TextIO) -> None:
        self._bar.write(text, file=stream, end="")
        stream.flush()

    def finish(self, done: int) -> None:
        self.show(done)
        self._bar.close()


class _Line:
    """One line of text: percent, count, time passed and left, rate."""

    def __init__(self, options: dict[str, Any]) -> None:
        file = options.get("file")
        self._stream: TextIO = sys.stderr if file is None else file
        self._total: int | None = options["total"]
        self._unit = str(options.get("unit", "it"))
        self._desc = f"{options['desc']}: " if options.get("desc") else ""
        self._leave = options.get("leave") is not False
        self._columns: int | None = options.get("ncols")
        self._tty = _is_tty(self._stream)
        self._start = monotonic()
        self._due = self._start + (0.0 if self._tty else _LINE_SECONDS)
        self._done = 0
        self._drawn: int | None = None  # the count that was last shown

    def show(self, done: int) -> None:
        self._done = done
        now = monotonic()
        if now >= self._due:
            self._draw(now)

    def print_above(self, text: str, stream: TextIO) -> None:
        if not self._tty or self._drawn is None:
            _write(stream, text)
        elif stream is self._stream:
            _write(stream, f"\r\x1b[K{text}{self._text(monotonic())}")
        else:
            _write(self._stream, "\r\x1b[K")
            _write(stream, text)
            _write(self._stream, self._text(monotonic()))

    def finish(self, done: int) -> None:
        self._done = done
        if not self._tty:
            if self._drawn != done:
                self._draw(monotonic())
        elif self._leave:
            _write(self._stream, f"\r\x1b[K{self._text(monotonic())}\n")
        else:
            _write(self._stream, "\r\x1b[K")

    def _draw(self, now: float) -> None:
        text = self._text(now)
        _write(self._stream, f"\r\x1b[K{text}" if self._tty else text + "\n")
        self._drawn = self._done
        self._due = now + (_REDRAW_SECONDS if self._tty else _LINE_SECONDS)

    def _text(self, now: float) -> str:
        text = self._desc + count_text(self._done, self._total, now - self._start, self._unit)
        return text[: max(_NARROW, self._width() - 1)] if self._tty else text

    def _width(self) -> int:
        if self._columns is not None:
            return self._columns
        try:
            return os.get_terminal_size(self._stream.fileno()).columns or 80
        except (OSError, ValueError, AttributeError):
            return 80


def count_text(done: int, total: int | None, seconds: float, unit: str) -> str:
    """The line for a count, without its description.

    >>> count_text(45, 100, 9.0, "it")
    ' 45% 45/100 [00:09<00:11, 5.00it/s]'
    >>> count_text(45, None, 9.0, "it")
    '45it [00:09, 5.00it/s]'
    """
    rate = done / seconds if seconds > 0 else 0.0
    speed = f"{_number(rate)}{unit}/s" if done else f"?{unit}/s"
    if total is None:
        return f"{done}{unit} [{_clock(seconds)}, {speed}]"
    percent = 100 * done // total if total else 100
    left = _clock((total - done) / rate) if rate else "?"
    return f"{percent:3d}% {done}/{total} [{_clock(seconds)}<{left}, {speed}]"


def _number(rate: float) -> str:
    for factor, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if rate >= factor:
            return f"{rate / factor:.3g}{suffix}"
    return f"{rate:.2f}"


def _clock(seconds: float) -> str:
    minutes, second = divmod(int(max(0.0, seconds)), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute:02d}:{second:02d}"


def _bar(options: dict[str, Any], total: int | None) -> _Bar:
    options.setdefault("total", total)
    if options.get("file") is None and sys.stderr is None:
        return _Silent()
    tqdm = _tqdm()
    if tqdm is not None:
        return _begun(tqdm, options)
    if options.get("disable"):
        return _Silent()
    return _Line({name: options[name] for name in _OPTIONS_OF_LINE if name in options})


def _begun(tqdm: Any, options: dict[str, Any]) -> _Bar:
    """A bar of tqdm, which is drawn at once; what its options are to blame for is raised."""
    try:
        return _Tqdm(tqdm, options)
    except Exception as error:  # noqa: BLE001 (a stream may raise anything)
        import io

        tqdm(**{**options, "file": io.StringIO()}).close()
        _warn(error)
        return _Silent()


class _Silent:
    """No bar, but the workers' output."""

    def show(self, done: int) -> None:
        """Show nothing."""

    def print_above(self, text: str, stream: TextIO) -> None:
        _write(stream, text)

    def finish(self, done: int) -> None:
        """Show nothing."""


def _tqdm() -> Any:
    """The class of tqdm that suits: a widget in a notebook, text elsewhere; None without tqdm.

    `tqdm.auto` would decide the same, but imports IPython wherever it is installed.
    """
    try:
        if _in_notebook():
            from tqdm.auto import tqdm
        else:
            from tqdm import tqdm
    except ImportError:
        return None
    return tqdm


def _in_notebook() -> bool:
    module = sys.modules.get("IPython")
    shell = module.get_ipython() if module is not None else None
    return shell is not None and "IPKernelApp" in shell.config


def _is_tty(stream: Any) -> bool:
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError):
        return False


def _write_beside_bars(stream: TextIO, text: str) -> None:
    """Print complete lines above whatever bars of tqdm the program has drawn by itself."""
    write = getattr(getattr(sys.modules.get("tqdm"), "tqdm", None), "write", None)
    if write is None:
        _write(stream, text)
    else:
        write(text, file=stream, end="")
        stream.flush()


def _write(stream: TextIO, text: str) -> None:
    # One call each, so that lines of two processes on one terminal stay whole.
    stream.write(text)
    stream.flush()


def _writable(text: str, stream: TextIO) -> str:
    """The text as the stream can write it: that of a worker may have been able to write more."""
    encoding = getattr(stream, "encoding", None)
    if encoding is None or text.isascii():
        return text
    try:
        text.encode(encoding, getattr(stream, "errors", None) or "strict")
    except UnicodeEncodeError:
        return text.encode(encoding, "backslashreplace").decode(encoding)
    return text


def _warn(error: Exception) -> None:
    import warnings

    text = f"the progress display is switched off, because it failed: {error!r}"
    warnings.warn(text, RuntimeWarning, stacklevel=5)
