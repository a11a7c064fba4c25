"""Start methods by name, and what depends on them, as in `multiprocessing.context`.

Processes and workers start by one of four methods. `template`, the default: a clean process forks
them. `fork`: this process does. `spawn` and `forkserver`: as the standard library does it. The
default is what `set_start_method` has set, else the environment variable MANYHANDS_START_METHOD,
else `template`.

A context is a method with the whole API bound to it: `get_context("fork").Lock()`. It is a context
of the standard library's too, so that a library that asks for one of those takes ours. Each name
is loaded when it is first used.

Refuses: to start anything; a context only passes its method on.
"""

from __future__ import annotations

from multiprocessing.context import (
    AuthenticationError,
    BufferTooShort,
    assert_spawning,
    get_spawning_popen,
    set_spawning_popen,
)

from . import _default, process
from ._api import Api
from ._options import check_method
from ._processes import (
    ForkProcess,
    ForkServerProcess,
    Process,
    SpawnProcess,
    TemplateProcess,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Literal, overload

    class _StandardContext:
        """Nothing: all that users see of it is in `Api` and below."""

else:
    from multiprocessing.context import BaseContext as _StandardContext

__all__ = [
    "AuthenticationError",
    "BufferTooShort",
    "Context",
    "DefaultContext",
    "ForkContext",
    "ForkProcess",
    "ForkServerContext",
    "ForkServerProcess",
    "Process",
    "SpawnContext",
    "SpawnProcess",
    "TemplateContext",
    "TemplateProcess",
    "assert_spawning",
    "get_spawning_popen",
    "set_spawning_popen",
]


class Context(Api, _StandardContext):
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

    _name = ""
    Process: type[process.BaseProcess]

    def __new__(cls, method: Any = None) -> Context:  # noqa: PYI034 - it is one of the subclasses
        """The one context of that method."""
        if cls is not Context:
            made: Context = super().__new__(cls)
            return made
        check_method(method)
        return _concrete[method]

    @property
    def method(self) -> str:
        """The name of the start method."""
        return self._name

    def get_context(self, method: str | None = None) -> Context:
        """This context, or the one of another method."""
        return self if method is None else Context(method)

    if TYPE_CHECKING:

        @overload
        def get_start_method(self, allow_none: Literal[False] = False) -> str: ...

        @overload
        def get_start_method(self, allow_none: bool) -> str | None: ...

    def get_start_method(self, allow_none: bool = False) -> str | None:  # noqa: ARG002 - the same
        """The name of the start method."""
        return self._name

    def set_start_method(self, method: str | None, force: bool = False) -> None:  # noqa: ARG002
        """Raise ValueError: a context keeps its method, `manyhands.set_start_method` sets one."""
        raise ValueError(
            "cannot set the start method of a context: get_context() gives another one"
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Context) and self._name == other._name

    def __hash__(self) -> int:
        return hash(self._name)

    def __reduce__(self) -> tuple[type[Context], tuple[str]]:
        return Context, (self._name,)

    def __repr__(self) -> str:
        return f"Context({self._name!r})"


class TemplateContext(Context):
    """The context of `template`: a clean process forks workers and processes."""

    _name = "template"
    Process = TemplateProcess


class ForkContext(Context):
    """The context of `fork`: this process forks them."""

    _name = "fork"
    Process = ForkProcess


class SpawnContext(Context):
    """The context of `spawn`: each is a fresh interpreter."""

    _name = "spawn"
    Process = SpawnProcess


class ForkServerContext(Context):
    """The context of `forkserver`: the standard library's server forks them."""

    _name = "forkserver"
    Process = ForkServerProcess


class DefaultContext(Context):
    """The context of the program's default method: its methods are the package's functions."""

    Process = Process

    @property
    def method(self) -> str:
        """The name of the default method, which is fixed by asking for it."""
        return _default.fixed()

    def get_context(self, method: str | None = None) -> Context:
        """The context of a start method, or of the default one, which is fixed by asking for it.

        Raises:
            ValueError: for a method that does not exist.
        """
        return Context(_default.fixed() if method is None else method)

    if TYPE_CHECKING:

        @overload
        def get_start_method(self, allow_none: Literal[False] = False) -> str: ...

        @overload
        def get_start_method(self, allow_none: bool) -> str | None: ...

    def get_start_method(self, allow_none: bool = False) -> str | None:
        """The name of the default method, which is fixed by asking for it, as in `multiprocessing`.

        Args:
            allow_none: return None where nothing has been fixed, and fix nothing.
        """
        return _default.method() if allow_none else _default.fixed()

    def set_start_method(self, method: str | None, force: bool = False) -> None:
        """Set how processes, and the workers of pools, start from now on.

        `multiprocessing` is set to the same method, where it has it and none was set there (with
        `force`, always): its locks can go to processes of ours only if they were made for them.

        Args:
            method: "template", "fork", "spawn" or "forkserver". None, with `force`, unsets it.
            force: set it even if it has been set or asked for before.

        Raises:
            RuntimeError: if it has been, without `force`.
            ValueError: for a method that does not exist.
        """
        chosen = _default.chosen()
        if chosen is not None and not force:
            raise RuntimeError(
                f"the start method is {chosen!r} already: set it once, or pass force=True"
            )
        if method is None and not force:
            raise ValueError("a start method is needed: None unsets it, with force=True")
        _default.choose(method)
        if method != "template":
            _tell_standard_library(method, force=force)

    def get_all_start_methods(self) -> list[str]:
        """The start methods that `multiprocessing` has, its default before 3.14 first.

        `template`, the default here, is not among them: a program that goes through all of them
        knows these three.
        """
        return ["fork", "spawn", "forkserver"]

    def __reduce__(self) -> Any:
        return _the_default_context, ()

    def __repr__(self) -> str:
        return "DefaultContext()"


_concrete: dict[str, Context] = {
    "template": TemplateContext(),
    "fork": ForkContext(),
    "spawn": SpawnContext(),
    "forkserver": ForkServerContext(),
}
_default_context: DefaultContext = DefaultContext()


def _the_default_context() -> DefaultContext:
    return _default_context


def _tell_standard_library(method: str | None, *, force: bool) -> None:
    import multiprocessing

    if force or multiprocessing.get_start_method(allow_none=True) is None:
        multiprocessing.set_start_method(method, force=True)
