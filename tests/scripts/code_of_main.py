"""A user's script: its functions and globals, as a worker sees them.

Run as a file, with -m, and from stdin. Each `check_` function is one promise; what failed is
printed as JSON. There is no `__main__` guard: a worker that imported this file would print a
second line.
"""

import dataclasses
import functools
import json
import os
import threading
import xml.etree.ElementTree

from fakepool import FakePool, run_checks

# A user's script is not written for our linter: globals, prints and short cuts are its point.
# ruff: noqa: PLW0603, PT017, PT018, TRY301, S314, ICN001, SIM115, PTH123

model = None
only_written = open(os.devnull)
FACTOR = 10
MISSING = object()
SEEN = []
TABLE = {"a": 1}
LOCK = threading.Lock()


def load(value):
    global model, only_written
    model = value
    only_written = None


def read_model(x):
    return (model, x)


def scale(x):
    return x * FACTOR


def scale_twice(x):
    return scale(scale(x))


def is_even(n):
    return True if n == 0 else is_odd(n - 1)


def is_odd(n):
    return False if n == 0 else is_even(n - 1)


@functools.lru_cache
def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


@functools.singledispatch
def kind_of(x):
    return "object"


@kind_of.register
def _(x: int):
    return "int"


def make_counter():
    n = 0

    def increase():
        nonlocal n
        n += 1
        return n

    def value():
        return n

    return increase, value


increase, value = make_counter()


def is_missing(x=MISSING):
    return x is MISSING


def note(x):
    SEEN.append(x)
    return list(SEEN)


def use_lock(x):
    with LOCK:
        return x


def mentions_lock(x):
    return LOCK if x is None else x


def identity(x):
    return x


def tag_of(text):
    return xml.etree.ElementTree.fromstring(text).tag


def has_pool(x):
    class Local:
        factor = FACTOR

    return Local.factor * x


@dataclasses.dataclass(order=True)
class Point:
    x: int
    y: int = 0
    tags: list = dataclasses.field(default_factory=list, compare=False)

    def scaled(self):
        return Point(self.x * FACTOR, self.y * FACTOR)


class Node:
    def __init__(self):
        self.parent = None
        self.children = []


class Failure(Exception):
    def __init__(self, code, text):
        super().__init__(text)
        self.code = code


class WorseFailure(Failure):
    pass


def fail(x):
    try:
        raise ValueError("first")
    except ValueError as error:
        raise WorseFailure(x, "second") from error


def check_initializer_sets_a_global():
    with FakePool(load, "loaded") as pool:
        assert pool.map(read_model, [1, 2]) == [("loaded", 1), ("loaded", 2)]
        assert pool.call(lambda: model) == "loaded"


def check_changed_global_is_sent_again():
    global FACTOR
    with FakePool() as pool:
        assert pool.map(scale_twice, [1]) == [100]
        FACTOR = 3
        try:
            assert pool.map(scale_twice, [1]) == [9]
        finally:
            FACTOR = 10
        assert pool.map(scale_twice, [1]) == [100]


def check_redefined_function_and_class():
    global scale, Point
    old_scale, old_point = scale, Point

    def scale(x):
        return -x

    scale.__qualname__ = "scale"

    @dataclasses.dataclass
    class Point:
        z: int

    Point.__qualname__ = "Point"
    new_scale, new_point = scale, Point
    try:
        with FakePool() as pool:
            for _ in range(2):
                scale, Point = old_scale, old_point
                assert pool.map(scale_twice, [1]) == [100]
                assert pool.call(identity, Point(1)) == Point(1)
                scale, Point = new_scale, new_point
                assert pool.map(scale_twice, [1]) == [1]
                assert pool.call(identity, Point(1)) == Point(1)
    finally:
        scale, Point = old_scale, old_point


def check_global_that_becomes_unpicklable():
    global model
    with FakePool() as pool:
        assert pool.call(read_model, 1) == (None, 1)
        model = LOCK
        try:
            pool.call(read_model, 1)
        except Exception as error:
            assert "'model'" in str(error), error
        else:
            raise AssertionError("no error")
        finally:
            model = None
        assert pool.call(read_model, 1) == (None, 1)


def check_changed_contents_are_sent_again():
    with FakePool() as pool:
        assert pool.call(lambda: TABLE["a"]) == 1
        TABLE["a"] = 2
        assert pool.call(lambda: TABLE["a"]) == 2
        TABLE["a"] = 1


def check_unchanged_global_is_left_alone():
    with FakePool() as pool:
        assert pool.map(note, [1, 2]) == [[1], [1, 2]]
        assert pool.map(note, [3]) == [[1, 2, 3]]
        assert pool.call(lambda: len(SEEN)) == 3
        assert SEEN == []


def check_recursion():
    with FakePool() as pool:
        assert pool.map(is_even, [10, 11]) == [True, False]
        assert pool.call(fib, 50) == 12586269025
        assert pool.map(kind_of, [1, "a"]) == ["int", "object"]


def check_shared_cells():
    with FakePool() as pool:
        assert pool.call(increase) == 1
        assert pool.call(lambda: (increase(), value())) == (2, 2)


def check_identity_of_globals():
    with FakePool() as pool:
        assert pool.call(is_missing) is True
        assert pool.call(lambda: is_missing(MISSING)) is True


def check_unpicklable_global():
    with FakePool() as pool:
        assert pool.call(mentions_lock, 1) == 1
        try:
            pool.call(use_lock, 1)
        except Exception as error:
            assert type(error).__name__ == "PicklingError", error
            assert "'LOCK'" in str(error), error
            assert "_thread.lock" in str(error), error
        else:
            raise AssertionError("no error")


def check_class_body_reads_globals():
    with FakePool() as pool:
        assert pool.call(has_pool, 2) == 20


def check_submodule_of_an_imported_package():
    with FakePool() as pool:
        assert pool.call(tag_of, "<a/>") == "a"


def check_local_classes_and_closures():
    class Local:
        def __init__(self, x):
            self.x = x

        def grown(self):
            return Local(self.x + offset)

    offset = 5
    with FakePool() as pool:
        back = pool.call(lambda o: o.grown(), Local(1))
        assert type(back) is Local and back.x == 6
        assert pool.map(lambda f: f(1), [lambda x: x + offset, scale]) == [6, 10]
        assert pool.call(lambda: [o.x for o in (Local(1), Local(2))]) == [1, 2]


def check_functions_as_results():
    with FakePool() as pool:
        add = pool.call(lambda n: lambda x: x + n + FACTOR, 1)
        assert add(1) == 12
        assert add.__globals__ is globals()
        assert pool.call(lambda: scale) is scale


def check_what_the_worker_defines_comes_by_value():
    def define():
        global Made

        class Made:
            size = 3

        Made.__qualname__ = "Made"
        return Made()

    with FakePool() as pool:
        made = pool.call(define)
        assert type(made).__name__ == "Made" and made.size == 3
        assert "Made" not in globals()


def check_callables_of_all_kinds():
    class Adder:
        def __init__(self, n):
            self.n = n

        def __call__(self, x):
            return x + self.n

    with FakePool() as pool:
        assert pool.call(Adder(1), 1) == 2
        assert pool.call(functools.partial(scale, 2)) == 20
        assert pool.call(functools.partial(max, key=lambda x: -x), 1, 2) == 1
        assert pool.call(len, "abc") == 3
        assert pool.call(str.upper, "abc") == "ABC"
        assert pool.call("a".join, ["x", "y"]) == "xay"
        assert pool.call(Point, 1) == Point(1)
        assert pool.call(dict, [(1, 2)]) == {1: 2}
        assert pool.call(json.dumps, [1]) == "[1]"
        assert pool.call(Point(2).scaled) == Point(20)


def check_self_references():
    node = Node()
    node.children.append(Node())
    node.children[0].parent = node
    with FakePool() as pool:
        back = pool.call(identity, node)
        assert back.children[0].parent is back
        loop = []
        loop.append(loop)
        back = pool.call(identity, loop)
        assert back[0] is back


def check_exceptions():
    with FakePool() as pool:
        try:
            pool.call(fail, 7)
        except Failure as error:
            assert type(error) is WorseFailure
            assert error.code == 7
            assert type(error.__cause__) is ValueError
            assert "in fail" in str(error.__cause__.__cause__)
            trace, own = error.__notes__
            assert own == "while the test ran"
            assert "in fail" in trace
        else:
            raise AssertionError("no error")


def check_worker_globals_survive():
    def remember(x):
        global kept
        kept = x

    with FakePool() as pool:
        pool.call(remember, "mine")
        assert pool.call(lambda: kept) == "mine"
        globals()["kept"] = "parent"
        assert pool.call(lambda: kept) == "mine"
        del globals()["kept"]


run_checks(globals())
