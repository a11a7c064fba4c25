"""`multiprocessing.process`, with processes that know their environment and end with their parent.

A process of ours is one of the standard library's: `multiprocessing.current_process()` is the same
object as ours, `active_children()` lists both kinds, daemon rules and names hold across. What is
added: `env=`, `outlive=`, and `interrupt` on every Python.

Names that are not here are the standard library's (`_cleanup`, `_children`, ...).

Refuses: to know how a process is started; its class in `context` does.
"""

from __future__ import annotations

import multiprocessing.process as _standard

from . import _arrival, _default, _loading, _stacks
from ._snapshot import checked
from ._uninterrupted import Uninterrupted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

__all__ = ["BaseProcess", "active_children", "current_process", "parent_process"]


class BaseProcess(_standard.BaseProcess):
    """Something to be run in a process of its own.

    Args:
        group: None; it is there because threads have it.
        target: what the process calls, with `args` and `kwargs`. A subclass may override `run`.
        name: for people; None gives one like `Process-1`.
        args: its positional arguments.
        kwargs: its keyword arguments.
        daemon: whether it is terminated when this process exits, and may have no children; None
            means as this process.
        env: environment variables, set before the process imports anything of the program; the
            others are this process's, as they are at `start`.
        outlive: let it live on when this process is killed. Without it the kernel ends it then.

    >>> process = Process(target=print, args=("hello",))
    >>> process.start()
    >>> process.join()
    >>> process.exitcode
    0
    """

    _start_method: Any = None
    _env: dict[str, str] | None = None
    _outlive = False
    _inherited_method: str | None = None
    _until: Uninterrupted | None = None

    def __init__(
        self,
        group: None = None,
        target: Callable[..., object] | None = None,
        name: str | None = None,
        args: Iterable[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        daemon: bool | None = None,
        env: Mapping[str, str] | None = None,
        outlive: bool = False,
    ) -> None:
        # Named, not super(): a class made from `multiprocessing.Process` may call this one's.
        _standard.BaseProcess.__init__(self, group, target, name, args, kwargs or {}, daemon=daemon)
        self._env = None if env is None else checked(env)
        self._outlive = bool(outlive)

    def start(self) -> None:
        """Start the process; once, and in the process that made this object."""
        self._inherited_method = self._start_method or _default.chosen()
        _stacks.offer()
        if self._inherited_method != "fork":
            _loading.refuse("a process")
        # From the birth of the process on to the end: an exception in between would lose it.
        self._until = until = Uninterrupted()
        try:
            super().start()
        finally:
            self.__dict__.pop("_until", None)
            until.end()

    def interrupt(self) -> None:
        """Send SIGINT: the process raises `KeyboardInterrupt`, so that `finally` blocks run."""
        own: Any = self
        own._check_closed()
        own._popen.interrupt()

    def _bootstrap(self, parent_sentinel: int | None = None) -> int:
        """Be that process: called in the child, by whatever started it."""
        _stacks.offer()
        _default.choose(self._inherited_method)
        # The standard library's default method is none of ours to set.
        self._start_method = None
        standard: Any = super()
        own: Any = self
        own.run = self._run_told
        return _arrival.exit_status(standard._bootstrap(_arrival.take_lifeline(parent_sentinel)))

    def _run_told(self) -> None:
        """Run, and say of a global that is missing why it is."""
        del self.__dict__["run"]
        try:
            self.run()
        except NameError as error:
            from . import _missing

            told = _missing.explained(error)
            if told is error:
                raise
            raise told from error


def current_process() -> _standard.BaseProcess:
    """The object of this process."""
    return _standard.current_process()


def parent_process() -> _standard.BaseProcess | None:
    """The object of the process that started this one; None in the first process."""
    return _standard.parent_process()


def active_children() -> list[_standard.BaseProcess]:
    """The children of this process that live; those that have ended are reaped."""
    return _standard.active_children()


def __getattr__(name: str) -> Any:
    return getattr(_standard, name)
