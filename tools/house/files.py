"""The source files of the tree, read once, and the form in which a rule reports.

Only files that people write count: what is hidden, built or cached is left out by the name of its
folder. Nothing here knows a rule.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from house import rust

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SUFFIXES = {".rs", ".py", ".pyi", ".sh", ".md", ".toml"}
OTHER_NAMES = {"Makefile"}
SKIPPED = {"target", "__pycache__", "build", "dist"}


@dataclass(frozen=True, order=True)
class Finding:
    """One breach of a rule: where, and what to do about it."""

    path: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message}"


@dataclass(frozen=True)
class Source:
    """One file of the tree."""

    path: Path
    name: str  # relative to the root, with forward slashes
    text: str

    @cached_property
    def lines(self) -> list[str]:
        """The text, line by line, without line ends."""
        return self.text.splitlines()

    @cached_property
    def code(self) -> str:
        """Rust text with comments and literals blanked out, every offset unchanged."""
        return rust.code(self.text)

    @cached_property
    def syntax(self) -> ast.Module:
        """The syntax tree of Python text."""
        return ast.parse(self.text, self.name)

    def finding(self, line: int, message: str) -> Finding:
        """Report on one line, counted from 1."""
        return Finding(self.name, line, message)

    def line_of(self, offset: int) -> int:
        """Return the line, counted from 1, of an offset in the text."""
        return self.text.count("\n", 0, offset) + 1


@dataclass
class Tree:
    """All source files below a root."""

    root: Path
    sources: list[Source] = field(init=False)

    def __post_init__(self) -> None:
        self.sources = [
            Source(path, path.relative_to(self.root).as_posix(), path.read_text(encoding="utf-8"))
            for path in sorted(_walk(self.root))
        ]

    def having(self, *suffixes: str) -> list[Source]:
        """Return the files with one of these suffixes."""
        return [source for source in self.sources if source.path.suffix in suffixes]


def _walk(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.is_symlink():
            continue
        if path.is_dir():
            if path.name not in SKIPPED and (not path.name.startswith(".") or path.name == ".ci"):
                yield from _walk(path)
        elif path.suffix in SUFFIXES or path.name in OTHER_NAMES or path.parent.name == ".ci":
            yield path
