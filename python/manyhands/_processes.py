"""`Process` by each start method, and by the program's default one.

Each class only knows the module that starts it, which is loaded at the first start.

Refuses: to start anything.
"""

from __future__ import annotations

from . import _default, process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class TemplateProcess(process.BaseProcess):
    """A process that the program's template forks."""

    _start_method = "template"

    @staticmethod
    def _Popen(process_obj: Any) -> Any:  # noqa: N802 - the standard library's name
        from .popen_template import Popen

        return Popen(process_obj)


class ForkProcess(process.BaseProcess):
    """A process that this one forks."""

    _start_method = "fork"

    @staticmethod
    def _Popen(process_obj: Any) -> Any:  # noqa: N802 - the standard library's name
        from .popen_fork import Popen

        return Popen(process_obj)


class SpawnProcess(process.BaseProcess):
    """A process that is executed, and imports the program's main file."""

    _start_method = "spawn"

    @staticmethod
    def _Popen(process_obj: Any) -> Any:  # noqa: N802 - the standard library's name
        from .popen_spawn_posix import Popen

        return Popen(process_obj)

    @staticmethod
    def _after_fork() -> None:
        """Nothing: it was not forked."""


class ForkServerProcess(process.BaseProcess):
    """A process that the standard library's fork server forks."""

    _start_method = "forkserver"

    @staticmethod
    def _Popen(process_obj: Any) -> Any:  # noqa: N802 - the standard library's name
        from .popen_forkserver import Popen

        return Popen(process_obj)


class Process(process.BaseProcess):
    __doc__ = process.BaseProcess.__doc__

    _start_method = None

    @staticmethod
    def _Popen(process_obj: Any) -> Any:  # noqa: N802 - the standard library's name
        return _classes[_default.fixed()]._Popen(process_obj)

    @staticmethod
    def _after_fork() -> None:
        _classes[_default.fixed()]._after_fork()


_classes: dict[str, Any] = {
    "template": TemplateProcess,
    "fork": ForkProcess,
    "spawn": SpawnProcess,
    "forkserver": ForkServerProcess,
}
