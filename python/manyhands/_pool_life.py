"""How a `Pool` ends, grows, is looked at: what is not about items.

Refuses: to run anything; that is `_pool`.
"""

from __future__ import annotations

from . import _internals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any, NoReturn, Self

    from ._doctor import Diagnosis
    from ._setup import Crew


class PoolLife:
    """The methods of `Pool` that are about its workers as a whole."""

    _crew: Crew
    _closed: bool
    _exit: str

    def close(self) -> None:
        """Accept nothing more. What was submitted runs; workers end when it is done."""
        self._closed = True
        self._crew.engine.close()

    def terminate(self) -> None:
        """End all workers now; what has not ended raises `CancelledError` where it is asked for."""
        self._closed = True
        self._crew.terminate()

    def join(self) -> None:
        """Wait until all workers have ended. Live iterators are fed to their end first.

        Raises:
            ValueError: if the pool is still open: call `close` or `terminate` first.
        """
        if not self._closed:
            raise ValueError("the pool is still open: call close() or terminate() before join()")
        self._crew.join()

    def grow(self, n: int) -> None:
        """Add `n` workers."""
        self._check_open()
        self._crew.grow(n)

    def shrink(self, n: int) -> None:
        """Let `n` workers go, each after the item that it runs. One always stays."""
        self._check_open()
        self._crew.shrink(n)

    def doctor(self) -> Diagnosis:
        """What each worker does, and what locks and queues of this program wait for: print it.

        >>> with Pool(1) as pool:
        ...     _ = pool.map(abs, [-1])
        ...     pool.doctor().workers[0].state
        'idle'
        """
        return self._crew.doctor()

    def __enter__(self) -> Self:
        self._crew.engine.check()
        self._check_open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is not None or self._exit == "terminate" or self._crew.engine.is_foreign():
            self.terminate()
            self._crew.wait_gone()
            return
        try:
            self._crew.settle()
            self.close()
            self._crew.wait_gone()
        except BaseException:
            self.terminate()
            self._crew.wait_gone()
            raise

    # Internals that programs, and CPython's own tests, have come to use

    @property
    def _pool(self) -> list[_internals.Member]:
        return _internals.members(self._crew.engine)

    def _repopulate_pool(self) -> None:
        """Nothing: the engine replaces workers by itself."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "_state":
            _internals.warn_when_dropped(self, value)
        super().__setattr__(name, value)

    def __repr__(self) -> str:
        state = "closed" if self._closed else "open"
        return f"<manyhands.Pool {state}, {self._crew.describe()}>"

    def __reduce__(self) -> NoReturn:
        raise NotImplementedError(
            "a pool cannot be pickled: give workers the data, or let a task create its own pool"
        )

    def _check_open(self) -> None:
        if self._closed:
            raise ValueError("this pool is closed: create a new one to run more")
