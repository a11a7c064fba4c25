"""Types of what `Process` needs of the engine: a template, lifelines, waiting."""

from typing import final

__all__ = [
    "ProcessTemplate",
    "end_on_hangup",
    "end_with_creator",
    "is_main_thread",
    "spawn_member_of_group",
    "wait_dead",
]

@final
class ProcessTemplate:
    """The process that forks the processes of this program, started when it is needed.

    Args:
        program: the interpreter.
        arguments: what makes it a template.
        environment: its whole environment.
    """

    def __new__(
        cls, program: str, arguments: list[str], environment: list[tuple[str, str]]
    ) -> ProcessTemplate: ...
    def preload(self, module: str) -> None:
        """Let it import a module before it forks again."""

    def start(self, blob: bytes, fds: list[int], bound: bool) -> tuple[int, int, int]:
        """Start a process that is told `blob`, and wait until it is there.

        The first of `fds` is the reading end of its lifeline; with `bound` it ends soon after the
        other end is closed. Returns its name here, its pid and a pidfd, which is the caller's.

        Raises:
            OSError: if it could not be started; the text says why.
        """

    def ended(self, name: int, timeout: float | None) -> tuple[int | None, str | None] | None:
        """How a process ended, once that is known within `timeout` seconds; else None.

        Its exit code (negative: a signal) and None; or None and why nobody can tell.
        """

    def forget(self, name: int) -> None:
        """Nobody will ask for this process again; one that is not there yet is killed."""

def spawn_member_of_group(
    program: str, arguments: list[str], environment: list[tuple[str, str]], fds: list[int]
) -> tuple[int, int]:
    """Execute a program in our process group, with these descriptors: its pid and a pidfd."""

def end_on_hangup(fd: int) -> None:
    """Kill this process soon after nobody holds the other end of this pipe any more."""

def end_with_creator(pname: int) -> None:
    """Kill this process soon after the end of the thread, of process `pid`, that created it."""

def is_main_thread() -> bool:
    """Whether the calling thread is the one with which this process began."""

def wait_dead(pidfd: int, timeout: float | None) -> bool:
    """Whether the process of a pidfd is dead (or a pipe has something to say) within `timeout`."""
