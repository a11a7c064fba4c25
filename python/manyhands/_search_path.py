"""`sys.path` for other processes, so that they import what this one imports.

A relative entry means what it meant when this process first looked there: its finder is remembered,
whatever the working directory has become since. So others are told the whole path. The empty entry
is the working directory of the moment, here and in a worker, which begins in the same one; a
template, which is started at another moment, is told which one it is.

Refuses: to change `sys.path` here, and to know what lies in a folder.
"""

from __future__ import annotations

import errno
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any


def taken() -> list[Any]:
    """What a worker's `sys.path` is; entries that are no strings, which Python ignores, stay."""
    entries: list[Any] = sys.path
    return [_whole(entry) if entry and isinstance(entry, str) else entry for entry in entries]


def fixed() -> list[str]:
    """The same without the empty entry: what it means at this moment, nothing if that is gone."""
    directory = _directory()
    entries = [directory if entry == "" else entry for entry in taken()]
    return [entry for entry in entries if isinstance(entry, str)]


def fitting(path: list[str], others: list[str]) -> list[str]:
    """What of it can be said to a program as arguments: all, or what exists where that is too much.

    OSError where that is too much, too.
    """
    room = _room() - _size(others)
    if _size(path) <= room:
        return path
    existing = [entry for entry in path if os.path.exists(entry)]
    if _size(existing) > room:
        raise OSError(
            errno.E2BIG,
            f"sys.path has {len(existing)} entries that exist, {_size(existing)} bytes: a template "
            f"can be told {room} (a quarter of RLIMIT_STACK). Take some out, or use the start "
            'method "fork"',
        )
    return existing


def _room() -> int:
    """How many bytes of arguments can be told beside the environment and options."""
    environment = _size(os.environ) + _size(os.environ.values())
    # The kernel takes no more than 6 MiB however large the stack; and there are flags, too.
    return min(os.sysconf("SC_ARG_MAX"), 6 << 20) - environment - 32_768


def _size(words: Iterable[str]) -> int:
    return sum(len(os.fsencode(word)) + 9 for word in words)


def found_in_both(names: Iterable[str], there: list[str]) -> list[str]:
    """Those of the loaded modules that are found at the same place with `there` and with `fixed`.

    A module is, if the two begin alike as far as the entry where it lies.
    """
    here = fixed()
    if here == there:
        return list(names)
    alike = []
    for mine, other in zip(here, there, strict=False):
        if mine != other:
            break
        alike.append(mine)
    return [name for name in names if _lies_in(name, alike)]


def _lies_in(name: str, entries: list[str]) -> bool:
    spec = getattr(sys.modules.get(name.partition(".")[0]), "__spec__", None)
    origin = getattr(spec, "origin", None) or ""
    if origin in ("built-in", "frozen"):
        return True
    return any(origin.startswith(os.path.join(entry, "")) for entry in entries)


def _whole(entry: str) -> str:
    if os.path.isabs(entry):
        return entry
    remembered = getattr(sys.path_importer_cache.get(entry), "path", None)
    if isinstance(remembered, str) and os.path.isabs(remembered):
        return remembered
    directory = _directory()
    return entry if directory is None else os.path.join(directory, entry)


def _directory() -> str | None:
    try:
        return os.getcwd()
    except OSError:
        return None
