"""The worker process: what happens between its birth and its first item, and what tasks see of it.

Every start method ends in `serve`: take over the parent's state, prepare `__main__`, signals and
faulthandler, then let the native loop run items until the pool asks for the end.

Refuses: to run or decode items (the native loop does), and to know how it was started beyond the
word that tells where its `__main__` comes from.
"""

from __future__ import annotations

import os
import sys

from ._native import (
    interrupt_wanted,
    keep_printed,
    make_handler_stack_roomy,
    run_worker,
    stacks_signal,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import FrameType
    from typing import Any, Literal, NoReturn, TextIO

    from ._native import WorkerEnd


class Worker:
    """A worker, as its tasks see it.

    `id` counts the pool's seats from 0 and survives the replacement of a worker; `pid` is the
    process; `name` is made of both.
    """

    __slots__ = ("id", "name", "pid")

    def __init__(self, number: int) -> None:
        self.id = number
        self.pid = os.getpid()
        self.name = f"manyhands-{number}"

    def __repr__(self) -> str:
        return f"<manyhands worker {self.id}, pid {self.pid}>"


_current: Worker | None = None


def worker() -> Worker | None:
    """The worker that this code runs in; None in the parent.

    >>> worker() is None
    True
    """
    if _current is not None and _current.pid != os.getpid():
        return None
    return _current


def serve(
    end: WorkerEnd, snapshot: bytes, origin: Literal["fresh", "inherited", "imported"]
) -> None:
    """Be a worker until the pool asks for the end."""
    global _current  # noqa: PLW0603 - one identity per process
    from . import _identity, _namespace, _seeds, _snapshot

    _current = Worker(end.seat)
    _namespace.prepare(origin)
    state = _snapshot.load(snapshot)
    if state["logs"] is not None:
        from ._outlet import begin

        channel, settings = state["logs"]
        begin(channel, _current.name, settings)
    _identity.become(_current.name, end.seat, state["parent"])
    _snapshot.restore(state)
    _prepare_output()
    _prepare_signals(end.stacks_fd())
    _seeds.leave()
    _name_process(_current.name)
    try:
        run_worker(end, *state["memory"])
    finally:
        route_output(False)
        _flush()


def initialize(function: Callable[..., object], arguments: bytes) -> None:
    """Run the pool's initializer: called by the native loop, before the first item."""
    from ._pickling import loads

    function(*loads(arguments, "initargs"))


def end_fork(error: BaseException | None) -> NoReturn:
    """End a fork of this worker that has come back out of its task: called by the native loop.

    A program that forks and does not end its child by `os._exit` would be two programs; here the
    child would be a second worker on one lane.
    """
    code = 1
    try:
        if isinstance(error, SystemExit):
            code = error.code if isinstance(error.code, int) else int(error.code is not None)
        elif error is None:
            code = 0
        else:
            sys.excepthook(type(error), error, error.__traceback__)
        _flush()
    finally:
        os._exit(int(code) & 0xFF)  # it refuses what is no int of C


def _prepare_output() -> None:
    """Whole lines: several workers write to one terminal, file or pipe."""
    _first[:] = (sys.stdout, sys.stderr)
    for stream in _first:
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(line_buffering=True, write_through=False)


def _prepare_signals(stacks: int) -> None:
    import faulthandler
    import signal

    from . import _stacks

    _stacks.withhold()
    # In C, at once, whatever the task does: it writes into the lane, where the parent reads.
    faulthandler.register(stacks_signal(), stacks, all_threads=True)

    signal.signal(signal.SIGINT, _on_interrupt)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for stop in (signal.SIGTTOU, signal.SIGTTIN):
        signal.signal(stop, signal.SIG_IGN)
    # A crash too: `WorkerDied` says where.
    faulthandler.enable(stacks, all_threads=True)
    make_handler_stack_roomy()


def _on_interrupt(_signum: int, _frame: FrameType | None) -> None:
    """SIGINT counts only for the item that the parent wants to stop."""
    if interrupt_wanted():
        raise KeyboardInterrupt


def _name_process(name: str) -> None:
    try:
        with open("/proc/self/comm", "w", encoding="ascii") as comm:
            comm.write(name[:15])
    except OSError:
        # A name is a comfort; /proc may not be mounted.
        pass


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):
            # Closed, detached, or nobody reads: the worker ends all the same.
            continue


class _Routed:
    """Stands for `sys.stdout` or `sys.stderr` while the parent shows a progress bar.

    Tasks may keep it for longer (a handler of `logging` does): whenever no item with a bar runs, it
    is no more than the stream.
    """

    def __init__(self, stream: TextIO, number: int) -> None:
        self._stream = stream
        self._number = number

    def write(self, text: Any) -> int:
        if not isinstance(text, str):
            return self._stream.write(text)
        # Also a carriage return: streams that are buffered by lines know no other ends of them.
        ends = "\n" in text or "\r" in text
        if keep_printed(self._number, self._as_sent(text), ends):
            return len(text)
        return self._stream.write(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        keep_printed(self._number, b"", True)
        # Bytes may have been written to its buffer.
        self._stream.flush()

    def _as_sent(self, text: str) -> bytes:
        """What the stream would make of the text, or raise; lone surrogates may be left in it."""
        encoding = None if text.isascii() else getattr(self._stream, "encoding", None)
        if encoding is not None:
            errors = getattr(self._stream, "errors", None) or "strict"
            text = text.encode(encoding, errors).decode(encoding, "surrogateescape")
        return text.encode("utf-8", "surrogatepass")

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)


# The streams that this process began with.
_first: list[TextIO | None] = []


def _leads_out(stream: TextIO | None, number: int) -> bool:
    """Whether what is written to it comes out of this process as what the program prints does.

    Workers may have put a file, or a stream that writes to several, in the place of theirs.
    """
    if stream is None:
        return False
    if any(stream is first for first in _first):
        return True
    try:
        return stream.fileno() == number
    except (AttributeError, OSError, ValueError):
        return False


def route_output(routed: bool) -> None:
    """Send what tasks print to the parent, or to where it went before."""
    if routed:
        _flush()
    for number, name in ((1, "stdout"), (2, "stderr")):
        stream = getattr(sys, name)
        if routed and not isinstance(stream, _Routed) and _leads_out(stream, number):
            setattr(sys, name, _Routed(stream, number))
        elif not routed and isinstance(stream, _Routed):
            setattr(sys, name, stream._stream)  # noqa: SLF001 - our own
