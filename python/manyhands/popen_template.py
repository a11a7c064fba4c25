"""Processes by `template`: a clean process forks them; `__main__` travels by value, as for a pool.

The template is told one message: a snapshot of this process (directory, environment, `sys.path`,
arguments, ...), the pieces of code that the process object needs, and the object itself. Nothing
of the program's main file is imported or run in the child, so no guard is needed.

A template that is killed takes no process with it, but only it can tell how one ends: the exit code
of a process that lives on is then not known (`UNKNOWN`).

Refuses: to choose the template (`_templates`), to run the child (`_child`).
"""

from __future__ import annotations

import errno
import os
from _pickle import dumps
from multiprocessing import context as _context
from multiprocessing import util
from multiprocessing.reduction import ForkingPickler

from . import (
    _cargo,
    _code,
    _handles,
    _missing,
    _pickling,
    _preparation,
    _snapshot,
    _templates,
)
from ._child import DupFd
from ._native import Collector
from ._popen import UNKNOWN
from ._popen import Popen as _Popen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

_util: Any = util  # its internals have no types

__all__ = ["Popen"]

# Seconds for which a look at a process that is dead waits for how it ended, at most.
_PATIENCE = 1.0


class Popen(_Popen):
    """A process that the template has forked."""

    method = "template"
    DupFd = DupFd

    def duplicate_for_child(self, fd: int) -> int:
        """The lifeline is the first of the child's descriptors, these follow."""
        return super().duplicate_for_child(fd) + 1

    def _launch(self, process: Any) -> None:
        environment = _preparation.environment(process)
        data, modules = self._pickled(process, environment)
        self._template = _templates.template_for(process, environment, modules)
        self._until.begin()
        lifeline, held = os.pipe()
        try:
            self._id, self.pid, self.sentinel = self._template.native.start(
                data, [lifeline, *self._fds], self.bound, self._until.deliver
            )
        except OSError as error:
            os.close(held)
            raise self._failed(error) from error
        except BaseException:
            os.close(held)
            raise
        finally:
            os.close(lifeline)
        self._hold(held, self.sentinel)
        self._end = util.Finalize(self, self._template.native.forget, (self._id,))

    def _failed(self, error: OSError) -> OSError:
        """What `start` raises; without room for a descriptor the template is not to blame."""
        if error.errno in (errno.EMFILE, errno.ENFILE):
            reason = f"{os.strerror(error.errno)} (RLIMIT_NOFILE)"
            return OSError(error.errno, f"the process could not be started: {reason}")
        _templates.discard(self._template)
        return OSError(f"the process could not be started: {error}")

    def _pickled(self, process: Any, environment: dict[str, str]) -> tuple[bytes, Iterable[str]]:
        """What the process is told, and the modules that it will import when it reads that."""
        # Shared objects that the code refers to: there until the child has ended.
        self._kept: list[Collector] = []
        blobs: list[bytes] = []
        needed: list[int] = []

        def register(data: bytes, _name: str, met: Collector) -> int:
            blobs.append(data)
            self._kept.append(met)
            return len(blobs) - 1

        shipper = _code.Shipper(register, needed.append)
        with _handles.Spawning(self):
            world = bytes(ForkingPickler.dumps(_handles.passport(self)))
            with Collector(cargo=True) as met:
                body = shipper.dumps(process, "process")
            self._kept.append(met)
            body = _cargo.pack(body, met, _pickling.loads_cargo)
        _missing.check(process, shipper.unsent, shipper.sent())
        snapshot = _snapshot.take(environment, ())
        code = [blobs[number] for number in needed]
        return dumps((snapshot, _standard_state(), world, code, body), 5), shipper.modules

    def _reap(self, timeout: float | None) -> int | None:
        limit = None if timeout is None else _PATIENCE
        ended = self._template.native.ended(self._id, limit)
        if ended is None:
            return None
        code, reason = ended
        if code is None:
            util.sub_warning("how process %d ended is not known: %s", self.pid, reason)
            return UNKNOWN
        return code


def _standard_state() -> dict[str, Any]:
    """What `multiprocessing.spawn.prepare` is told in the child, beside the snapshot."""
    state: dict[str, Any] = {"log_to_stderr": _util._log_to_stderr}
    if _util._logger is not None:
        state["log_level"] = _util._logger.getEffectiveLevel()
    method = _context._default_context.get_start_method(allow_none=True)
    if method is not None:
        state["start_method"] = method
    return state
