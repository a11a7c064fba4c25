"""Types of what `Process` needs of the engine: a template, lifelines, waiting."""

from collections.abc import Callable
from typing import final

__all__ = [
    "ProcessTemplate",
    "WorkerEnd",
    "end_on_hangup",
    "end_with_creator",
    "fork",
    "forked",
    "is_main_thread",
    "lead_group",
    "leave_interpreter",
    "make_handler_stack_roomy",
    "release_owned",
    "run_process_template",
    "run_template",
    "set_handler",
    "spawn_member_of_group",
    "wait_dead",
    "watch_parent",
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

    def start(
        self, blob: bytes, fds: list[int], bound: bool, attend: Callable[[], None]
    ) -> tuple[int, int, int]:
        """Start a process that is told `blob`, and wait until it is there.

        The first of `fds` is the reading end of its lifeline; with `bound` it ends soon after the
        other end is closed. `attend` is called now and then meanwhile, in the same thread; what it
        raises is raised, and the process is killed when it comes. Returns its name here, its pid
        and a pidfd, which is the caller's.

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

@final
class WorkerEnd:
    """What a worker process needs of its pool."""

    @staticmethod
    def attach(lane: int, hub: int, event: int, seat: int) -> WorkerEnd:
        """Take over the descriptors of lane, hub and event."""

    def take_given(self) -> list[int]:
        """The descriptors that the pool gave besides: the caller's own from now on."""

    def fds(self) -> tuple[int, int, int]:
        """The descriptors of lane, hub and event, to be passed on."""

    def stacks_fd(self) -> int:
        """The descriptor of its lane, into which the fault handler writes stacks."""

    @property
    def seat(self) -> int:
        """The number of the worker's seat."""

def run_template(
    import_: Callable[[str], object], fork: Callable[[], int]
) -> tuple[WorkerEnd, bytes] | None:
    """Serve the pool that started this process; None at its end.

    In a forked worker: what it needs of its pool, and the parent's snapshot.
    """

def run_process_template(
    import_: Callable[[str], object], fork: Callable[[], int]
) -> tuple[list[int], bytes] | None:
    """Serve the program that started this process; None at its end.

    In a forked process: its descriptors, the lifeline first, and what it is told.
    """

def fork() -> int:
    """Fork, with the interpreter's hooks and without its warning; 0 in the child."""

def forked() -> None:
    """Runs in every forked child: the pools that exist are the parent's."""

def release_owned(lock: object) -> None:
    """Release a reentrant lock once, if the calling thread owns it; no handler of signals runs."""

def set_handler(number: int, handler: object) -> None:
    """Set Python's handler of a signal; what the kernel does with it stays as it is."""

def make_handler_stack_roomy() -> None:
    """Make the stack for handlers that `faulthandler` has given this thread a roomy one."""

def leave_interpreter() -> None:
    """Runs last at the interpreter's exit: threads that wait in the engine stay there."""

def lead_group() -> None:
    """Make this process the leader of a group of its own."""

def watch_parent(pid: int) -> None:
    """End this process and its group when that process, its parent, has ended."""
