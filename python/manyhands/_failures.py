"""Exceptions that the engine asks for: facts in, an exception object out.

The engine knows numbers (a seat, a signal, an index); the words are in `errors`, which is imported
only here and only when something has failed. Refuses: to raise. It returns what is to be raised.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class _Guard:
    """What to say of a pool whose workers have ended while they imported the main file."""

    advice = ""


_guard = _Guard()


def suspect_guard() -> None:
    """A worker that imports the main file ended before it was one: `LaunchError` will say why."""
    _guard.advice = (
        " Its workers import the main file again (spawn and forkserver do), and something there "
        'ends them: what starts a pool or a process must stand under `if __name__ == "__main__":`. '
        "What they printed tells more."
    )


def worker_died(**facts: Any) -> BaseException:
    """The worker that ran an item ended: a `WorkerDied` with these facts."""
    from .errors import MemoryLimitExceeded, WorkerDied

    exceeded = facts.pop("exceeded")
    facts["stacks"] = _text(facts["stacks"])
    if exceeded is not None:
        used, limit = exceeded
        return MemoryLimitExceeded(**_worded(facts), used=used, limit=limit)
    return WorkerDied(**_worded(facts))


def task_timeout(*, stacks: bytes, raised: bytes | None = None, **facts: Any) -> BaseException:
    """The time of an item was up: a `TaskTimeout` with what its worker was doing."""
    from .errors import TaskTimeout

    error = TaskTimeout(stacks=_text(stacks), **facts)
    if raised is not None:
        from ._remote import loads_exception

        try:
            error.__cause__ = loads_exception(raised)
        except Exception as broken:  # noqa: BLE001 - it was interrupted; that is all that counts
            error.__cause__ = broken
    return error


def initializer_failed(
    *, raised: bytes | None = None, launch: str | None = None, **facts: Any
) -> BaseException:
    """The pool cannot work: an `InitializerError` with its cause."""
    from .errors import InitializerError, LaunchError

    if launch is not None:
        return LaunchError(detail=_sentence(launch) + _guard.advice)
    facts = _worded({**facts, "stacks": _text(facts.get("stacks", b""))})
    error = InitializerError(**{name: facts.get(name) for name in InitializerError._facts})  # noqa: SLF001
    if raised is not None:
        from ._remote import loads_exception

        error.__cause__ = loads_exception(raised)
    return error


def _text(stacks: bytes) -> str | None:
    return stacks.decode("utf-8", "backslashreplace") or None


def _worded(facts: dict[str, Any]) -> dict[str, Any]:
    detail = facts.get("detail")
    return facts if detail is None else {**facts, "detail": _sentence(detail)}


def _sentence(text: str) -> str:
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def cancelled() -> BaseException:
    """The item was cancelled."""
    from concurrent.futures import CancelledError

    return CancelledError("this item was cancelled before it was done")


def terminated() -> BaseException:
    """The pool was terminated before the item was done."""
    from concurrent.futures import CancelledError

    return CancelledError("the pool was terminated before this item was done")


def cut_off() -> BaseException:
    """The pool ended before the source of an iteration did."""
    from concurrent.futures import CancelledError

    return CancelledError("the pool ended before it had pulled everything from this iterable")


def timed_out() -> BaseException:
    """A wait was over before the result came."""
    from .errors import TimeoutError as TimedOut

    return TimedOut("the result did not arrive in time; it may still come: ask again")
