"""No rings among the modules of a crate.

Two modules that use each other are one module in two files. A module uses another when it names it
in a path that begins with `crate`, `self` or `super`, or imports from a child. Declaring a child is
not using it, and neither is a `pub use` of a child's item: it names the item for others. Whoever
takes the item by that name uses the child. Unit tests are modules of their own, which nothing uses.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from house import rust
from house.rings import Graph, rings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from house.files import Finding, Source, Tree

Module = tuple[str, ...]

IN_CRATE = re.compile(r"crates/([^/]+)/src/(.+)\.rs")
INLINE = re.compile(r"\bmod\s+(\w+)\s*(?=\{)")
ROOTED = re.compile(r"(?<![\w:])(?:crate|self|super)(?=\s*::)")
USE = re.compile(r"(?P<pub>\bpub(?:\s*\([^)]*\))?\s+)?\buse\s+(?:r#)?")
TOKEN = re.compile(r"\s*(\w+|::|[{},*])")


@dataclass(frozen=True)
class Use:
    """One path, the module it stands in, and whether that module only passes the item on."""

    scope: Module
    path: Module
    passes_on: bool = False


@dataclass
class Crate:
    """The modules of a crate and what they use."""

    files: dict[Module, Source] = field(default_factory=dict)
    scopes: dict[Module, list[tuple[int, int, Module]]] = field(default_factory=dict)
    modules: set[Module] = field(default_factory=set)
    reexports: dict[tuple[Module, str], Module] = field(default_factory=dict)

    def add(self, name: str, source: Source) -> None:
        """Add a file, `name` being its path below `src` without the suffix."""
        parts = [part for part in name.split("/") if part not in ("lib", "main", "mod")]
        module = tuple(parts)
        self.files[module] = source
        self.scopes[module] = []
        self.modules.add(module)
        for match in INLINE.finditer(source.code):
            inner = (*self.scope(module, match.start()), match.group(1))
            end = rust.closing(source.code, match.end())
            self.scopes[module].append((match.end(), end, inner))
            self.modules.add(inner)

    def inline(self) -> Iterator[tuple[Module, Module]]:
        """Yield each inline module after the module whose file it is in."""
        for module, scopes in self.scopes.items():
            yield from ((module, inner) for _, _, inner in scopes)

    def scope(self, module: Module, offset: int) -> Module:
        """Return the module, perhaps an inline one, that an offset of a file is in."""
        inner = [name for start, end, name in self.scopes[module] if start <= offset < end]
        return inner[-1] if inner else module

    def resolve(self, scope: Module, path: Module) -> tuple[Module, Module] | None:
        """Split a path into the module it names and what is named within that."""
        absolute = _absolute(scope, path)
        if absolute is None and (*scope, path[0]) in self.modules:
            absolute = (*scope, *path)
        if absolute is None:
            return None
        length = len(absolute)
        while absolute[:length] not in self.modules:
            length -= 1
        module, rest = absolute[:length], absolute[length:]
        if rest and (module, rest[0]) in self.reexports:
            return self.reexports[module, rest[0]], rest
        return module, rest

    def graph(self) -> Graph:
        """Follow every path of every file."""
        uses = [use for module, source in self.files.items() for use in self.uses(module, source)]
        for use in uses:
            target = self.resolve(use.scope, use.path)
            if use.passes_on and target and target[0][: len(use.scope)] == use.scope:
                self.reexports[use.scope, use.path[-1]] = target[0]
        edges: Graph = {_name(module): set() for module in self.modules}
        for use in uses:
            target = self.resolve(use.scope, use.path)
            if target and target[0] != use.scope and not self.is_reexport(use, target[0]):
                edges[_name(use.scope)].add(_name(target[0]))
        return edges

    def is_reexport(self, use: Use, target: Module) -> bool:
        """Say whether this only names a child's item for others."""
        return use.passes_on and self.reexports.get((use.scope, use.path[-1])) == target

    def uses(self, module: Module, source: Source) -> Iterator[Use]:
        """Find each path of a file that may lead to a module of the crate."""
        code = source.code
        imports = [(match, code.find(";", match.end())) for match in USE.finditer(code)]
        body = code
        for match, end in imports:
            body = body[: match.start()] + " " * (end - match.start()) + body[end:]
        for match, end in imports:
            for path in _paths(code[match.end() : end]):
                unused = not re.search(rf"\b{re.escape(path[-1])}\b", body)
                passes_on = bool(match.group("pub")) and unused
                yield Use(self.scope(module, match.start()), path, passes_on)
        for match in ROOTED.finditer(body):
            path = next(_paths(body[match.start() :]))
            yield Use(self.scope(module, match.start()), path)


def check(tree: Tree) -> Iterator[Finding]:
    """Report each ring of each crate, at the file of its first module."""
    crates: dict[str, Crate] = {}
    for source in tree.having(".rs"):
        if match := IN_CRATE.fullmatch(source.name):
            crates.setdefault(match.group(1), Crate()).add(match.group(2), source)
    for crate in crates.values():
        names = {_name(module): source for module, source in crate.files.items()}
        inline = {_name(inner): crate.files[module] for module, inner in crate.inline()}
        for ring in rings(crate.graph()):
            source = {**inline, **names}[ring[0]]
            yield source.finding(1, f"a ring of modules: {' -> '.join(ring)}")


def _name(module: Module) -> str:
    return "::".join(("crate", *module))


def _absolute(scope: Module, path: Module) -> Module | None:
    """Resolve `crate`, `self` and `super`; None for a path that begins otherwise."""
    first, *rest = path
    if first == "crate":
        return tuple(rest)
    if first not in ("self", "super"):
        return None
    while first == "super":
        scope = scope[:-1]
        if not rest or rest[0] != "super":
            break
        first, *rest = rest
    return (*scope, *rest)


def _paths(text: str) -> Iterator[Module]:
    """Yield every path of the use tree, or the one path, that `text` begins with."""
    tokens: deque[str] = deque()
    offset = 0
    while match := TOKEN.match(text, offset):
        tokens.append(match.group(1))
        offset = match.end()
    return _tree(tokens, ())


def _tree(tokens: deque[str], prefix: Module) -> Iterator[Module]:
    """Take one use tree from the tokens and yield its paths."""
    path = prefix
    while tokens:
        word = tokens.popleft()
        if word == "{":
            while tokens and tokens[0] != "}":
                yield from _tree(tokens, path)
                if tokens and tokens[0] == ",":
                    tokens.popleft()
            if tokens:
                tokens.popleft()
            return
        if word != "self" or not path:  # `{self, ...}` is the prefix itself
            path = (*path, word)
        if not tokens or tokens[0] != "::":
            break
        tokens.popleft()
    if tokens and tokens[0] == "as":
        tokens.popleft()
        tokens.popleft()
    yield path
