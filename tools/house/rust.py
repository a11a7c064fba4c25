"""Just enough Rust to count and to follow paths: a mask for what is not code, and brackets.

Comments, strings and character literals are replaced by blanks of the same length, so that offsets
and lines stay right and every later step may use plain searches. Not a parser: it knows formatted
code that compiles, and block comments within block comments are beyond it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

NOT_CODE = re.compile(
    r"""
      //[^\n]*
    | /\*.*?\*/
    | \b[bc]?r(?P<hashes>\#*)".*?"(?P=hashes)
    | \b[bc]?"(?:\\.|[^"\\])*"
    | "(?:\\.|[^"\\])*"
    | '(?:\\x[0-9a-fA-F]{2}|\\u\{[0-9a-fA-F_]+\}|\\.|[^\\'\n])'
    """,
    re.VERBOSE | re.DOTALL,
)
FUNCTION = re.compile(r"\bfn\s+(?:r\#)?(\w+)\s*")
SELF = re.compile(r"(?:mut\s+)?(?:&\s*(?:'\w+\s+)?(?:mut\s+)?)?self\b")
PAIRS = {"(": ")", "[": "]", "{": "}"}


class Function(NamedTuple):
    """A function with a body or a bare signature."""

    name: str
    offset: int
    length: int  # lines, from `fn` to the closing brace
    parameters: int  # without self


def code(text: str) -> str:
    """Return the text with comments and literals blanked out."""
    return NOT_CODE.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), text)


def closing(text: str, start: int) -> int:
    """Return the offset after the bracket that closes the one at `start`."""
    open_brackets: list[str] = []
    for offset in range(start, len(text)):
        char = text[offset]
        if char in PAIRS:
            open_brackets.append(PAIRS[char])
        elif open_brackets and char == open_brackets[-1]:
            open_brackets.pop()
            if not open_brackets:
                return offset + 1
    return len(text)


def functions(text: str) -> Iterator[Function]:
    """Find every function of masked text."""
    for match in FUNCTION.finditer(text):
        start = _after_generics(text, match.end())
        end = closing(text, start)
        stop = _end_of_item(text, end)
        parameters = [part.strip() for part in _parts(text[start + 1 : end - 1])]
        counted = [part for part in parameters if not SELF.match(part)]
        length = text.count("\n", match.start(), stop) + 1
        yield Function(match.group(1), match.start(), length, len(counted))


def _after_generics(text: str, start: int) -> int:
    """Skip `<...>` at `start`, if there is one."""
    if text[start : start + 1] != "<":
        return start
    depth = 0
    for offset in range(start, len(text)):
        depth += _angle(text, offset)
        if depth == 0:
            return offset + 1
    return len(text)


def _angle(text: str, offset: int) -> int:
    """Return +1 and -1 for angle brackets that are no part of an arrow."""
    if text[offset] == "<":
        return 1
    return -(text[offset] == ">" and text[offset - 1] not in "-=")


def _end_of_item(text: str, start: int) -> int:
    """Find the end of a function whose parameters end at `start`: its body, or a semicolon."""
    offset = start
    while offset < len(text):
        if text[offset] == "{":
            return closing(text, offset)
        if text[offset] == ";":
            return offset
        offset = closing(text, offset) if text[offset] in PAIRS else offset + 1
    return offset


def _parts(text: str) -> list[str]:
    """Split at the commas that stand in no bracket; an empty last part does not count."""
    parts, depth, begin = [], 0, 0
    for offset, char in enumerate(text):
        depth += (char in "([{") - (char in ")]}") + _angle(text, offset)
        if char == "," and depth == 0:
            parts.append(text[begin:offset])
            begin = offset + 1
    parts.append(text[begin:])
    return [part for part in parts if part.strip()]
