"""Types of what the doctor asks: limits of this process, shared objects, other programs' lanes."""

from typing import Any, Self, final

__all__ = [
    "LaneView",
    "copy_fd",
    "core_limits",
    "memory_limits",
    "relatives",
    "survey",
]

@final
class LaneView:
    """A look at a worker of another program; takes over the descriptor of its lane."""

    def __new__(cls, fd: int) -> Self: ...
    def facts(self) -> tuple[int, str, bool, int]:
        """Its process, what it does, whether it runs something, since which monotonic ns."""

    def ask_stacks(self, pid: int) -> None:
        """Ask it to write the stacks of its threads; `pid` is its process, as seen from here."""

    def stacks(self) -> bytes:
        """What it has written since then."""

def copy_fd(pid: int, fd: int) -> int:
    """A copy of a descriptor of another process; wants the right to trace it."""

def core_limits() -> tuple[int, float | None]:
    """The processors of the affinity mask, and the quota of control groups in processors."""

def memory_limits() -> tuple[int | None, int | None, int | None]:
    """Bytes that are available, bytes of the budget, processes ended for lack of memory."""

def survey() -> list[dict[str, Any]]:
    """The locks, queues and their relatives in the shared memory of this process."""

def relatives() -> list[int]:
    """The processes that share memory with this one."""
