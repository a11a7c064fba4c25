"""CPython's multiprocessing tests, shown another package in the place of `multiprocessing`.

The tests say `multiprocessing.Queue`, `multiprocessing.connection.wait`, ... Here that name leads
to a view: each attribute is the package's if it has one, else the standard library's, and is noted
as borrowed then. So a name that was only passed through cannot count as ours.

Left out: tests of managers and of dummy threads (the standard library's own, whatever the package),
and tests of CPython's internals, which no user can see.
"""

from __future__ import annotations

import importlib
import os
import types

PACKAGE = "CONFORMANCE_PACKAGE"
METHOD = "CONFORMANCE_METHOD"

INTERNALS = (
    "MiscTestCase",
    "SemLockTests",
    "TestForkAwareThreadLock",
    "TestInternalDecorators",
    "TestNamedResource",
    "TestResourceTracker",
    "WithProcessesTestFinalize",
    "WithProcessesTestHeap",
    "WithProcessesTestImportStar",
    "WithProcessesTestLogging",
    "_TestImportStar",
)


class View(types.ModuleType):
    """A package laid over the standard library's."""

    def __init__(self, package, standard):
        super().__init__(standard.__name__)
        self.__dict__.update(_package=package, _standard=standard, borrowed=set())

    def __getattr__(self, name):
        for source in (self._package, self._standard):
            found = getattr(source, name, self)
            if found is not self:
                if source is self._standard:
                    self.borrowed.add(name)
                return found
        raise AttributeError(name)


def populate(namespace):
    """Put the test classes for the package and method of the environment into a namespace."""
    from test import _test_multiprocessing as suite

    package = os.environ[PACKAGE]
    if package != "multiprocessing":
        view = View(importlib.import_module(package), suite.multiprocessing)
        suite.multiprocessing = namespace["view"] = view
        for name, old in list(vars(suite.ProcessesMixin).items()):
            if not name.startswith("_") and name not in ("TYPE", "connection"):
                new = getattr(view, name)
                plain = isinstance(old, staticmethod) or not isinstance(new, type)
                setattr(suite.ProcessesMixin, name, staticmethod(new) if plain else new)
    suite.install_tests_in_module_dict(namespace, os.environ[METHOD])
    for name in list(namespace):
        if name.startswith(("WithManager", "WithThreads")) or name in INTERNALS:
            del namespace[name]
