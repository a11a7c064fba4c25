"""The limits: a file of 500 lines, a function of 60 lines, five parameters.

A file and a function are counted as they stand, with their comments: it is the reader's screen that
is limited. In Rust every parameter counts but `self`; in Python every one that can be passed by
position, but `self` and `cls`: keyword-only ones explain themselves at the call.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from house import rust

if TYPE_CHECKING:
    from collections.abc import Iterator

    from house.files import Finding, Source, Tree

FILE_LINES = 500
FUNCTION_LINES = 60
PARAMETERS = 5


def check(tree: Tree) -> Iterator[Finding]:
    """Measure every file and every function."""
    for source in tree.having(".rs", ".py", ".pyi", ".sh"):
        if len(source.lines) > FILE_LINES:
            message = f"{len(source.lines)} lines, and {FILE_LINES} are the limit: split the file"
            yield source.finding(1, message)
    for source in tree.having(".rs"):
        for function in rust.functions(source.code):
            line = source.line_of(function.offset)
            yield from _measure(source, line, function)
    for source in tree.having(".py", ".pyi"):
        for node in ast.walk(source.syntax):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield from _measure(source, node.lineno, _python_function(node))


def _python_function(node: ast.FunctionDef | ast.AsyncFunctionDef) -> rust.Function:
    length = (node.end_lineno or node.lineno) - node.lineno + 1
    positional = [argument.arg for argument in (*node.args.posonlyargs, *node.args.args)]
    counted = positional[positional[:1] in (["self"], ["cls"]) :]
    return rust.Function(node.name, node.col_offset, length, len(counted))


def _measure(source: Source, line: int, function: rust.Function) -> Iterator[Finding]:
    name, length, parameters = function.name, function.length, function.parameters
    if length > FUNCTION_LINES:
        message = f"{name} has {length} lines, and {FUNCTION_LINES} are the limit: split it"
        yield source.finding(line, message)
    if parameters > PARAMETERS:
        message = f"{name} has {parameters} parameters, and {PARAMETERS} are the limit: make a type"
        yield source.finding(line, message)
