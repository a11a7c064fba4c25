"""The ladder between the crates: each uses only the rungs below its own.

The rungs stand here once more, apart from the manifests, so that a new crate or a new dependency
between crates is a decision and not an accident. The dependencies that make a rung what it is
(system calls, Python) are kept to that rung, and unsafe code to the rungs that have a reason for
it: any file of `manyhands-os` and `manyhands-shm`, one file each of `manyhands` and
`manyhands-python`, none elsewhere.
"""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from house.files import Finding, Source, Tree

RUNGS = {
    "manyhands-derive": 0,
    "manyhands-os": 0,
    "manyhands-shm": 1,
    "manyhands-pool": 2,
    "manyhands": 3,
    "manyhands-python": 3,
    "manyhands-crash": 4,  # an example
}
ONLY_IN = {"rustix": "manyhands-os", "libc": "manyhands-os", "pyo3": "manyhands-python"}
FILES_WITH_UNSAFE = {
    "manyhands-derive": 1,
    "manyhands-os": None,
    "manyhands-shm": None,
    "manyhands": 1,
    "manyhands-crash": 1,
    "manyhands-python": 1,
}
TABLES = ("dependencies", "dev-dependencies", "build-dependencies")
UNSAFE = re.compile(r"\bunsafe\b(?!\s*_)")


def check(tree: Tree) -> Iterator[Finding]:
    """Compare every manifest, and the use of `unsafe`, with the ladder."""
    for manifest in tree.sources:
        if re.fullmatch(r"crates/[^/]+/Cargo\.toml", manifest.name):
            yield from _manifest(manifest)
    for crate in sorted({name.split("/")[1] for name in _rust_names(tree)}):
        yield from _unsafe(tree, crate)


def _rust_names(tree: Tree) -> list[str]:
    return [source.name for source in tree.having(".rs") if source.name.startswith("crates/")]


def _manifest(manifest: Source) -> Iterator[Finding]:
    content = tomllib.loads(manifest.text)
    crate = content["package"]["name"]
    if crate not in RUNGS:
        yield manifest.finding(1, f"{crate} has no rung: add it to tools/house/ladder.py")
        return
    for dependency in sorted(_dependencies(content)):
        line = _line_naming(manifest, dependency)
        if RUNGS.get(dependency, -1) >= RUNGS[crate]:
            message = f"{crate} may use only rungs below its own, and {dependency} is not below it"
            yield manifest.finding(line, message)
        if dependency.startswith("manyhands") and dependency not in RUNGS:
            yield manifest.finding(line, f"{dependency} has no rung in tools/house/ladder.py")
        if ONLY_IN.get(dependency, crate) != crate:
            yield manifest.finding(line, f"{dependency} belongs to {ONLY_IN[dependency]} alone")


def _dependencies(content: dict[str, Any]) -> set[str]:
    """All dependencies of a manifest, by their real names."""
    places = [content, *content.get("target", {}).values()]
    return {
        value.get("package", key) if isinstance(value, dict) else key
        for place in places
        for table in TABLES
        for key, value in place.get(table, {}).items()
    }


def _line_naming(source: Source, word: str) -> int:
    pattern = re.compile(rf"\b{re.escape(word)}\b(?!-)")
    lines = (number for number, line in enumerate(source.lines, 1) if pattern.search(line))
    return max(lines, default=1)


def _unsafe(tree: Tree, crate: str) -> Iterator[Finding]:
    """Count the files of a crate that hold unsafe code."""
    allowed = FILES_WITH_UNSAFE.get(crate, 0)
    if allowed is None:
        return
    prefix = f"crates/{crate}/"
    sources = [source for source in tree.having(".rs") if source.name.startswith(prefix)]
    uses = [(source, match) for source in sources if (match := UNSAFE.search(source.code))]
    for source, match in uses[allowed:]:
        message = f"unsafe code in more than {allowed} files of {crate}: move it where it may be"
        yield source.finding(source.line_of(match.start()), message)
