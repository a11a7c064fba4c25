"""Cells of a notebook: their `__main__` is a module without a file, filled by IPython cell by cell.

`CELLS` does what ipykernel does with them, without it: a module of its own stands for `__main__`,
each cell is compiled under a name of its own and run in that module's namespace, the last
expressions are kept under `_` and `_1`, and nothing has a guard.
"""

from __future__ import annotations

import textwrap

import pytest
from support import run_script

CELLS = """
import ast
import linecache
import sys
import types

module = types.ModuleType("__main__")
sys.modules["__main__"] = module
space = module.__dict__
space.update(_="", __="", _1=None, In=[""], Out={}, get_ipython=lambda: None)

def run(number, cell):
    name = f"/tmp/ipykernel_{number}/{number}.py"
    linecache.cache[name] = (len(cell), None, cell.splitlines(True), name)
    tree = ast.parse(cell)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, name, "exec"), space)
    space["In"].append(cell)
    if last:
        value = eval(compile(ast.Expression(last.value), name, "eval"), space)
        if value is not None:
            space["Out"][number] = space["_"] = space[f"_{number}"] = value
            print(repr(value))

for number, cell in enumerate(sys.stdin.read().split("# next cell\\n"), 1):
    run(number, cell)
"""

NOTEBOOK = """
import enum
import manyhands as mp
model = None
# next cell
class MyError(Exception):
    pass

class Colour(enum.Enum):
    RED = 1

class Point:
    def __init__(self, x):
        self.x = x
# next cell
def load(weight):
    global model
    model = {"weight": weight}

def predict(x):
    if x < 0:
        raise MyError(x)
    return model["weight"] * x
# next cell
pool = mp.Pool(2, load, (3,), context=METHOD)
pool.map(predict, range(4))
# next cell
model is None
# next cell
def predict(x):
    return Point(model["weight"] + x)

[point.x for point in pool.imap(predict, range(3))]
# next cell
isinstance(pool.apply(predict, (1,)), Point), pool.apply(lambda x: x, (Colour.RED,)) is Colour.RED
# next cell
def fail(x):
    raise MyError("in a cell")

try:
    pool.map(fail, [1])
except MyError as error:
    import traceback
    text = "".join(traceback.format_exception(error))
    print("line 2, in fail" in text and "MyError: in a cell" in text)
# next cell
offset = 10
pool.map(lambda x: x + offset, [1])
# next cell
offset = 20
pool.map(lambda x: x + offset, _)
# next cell
pool.close(); pool.join()
"""

SHOWN = ["[0, 3, 6, 9]", "True", "[3, 4, 5]", "(True, True)", "True", "[11]", "[31]"]


@pytest.mark.parametrize("method", ["template", "fork"])
def test_cells(tmp_path, method):
    cells = textwrap.dedent(NOTEBOOK).replace("METHOD", repr(method))
    outcome = run_script(tmp_path, CELLS, stdin=cells)
    assert outcome.code == 0, outcome.err
    assert outcome.lines == SHOWN
    assert outcome.err == ""
