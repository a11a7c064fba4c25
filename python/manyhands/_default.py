"""The program's default start method: one name, set by `set_start_method` or by the environment.

It stands alone so that whoever starts something may ask, without loading the contexts.

Refuses: to know what a start method is beyond its name (`_options` checks that).
"""

from __future__ import annotations

from ._options import check_method, environment_method

_chosen: str | None = None


def chosen() -> str | None:
    """The method that was set or fixed; None if nothing has been."""
    return _chosen


def choose(method: str | None) -> None:
    """Set it, whatever it was before; None unsets it."""
    global _chosen  # noqa: PLW0603 - one default per program
    if method is not None:
        check_method(method)
    _chosen = method


def fixed() -> str:
    """The default method; asking for it fixes it, as in `multiprocessing`."""
    if _chosen is None:
        choose(environment_method() or "template")
    return _chosen or "template"


def method() -> str | None:
    """The default if one is set, here or by the environment; nothing is fixed."""
    return environment_method() if _chosen is None else _chosen
