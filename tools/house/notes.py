"""The texts that code owes its reader.

Every file opens with a text that says what it is. Every unsafe block and unsafe impl stands below a
comment that begins with `SAFETY:`; clippy demands the same, but not in code that it does not
compile, such as models and other targets. Nothing is left for later in a comment: what is known and
not done is an entry in the tracker.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from house.files import Finding, Source, Tree

# In two parts, or this line would be a finding.
LATER = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X)\b")
UNSAFE = re.compile(r"\bunsafe\s*(?:\{|impl\b)")


def check(tree: Tree) -> Iterator[Finding]:
    """Look for each text in the files that owe it."""
    for source in tree.sources:
        yield from _later(source)
        if not _has_text(source):
            yield source.finding(1, "the file does not open with a text that says what it is")
    for source in tree.having(".rs"):
        for match in UNSAFE.finditer(source.code):
            line = source.line_of(match.start())
            if not _has_safety_note(source, line):
                yield source.finding(line, "unsafe without a `// SAFETY:` comment above it")


def _later(source: Source) -> Iterator[Finding]:
    for number, line in enumerate(source.lines, 1):
        if match := LATER.search(line):
            yield source.finding(number, f"{match.group()}: do it, or record it and drop the note")


def _has_text(source: Source) -> bool:
    lines = [line.strip() for line in source.lines if line.strip() and not line.startswith("#!")]
    first = lines[0] if lines else ""
    match source.path.suffix:
        case ".rs":
            return first.startswith("//! ")
        case ".py":
            return bool(ast.get_docstring(source.syntax))
        case ".pyi":
            return first.startswith("# ") or bool(ast.get_docstring(source.syntax))
        case ".md":
            return first.startswith(("# ", "<!--"))
        case ".toml":
            return source.name.startswith("crates/") or first.startswith("# ")
        case _:
            return first.startswith("# ")


def _has_safety_note(source: Source, line: int) -> bool:
    """Walk up from the statement that holds `unsafe` through the comment above it."""
    code = source.code.splitlines()
    for number in range(line - 1, 0, -1):
        above, text = code[number - 1].strip(), source.lines[number - 1].strip()
        if text.startswith("// SAFETY:"):
            return True
        if not text or above.endswith((";", "{", "}")):
            return False
    return False
