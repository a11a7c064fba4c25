"""What lives in `__main__` works in workers: run as a file, by -m, from stdin, with -c, in a zip or
typed into the interpreter; with and without the `__main__` guard.
"""

from __future__ import annotations

import textwrap
import zipfile

import pytest
from support import run_python, run_script

DEFINITIONS = """
import enum
import manyhands as mp

print("top level")
model = None
factor = 10


class MyError(Exception):
    def __init__(self, code):
        super().__init__(code)
        self.code = code


class Point:
    def __init__(self, x):
        self.x = x

    def double(self):
        return Point(2 * self.x)


class Colour(enum.Enum):
    RED = 1


def load(weight):
    global model
    model = {"weight": weight}


def predict(x):
    return scale(model["weight"] * x)


def scale(x):
    return x * factor


def make_point(x):
    return Point(x)


def same(x):
    return x


def fail(x):
    raise MyError(x)
"""

BODY = """
with mp.Pool(2, load, (3,)) as pool:
    assert pool.map(predict, range(20)) == [30 * x for x in range(20)]
    assert list(pool.imap(predict, range(20))) == [30 * x for x in range(20)]
    assert pool.apply(predict, (2,)) == 60
    assert model is None
    (point,) = pool.map(make_point, [4])
    assert type(point) is Point and point.x == 4
    (point,) = pool.map(Point.double, [Point(5)])
    assert type(point) is Point and point.x == 10
    assert pool.map(Point(6).double().__class__, [7])[0].x == 7
    assert pool.apply(same, (Colour.RED,)) is Colour.RED
    assert pool.apply(same, (Point,)) is Point
    assert pool.map(lambda x: x + factor, [1]) == [11]
    try:
        pool.map(fail, [3])
    except MyError as error:
        print("caught", error.code)
print("done")
"""

EXPECTED = ["top level", "caught 3", "done"]


def program(guarded):
    if not guarded:
        return DEFINITIONS + BODY
    return DEFINITIONS + '\nif __name__ == "__main__":\n' + textwrap.indent(BODY, "    ")


@pytest.fixture(params=["plain", "guarded"])
def source(request):
    return program(request.param == "guarded")


def check(outcome):
    assert outcome.code == 0, outcome.err
    assert outcome.lines == EXPECTED
    assert outcome.err == ""


def test_as_a_file(tmp_path, source):
    check(run_script(tmp_path, source))


def test_as_a_module(tmp_path, source):
    (tmp_path / "application.py").write_text(source)
    check(run_python(["-m", "application"], cwd=tmp_path))


def test_as_a_module_of_a_package(tmp_path, source):
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "tool.py").write_text(source)
    check(run_python(["-m", "package.tool"], cwd=tmp_path))


def test_a_relative_import_of_a_package(tmp_path):
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "helper.py").write_text("def triple(x):\n    return 3 * x\n")
    (package / "tool.py").write_text(
        "import manyhands as mp\n"
        "from .helper import triple\n"
        "def twice(x):\n"
        "    return 2 * triple(x)\n"
        "with mp.Pool(1) as pool:\n"
        "    print(pool.map(triple, [2]), pool.map(twice, [2]))\n"
    )
    outcome = run_python(["-m", "package.tool"], cwd=tmp_path)
    assert (outcome.lines, outcome.err) == (["[6] [12]"], "")


def test_as_a_package(tmp_path, source):
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "__main__.py").write_text(source)
    check(run_python(["-m", "package"], cwd=tmp_path))


def test_from_standard_input(tmp_path, source):
    check(run_python(["-"], cwd=tmp_path, stdin=source))


def test_on_the_command_line(tmp_path, source):
    check(run_python(["-c", source], cwd=tmp_path))


def test_in_a_zip_file(tmp_path, source):
    with zipfile.ZipFile(tmp_path / "application.zip", "w") as archive:
        archive.writestr("__main__.py", source)
    check(run_python(["application.zip"], cwd=tmp_path))


def test_typed_into_the_interpreter(tmp_path):
    typed = """\
import manyhands as mp
model = None
def load(weight):
    global model
    model = weight

def predict(x):
    return model * x

with mp.Pool(2, load, (3,)) as pool:
    print(pool.map(predict, range(3)))
    print(pool.map(lambda x: predict(x) + 1, range(3)))

def predict(x):
    return -x

with mp.Pool(2) as pool:
    print(pool.map(predict, range(3)))

"""
    outcome = run_python(["-i", "-q"], cwd=tmp_path, stdin=typed)
    assert outcome.code == 0
    assert outcome.lines == ["[0, 3, 6]", "[1, 4, 7]", "[0, -1, -2]"]
    assert "Traceback" not in outcome.err


def test_a_function_can_be_defined_anew(tmp_path):
    outcome = run_script(
        tmp_path,
        """
        import manyhands as mp

        def f(x):
            return "old"

        with mp.Pool(1) as pool:
            print(pool.map(f, [1]))

            def f(x):
                return "new " + g(x)

            def g(x):
                return "g"

            print(pool.map(f, [1]))

            def g(x):
                return "another g"

            print(pool.map(f, [1]))
        """,
    )
    assert outcome.lines == ["['old']", "['new g']", "['new another g']"], outcome.err


def test_a_global_that_the_parent_changes_is_shipped_again(tmp_path):
    outcome = run_script(
        tmp_path,
        """
        import manyhands as mp

        factor = 2

        def f(x):
            return factor * x

        with mp.Pool(1) as pool:
            print(pool.map(f, [1, 2]))
            factor = 5
            print(pool.map(f, [1, 2]), pool.apply(f, (3,)))
        """,
    )
    assert outcome.lines == ["[2, 4]", "[5, 10] 15"], outcome.err


def test_what_worker_code_binds_is_never_overwritten(tmp_path):
    outcome = run_script(
        tmp_path,
        """
        import manyhands as mp

        counter = 0
        cache = {}

        def count(_):
            global counter
            counter += 1
            cache[counter] = True
            return counter, len(cache)

        with mp.Pool(1) as pool:
            print(pool.map(count, range(3)))
            print(pool.map(count, range(2)))
            print(counter, cache)
        """,
    )
    assert outcome.lines == ["[(1, 1), (2, 2), (3, 3)]", "[(4, 4), (5, 5)]", "0 {}"], outcome.err


def test_functions_that_call_each_other(tmp_path):
    outcome = run_script(
        tmp_path,
        """
        import functools
        import manyhands as mp

        def even(n):
            return True if n == 0 else odd(n - 1)

        def odd(n):
            return False if n == 0 else even(n - 1)

        def logged(func):
            @functools.wraps(func)
            def wrapper(*args):
                return "logged", func(*args)
            return wrapper

        @logged
        def decorated(x):
            return x

        class Base:
            def name(self):
                return "base"

        class Child(Base):
            def name(self):
                return "child of " + super().name()

        def name(x):
            return x.name(), isinstance(x, Base)

        with mp.Pool(2) as pool:
            print(pool.map(even, [10, 7]))
            print(pool.map(decorated, [1]))
            print(pool.map(name, [Child()]))
            print(pool.map(Child().name.__func__, [Child()]))
        """,
    )
    assert outcome.lines == [
        "[True, False]",
        "[('logged', 1)]",
        "[('child of base', True)]",
        "['child of base']",
    ], outcome.err


def test_dataclasses_named_tuples_and_enums(tmp_path):
    outcome = run_script(
        tmp_path,
        """
        import collections
        import dataclasses
        import enum
        import typing
        import manyhands as mp

        @dataclasses.dataclass(frozen=True)
        class Record:
            x: int

        class Pair(typing.NamedTuple):
            a: int
            b: int

        Old = collections.namedtuple("Old", "a b")

        class Flags(enum.IntFlag):
            A = 1
            B = 2

        def check(x):
            return x, type(x) is {"Record": Record, "Pair": Pair, "Old": Old,
                                  "Flags": Flags}[type(x).__name__]

        things = [Record(1), Pair(1, 2), Old(1, 2), Flags.A | Flags.B]
        with mp.Pool(2) as pool:
            for thing, (back, same_in_worker) in zip(things, pool.map(check, things)):
                assert same_in_worker, thing
                assert type(back) is type(thing) and back == thing, thing
            assert pool.apply(check, (Flags.A,))[0] is Flags.A
        print("done")
        """,
    )
    assert outcome.lines == ["done"], outcome.err


def test_an_exception_of_main_with_cause_and_notes(tmp_path):
    outcome = run_script(
        tmp_path,
        """
        import traceback
        import manyhands as mp

        class MyError(Exception):
            pass

        def fail(x):
            try:
                raise KeyError("inner")
            except KeyError as error:
                outer = MyError("outer")
                outer.add_note("a note")
                raise outer from error

        with mp.Pool(1) as pool:
            try:
                pool.apply(fail, (1,))
            except MyError as error:
                text = "".join(traceback.format_exception(error))
                for part in ("KeyError: 'inner'", "MyError: outer", "a note", "in fail"):
                    assert part in text, text
                print("caught")
        """,
    )
    assert outcome.lines == ["caught"], outcome.err


def test_nested_pools(tmp_path):
    outcome = run_script(
        tmp_path,
        """
        import manyhands as mp

        def square(x):
            return x * x

        def inner(n):
            with mp.Pool(2) as pool:
                return sum(pool.map(square, range(n)))

        with mp.Pool(2) as pool:
            print(pool.map(inner, [10, 20], 1))
        """,
    )
    assert outcome.lines == ["[285, 2470]"], outcome.err


def test_two_pools_share_one_main(tmp_path):
    outcome = run_script(
        tmp_path,
        """
        import manyhands as mp

        class Point:
            pass

        def make(_):
            return Point()

        def check(p):
            return isinstance(p, Point)

        with mp.Pool(1) as first, mp.Pool(1) as second:
            points = first.map(make, range(3))
            print(second.map(check, points))
        """,
    )
    assert outcome.lines == ["[True, True, True]"], outcome.err


def test_prints_of_workers_appear_once_and_whole(tmp_path):
    outcome = run_script(
        tmp_path,
        """
        import manyhands as mp

        def work(x):
            print("line", x)
            return x

        print("begin", flush=True)
        with mp.Pool(2) as pool:
            pool.map(work, range(100))
        print("end")
        """,
    )
    assert outcome.code == 0, outcome.err
    lines = outcome.lines
    assert (lines[0], lines[-1]) == ("begin", "end")
    assert sorted(lines[1:-1]) == sorted(f"line {x}" for x in range(100))


def test_a_module_imported_by_main_is_not_shipped(tmp_path):
    (tmp_path / "heavy.py").write_text(
        "STATE = []\n\ndef f(x):\n    STATE.append(x)\n    return len(STATE)\n"
    )
    outcome = run_script(
        tmp_path,
        """
        import heavy
        import manyhands as mp

        with mp.Pool(1) as pool:
            print(pool.map(heavy.f, range(3)), heavy.STATE)
        """,
    )
    assert outcome.code == 0, outcome.err
    assert outcome.lines[-1] == "[1, 2, 3] []"


def test_a_module_that_cannot_be_imported_in_the_worker(tmp_path):
    outcome = run_script(
        tmp_path,
        """
        import sys, types
        import manyhands as mp

        ghost = types.ModuleType("ghost")
        exec("def f(x): return x + 1", ghost.__dict__)
        sys.modules["ghost"] = ghost

        with mp.Pool(1) as pool:
            try:
                print(pool.map(ghost.f, [1]))
            except Exception as error:
                print("error", "ghost" in str(error))
        """,
    )
    assert outcome.code == 0, outcome.err
    assert outcome.lines in (["[2]"], ["error True"])
