"""Python stacks of processes that are no workers: of the program itself, and of those of `Process`.

Each *offers* them when it first uses a pool or starts a process, or is one: a handler in C for one
real-time signal, which Python leaves alone, writes the stacks of all threads into a memory file of
its own. Whoever may trace the process copies the file's descriptor, sends the signal and reads. It
costs a descriptor, and nothing until it is asked. (Workers have the same, in their lanes.)

Refuses: to take the signal from a program that uses it, and to send it where no handler is.
"""

from __future__ import annotations

import os

from ._native import copy_fd, make_handler_stack_roomy, stacks_signal
from ._threads_of import command_of, descendants, handles_signal, memory_files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator

FILE = "manyhands-stacks"
# Seconds that processes have to write their stacks, and the bytes that are read of each.
_PATIENCE = 1.0
_MOST = 1 << 20

_offered: tuple[int, int, object] | None = None  # the process, the descriptor, what it is


def offer() -> None:
    """Let the doctor have the stacks of this process; once in each process."""
    global _offered  # noqa: PLW0603 - one offer of the process
    before, own = _offered, os.getpid()
    if before is not None and before[0] == own:
        return
    import faulthandler
    import signal

    _offered = own, -1, None
    number = stacks_signal()
    if signal.getsignal(number) is not signal.SIG_DFL:
        return  # the program's own
    try:
        fd = os.memfd_create(FILE)
        faulthandler.register(number, fd, all_threads=True)
        make_handler_stack_roomy()
    except (OSError, RuntimeError, ValueError):
        return  # without descriptors, or signals: a comfort that is not to be had
    if before is not None and before[1] >= 0 and _identity(before[1]) == before[2]:
        os.close(before[1])  # the parent's, of which we are a copy
    _offered = own, fd, _identity(fd)


def _identity(fd: int) -> object:
    """Which file that is: the program may have closed ours, and use the number for its own."""
    try:
        found = os.fstat(fd)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def withhold() -> None:
    """This process is a worker, whose stacks are had by its lane."""
    global _offered  # noqa: PLW0603 - as above
    _offered = os.getpid(), -1, None


def of_children(
    pid: int, workers: Container[int | None], *, with_itself: bool = False
) -> tuple[list[tuple[int, str, str | None]], list[str]]:
    """The processes that a program has started: number, command and stacks; and notes on others.

    Workers are left out, and in the notes are those that offer no stacks. `with_itself` puts the
    program itself before them.
    """
    others = [other for other in descendants(pid) if other not in workers]
    asked = [pid, *others] if with_itself else others
    offers = dict(_offers(asked))
    stacks = ask(offers.items(), copy_fd)
    states = [
        (other, command_of(other), stacks.get(other))
        for other in asked
        if other in offers or (with_itself and other == pid)
    ]
    return states, [
        f"child {other}: {command_of(other)}" for other in others if other not in offers
    ]


def _offers(pids: Iterable[int]) -> Iterator[tuple[int, int]]:
    """The processes that offer their stacks, and the descriptor where each does."""
    for pid in pids:
        try:
            offers = [fd for fd, name in memory_files(pid) if name == FILE]
        except (ProcessLookupError, PermissionError):
            continue
        if offers:
            yield pid, offers[-1]


def ask(files: Iterable[tuple[int, int]], copied: Callable[[int, int], int]) -> dict[int, str]:
    """The stacks of processes, by their numbers; without those that write none.

    `files` are their numbers and the descriptors of what they offer; `copied` copies a descriptor
    of another process.
    """
    asked: dict[int, int] = {}
    try:
        for pid, fd in files:
            if handles_signal(pid, stacks_signal()):
                _ask(pid, fd, copied, asked)
        return once_written(lambda: {pid: os.pread(file, _MOST, 0) for pid, file in asked.items()})
    finally:
        for file in asked.values():
            os.close(file)


def _ask(pid: int, fd: int, copied: Callable[[int, int], int], asked: dict[int, int]) -> None:
    import signal

    try:
        asked[pid] = copied(pid, fd)
        os.truncate(asked[pid], 0)
        os.lseek(asked[pid], 0, os.SEEK_SET)
        process = os.pidfd_open(pid)
        try:
            signal.pidfd_send_signal(process, stacks_signal())
        finally:
            os.close(process)
    except OSError:
        return  # it has ended, or may not be traced


def once_written(read: Callable[[], dict[int, bytes]]) -> dict[int, str]:
    """What `read` gives, as text, once nobody writes any more; without those that write nothing.

    A process writes within milliseconds, unless it is in the kernel and cannot be interrupted.
    """
    import threading
    import time

    pause = threading.Event()
    deadline = time.monotonic() + _PATIENCE
    before, seen = None, read()
    while time.monotonic() < deadline and (before != seen or not all(seen.values())):
        pause.wait(0.02)
        before, seen = seen, read()
    texts = {key: text.decode("utf-8", "backslashreplace") for key, text in seen.items()}
    return {key: text for key, text in texts.items() if text}
