"""Warning filters in children: all of them count, and none makes a child import a module."""

from __future__ import annotations

from support import run_script

HEAVY = """
class HeavyWarning(UserWarning):
    pass
"""
PROGRAM = """
import sys
import warnings
import manyhands as mp
import heavy

class Own(UserWarning):
    pass

class Gone(UserWarning):
    pass

warnings.simplefilter("error")
warnings.simplefilter("ignore", heavy.HeavyWarning)
warnings.simplefilter("ignore", Own)
warnings.simplefilter("ignore", Gone)
del Gone

def heard(category):
    try:
        warnings.warn("hear", category)
    except Warning:
        return True
    return False

def look(where, _=None):
    before = "heavy" in sys.modules
    module = __import__("heavy")
    print(where, before, heard(module.HeavyWarning), heard(UserWarning), heard(Own), flush=True)

def start(context, function, *args):
    process = mp.get_context(context).Process(target=function, args=args)
    process.start()
    process.join()

def nested():
    # What a child does not know yet, its own children are told all the same.
    start(None, look, "grandchild")

if __name__ == "__main__":
    start(None, look, "process")
    start(None, nested)
    with mp.Pool(1) as pool:
        pool.apply(look, ("pool",))
    for context in ("fork", "spawn"):
        with mp.Pool(1, context=context) as pool:
            pool.apply(look, (context,))
"""
QUIET = "False True False"


def test_a_filter_counts_in_a_child_and_imports_nothing(tmp_path):
    (tmp_path / "heavy.py").write_text(HEAVY)
    outcome = run_script(tmp_path, PROGRAM)
    expected = [f"{where} False {QUIET}" for where in ("process", "grandchild", "pool")]
    # These have the parent's modules, the first by the fork, the second by its own import.
    expected += [f"{where} True {QUIET}" for where in ("fork", "spawn")]
    assert outcome.lines == expected, outcome.err
