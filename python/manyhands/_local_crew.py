"""The threads of a `ThreadPool`: workers that serve one queue, and a caller of user callbacks.

Each worker runs the initializer, then tasks in the order in which they came, until it takes a
*leave* (None) from the queue. Leaves come last, so work that was queued before them is done. A
failing initializer breaks the crew: every task, queued or later, fails with one InitializerError.

The callback thread starts with the first callback. It keeps user code away from the workers: a
callback that waits for another call of the pool cannot starve it.

Refuses: to kill a thread, which Python cannot do. Threads are daemons, so none holds up the exit.
"""

from __future__ import annotations

import os
import queue
import threading

from ._options import arguments
from ._uninterrupted import Uninterrupted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from ._local_calls import Task
    from .errors import InitializerError


class Crew:
    """The workers of one pool.

    Args:
        initializer: each worker calls it once, before its first task.
        initargs: its arguments.
    """

    def __init__(self, initializer: Callable[..., object] | None, initargs: Iterable[Any]) -> None:
        self._initializer = initializer
        self._initargs = arguments("initargs", initargs)
        self._tasks: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self._lock = threading.RLock()
        self._threads: list[threading.Thread] = []
        self._running: dict[int, Task] = {}
        self._failure: BaseException | None = None
        self._leaving = self._abandoned = False
        self._pid = os.getpid()
        self.size = 0  # workers that have not been told to leave

    def check_process(self) -> None:
        """Raise in a forked child: it has the pool, but not its threads."""
        if os.getpid() != self._pid:
            raise RuntimeError(
                f"this pool belongs to process {self._pid}: a fork does not copy its threads; "
                "make a pool of its own in the forked child"
            )

    def add(self, count: int) -> None:
        """Start `count` more workers."""
        with self._lock:
            self._threads = [thread for thread in self._threads if thread.is_alive()]
            for _ in range(count):
                thread = threading.Thread(target=self._serve, name="manyhands-thread", daemon=True)
                # An exception in the middle would leave a thread that dies before it runs anything.
                with Uninterrupted():
                    thread.start()
                    self._threads.append(thread)
                    self.size += 1

    def remove(self, count: int) -> None:
        """Let `count` workers leave once they have done what is queued by now; one must stay."""
        with self._lock:
            if count >= self.size:
                raise ValueError(f"cannot shrink {self.size} workers by {count}: one must remain")
            self.size -= count
            for _ in range(count):
                self._tasks.put(None)

    def put(self, task: Task) -> None:
        """Queue `task`; it fails at once if the crew is broken, and is abandoned if it leaves."""
        with self._lock:
            failure, leaving = self._failure, self._leaving
            if failure is None and not leaving:
                self._tasks.put(task)
                if self._leaving:  # a handler of signals has come in between
                    self._abandon_queued()
                return
        if failure is not None:
            task.fail(failure)
        else:
            task.abandon("the pool was terminated")

    def leave(self) -> None:
        """Let all workers leave once they have done what is queued. In a forked child: nothing."""
        if os.getpid() != self._pid:
            return
        with self._lock:
            count, self.size, self._leaving = self.size, 0, True
        for _ in range(count):
            self._tasks.put(None)

    def abandon(self) -> None:
        """Cancel what is queued and give up what runs; the workers leave."""
        self._abandoned = True
        self.leave()
        self._abandon_queued()
        with self._lock:
            running = list(self._running.values())
        for task in running:
            task.abandon("the pool was terminated")

    def join(self) -> None:
        """Wait until every worker has left."""
        for thread in list(self._threads):
            thread.join()

    def _abandon_queued(self) -> None:
        for task in self._drain():
            task.abandon("the pool was terminated")

    def _drain(self) -> list[Task]:
        tasks: list[Task] = []
        leaves = 0
        try:
            while True:
                task = self._tasks.get_nowait()
                if task is None:
                    leaves += 1
                else:
                    tasks.append(task)
        except queue.Empty:
            for _ in range(leaves):
                self._tasks.put(None)
        return tasks

    def _serve(self) -> None:
        if not self._initialize():
            return
        me = threading.get_ident()
        while (task := self._tasks.get()) is not None:
            self._running[me] = task
            if self._abandoned:  # in between: `abandon` found it neither queued nor running
                task.abandon("the pool was terminated")
            task.run(())
            del self._running[me], task  # an idle worker keeps nothing alive

    def _initialize(self) -> bool:
        if self._initializer is None:
            return True
        try:
            self._initializer(*self._initargs)
        except BaseException as error:  # noqa: BLE001 - SystemExit too would end the worker
            self._break(error)
        return self._failure is None

    def _break(self, cause: BaseException) -> None:
        error = initializer_error(self._initializer, cause)
        with self._lock:
            self._failure = self._failure or error
        for task in self._drain():
            task.fail(self._failure)


def initializer_error(initializer: object, cause: BaseException) -> InitializerError:
    """The one error of a pool whose initializer has failed because of `cause`."""
    from .errors import InitializerError

    name = getattr(initializer, "__qualname__", None) or repr(initializer)
    error = InitializerError(function=name, detail=f"It raised {cause!r}.")
    error.__cause__ = cause
    return error


class CallbackThread:
    """Runs functions one after the other in a thread that starts with the first."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._functions: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def put(self, function: Callable[[], None]) -> None:
        """Run `function` after those that came before."""
        with self._lock:
            if self._thread is None:
                self._functions = queue.SimpleQueue()
                thread = threading.Thread(
                    target=self._serve,
                    args=(self._functions,),
                    name="manyhands-callbacks",
                    daemon=True,
                )
                with Uninterrupted():
                    thread.start()  # if it cannot, the next function tries again
                    self._thread = thread
            self._functions.put(function)

    def leave(self) -> threading.Thread | None:
        """Let the thread end after what is queued; it starts anew if more comes. The thread."""
        with self._lock:
            thread, self._thread = self._thread, None
            if thread is not None:
                self._functions.put(None)
        return thread

    def _serve(self, functions: queue.SimpleQueue[Callable[[], None] | None]) -> None:
        while (function := functions.get()) is not None:
            try:
                function()
            except SystemExit:
                # As in any thread it ends the function, but others wait for this thread.
                continue
            finally:
                del function
