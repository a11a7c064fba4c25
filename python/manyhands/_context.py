"""Start methods by name, as in `multiprocessing`: contexts, and the default of the program.

Workers start by one of four methods. `template`, the default: a clean process forks them. `fork`:
this process does. `spawn` and `forkserver`: as the standard library does it. The default is what
`set_start_method` has set, else the environment variable MANYHANDS_START_METHOD, else `template`.

Refuses: to start anything; a context only passes its method on.
"""

from __future__ import annotations

from ._native import cpu_count
from ._options import check_method, environment_method

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any, Literal, NoReturn, overload

    from . import errors
    from ._executor import Executor
    from ._pool import Pool

_default: Context | None = None


class Context:
    """A start method, with what depends on it under the names of `multiprocessing`.

    Args:
        method: "template", "fork", "spawn" or "forkserver".

    Raises:
        ValueError: for any other name.

    >>> context = get_context("fork")
    >>> with context.Pool(2) as pool:
    ...     pool.map(abs, [-1, 2])
    [1, 2]
    """

    cpu_count = staticmethod(cpu_count)

    def __init__(self, method: str) -> None:
        check_method(method)
        self._method = method

    @property
    def method(self) -> str:
        """The name of the start method."""
        return self._method

    @property
    def TimeoutError(self) -> type[errors.TimeoutError]:  # noqa: N802 - multiprocessing's name
        """The exception of a wait that was over too early: `manyhands.TimeoutError`."""
        from .errors import TimeoutError  # noqa: A004 - multiprocessing's name

        return TimeoutError

    @property
    def ProcessError(self) -> type[errors.ProcessError]:  # noqa: N802 - multiprocessing's name
        """The base of what goes wrong between processes: `manyhands.ProcessError`."""
        from .errors import ProcessError

        return ProcessError

    def Pool(  # noqa: N802 - multiprocessing's name
        self,
        processes: int | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: Iterable[Any] = (),
        maxtasksperchild: int | None = None,
        *,
        env: Mapping[str, str] | None = None,
        preload: Sequence[str] = (),
        exit: Literal["wait", "terminate"] = "wait",  # noqa: A002 - the option's name
        threads_per_worker: int | None = None,
    ) -> Pool:
        """A `manyhands.Pool` whose workers start by this method."""
        from ._pool import Pool

        return Pool(
            processes,
            initializer,
            initargs,
            maxtasksperchild,
            self,
            env=env,
            preload=preload,
            exit=exit,
            threads_per_worker=threads_per_worker,
        )

    def Executor(  # noqa: N802 - the class's name, as Pool's
        self,
        max_workers: int | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: Iterable[Any] = (),
        *,
        max_tasks_per_child: int | None = None,
        env: Mapping[str, str] | None = None,
        preload: Sequence[str] = (),
        threads_per_worker: int | None = None,
    ) -> Executor:
        """A `manyhands.Executor` whose workers start by this method."""
        from ._executor import Executor

        return Executor(
            max_workers,
            self,
            initializer,
            initargs,
            max_tasks_per_child=max_tasks_per_child,
            env=env,
            preload=preload,
            threads_per_worker=threads_per_worker,
        )

    def get_context(self, method: str | None = None) -> Context:
        """This context, or the one of another method."""
        return self if method is None else Context(method)

    def get_start_method(self, allow_none: bool = False) -> str:  # noqa: ARG002 - multiprocessing's
        """The name of the start method."""
        return self._method

    def set_start_method(self, method: str | None, force: bool = False) -> NoReturn:  # noqa: ARG002
        """Raise ValueError: a context keeps its method, `manyhands.set_start_method` sets one."""
        raise ValueError(
            "cannot set the start method of a context: get_context() gives another one"
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Context) and self._method == other._method

    def __hash__(self) -> int:
        return hash(self._method)

    def __reduce__(self) -> tuple[type[Context], tuple[str]]:
        return Context, (self._method,)

    def __repr__(self) -> str:
        return f"Context({self._method!r})"


def get_context(method: str | None = None) -> Context:
    """The context of a start method, or of the default one, which is fixed by asking for it.

    Raises:
        ValueError: for a method that does not exist.
    """
    global _default  # noqa: PLW0603 - one default per program
    if method is not None:
        return Context(method)
    if _default is None:
        _default = Context(environment_method() or "template")
    return _default


def get_all_start_methods() -> list[str]:
    """The start methods that `multiprocessing` has, its default before 3.14 first.

    `template`, the default here, is not among them: a program that goes through all of them knows
    these three.
    """
    return ["fork", "spawn", "forkserver"]


if TYPE_CHECKING:

    @overload
    def get_start_method(allow_none: Literal[False] = False) -> str: ...

    @overload
    def get_start_method(allow_none: bool) -> str | None: ...


def get_start_method(allow_none: bool = False) -> str | None:
    """The name of the default method, which is fixed by asking for it, as in `multiprocessing`.

    Args:
        allow_none: return None where nothing has been fixed, and fix nothing.
    """
    if allow_none and _default is None:
        return environment_method()
    return get_context().method


def set_start_method(method: str | None, force: bool = False) -> None:
    """Set how the workers of the pools that are made from now on start.

    Args:
        method: "template", "fork", "spawn" or "forkserver". None, with `force`, unsets it.
        force: set it even if it has been set or asked for before.

    Raises:
        RuntimeError: if it has been, without `force`.
        ValueError: for a method that does not exist.
    """
    global _default  # noqa: PLW0603 - one default per program
    if _default is not None and not force:
        raise RuntimeError(
            f"the start method is {_default.method!r} already: set it once, or pass force=True"
        )
    if method is None and not force:
        raise ValueError("a start method is needed: None unsets it, with force=True")
    _default = None if method is None else Context(method)


def default_method() -> str | None:
    """The default if one is set, by `set_start_method` or by the environment."""
    return environment_method() if _default is None else _default.method
