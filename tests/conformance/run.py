"""Run CPython's own multiprocessing tests on manyhands: `python run.py METHOD [-k PATTERN] [-v]`.

The interpreter must have the standard library's `test` package. `--package multiprocessing` gives
the reference. The status is 0 if nothing failed but what `differences.py` lists; `--json` writes
what happened. The last line is `N passed, N failed, N skipped`, where expected failures count as
skipped.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import signal
import sys
import unittest
from pathlib import Path

from conformance_view import METHOD, PACKAGE
from differences import EXPECTED


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("method", choices=("fork", "spawn", "forkserver"))
    parser.add_argument("--package", default="manyhands")
    parser.add_argument("-k", dest="patterns", action="append", help="run what contains this")
    parser.add_argument(
        "--part", type=int, nargs=2, default=(0, 1), help="of the classes, each COUNT-th from FIRST"
    )
    parser.add_argument("-v", dest="verbose", action="store_true", help="name each test")
    parser.add_argument("--json", type=Path, help="write what happened to this file")
    return parser.parse_args()


def run(options):
    """Run the tests in this process; the unittest result and the names that were borrowed."""
    here = str(Path(__file__).resolve().parent)
    path = [here, *filter(None, [os.environ.get("PYTHONPATH")])]
    os.environ.update(
        {PACKAGE: options.package, METHOD: options.method, "PYTHONPATH": os.pathsep.join(path)}
    )
    cases = importlib.import_module("conformance_cases")
    loader = unittest.TestLoader()
    if options.patterns:
        loader.testNamePatterns = [f"*{pattern}*" for pattern in options.patterns]
    runner = unittest.TextTestRunner(
        verbosity=2 if options.verbose else 1, buffer=not options.verbose
    )
    classes = list(loader.loadTestsFromModule(cases))
    first, count = options.part
    result = runner.run(unittest.TestSuite(classes[first::count]))
    return result, sorted(getattr(cases, "view", View).borrowed)


class View:
    """The reference borrows nothing."""

    borrowed = ()


def short(test):
    """The name of a test without its module; that of a whole module if its set-up failed."""
    return test.id().partition(".")[2] or test.id()


def main():
    # A shell starts what runs in its background with it ignored; CPython sends it to itself.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    options = arguments()
    result, borrowed = run(options)
    bad = sorted({short(test) for test, _ in result.failures + result.errors})
    expected = [name for name in bad if name in EXPECTED and options.package == "manyhands"]
    failed = [name for name in bad if name not in expected]
    skipped = len(result.skipped) + len(expected)
    passed = result.testsRun - skipped - len(failed)
    for name in expected:
        print(f"expected: {name}: {EXPECTED[name]}")
    for name in failed:
        print(f"FAILED {name}")
    print("borrowed from the standard library:", ", ".join(borrowed) or "nothing")
    if options.json:
        facts = {"passed": passed, "failed": failed, "expected": expected, "borrowed": borrowed}
        options.json.write_text(json.dumps(facts, indent=1))
    print(f"{passed} passed, {len(failed)} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
