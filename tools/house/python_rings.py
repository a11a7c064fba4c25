"""No rings among the modules of the Python package.

An import counts wherever it stands, in a function too: there it only puts off the moment at which
the ring is met, and it is how large packages come to be one ring. Only what stands under
`if TYPE_CHECKING:` does not count, for it never runs. Each import is an edge to the module that it
names; `from package import name` leads to the submodule `name` if there is one, else to the package
itself. A native module is known by its stub, and imports nothing of ours. That a submodule's import
runs the package's `__init__` first is no edge.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from house.rings import Graph, rings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Set as AbstractSet

    from house.files import Finding, Source, Tree

PACKAGE = "manyhands"
FOLDER = "python/"


def check(tree: Tree) -> Iterator[Finding]:
    """Report each ring at the file of its first module."""
    sources, stubs = _own(tree, ".py"), _own(tree, ".pyi")
    known = sources.keys() | stubs.keys()
    graph: Graph = {
        module: {target for name in _imports(source, module) if (target := _known(name, known))}
        - {module}
        for module, source in sources.items()
    }
    for ring in rings(graph):
        yield sources[ring[0]].finding(1, f"a ring of imports: {' -> '.join(ring)}")


def _own(tree: Tree, suffix: str) -> dict[str, Source]:
    """Return the package's files with that suffix, by module."""
    files = [
        source for source in tree.having(suffix) if source.name.startswith(f"{FOLDER}{PACKAGE}/")
    ]
    return {_module(source): source for source in files}


def _module(source: Source) -> str:
    name = source.name.removeprefix(FOLDER).removesuffix(source.path.suffix).replace("/", ".")
    return name.removesuffix(".__init__")


def _known(name: str, modules: AbstractSet[str]) -> str | None:
    """Return the longest part of a dotted name that is a module of the package."""
    while name and name not in modules:
        name = name.rpartition(".")[0]
    return name or None


def _imports(source: Source, module: str) -> Iterator[str]:
    """Yield the dotted names that the module imports when it or its functions run."""
    package = module if source.path.name == "__init__.py" else module.rpartition(".")[0]
    waiting: list[ast.AST] = [source.syntax]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = _origin(node, package)
            yield from (f"{origin}.{alias.name}" for alias in node.names)
        if isinstance(node, ast.If) and _is_type_checking(node.test):
            waiting.extend(node.orelse)
        else:
            waiting.extend(ast.iter_child_nodes(node))


def _origin(node: ast.ImportFrom, package: str) -> str:
    """Return the absolute name of what is imported from."""
    if not node.level:
        return node.module or ""
    parts = package.split(".")
    base = parts[: len(parts) - node.level + 1]
    return ".".join([*base, *([node.module] if node.module else [])])


def _is_type_checking(test: ast.expr) -> bool:
    name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", None)
    return name == "TYPE_CHECKING"
