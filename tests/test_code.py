"""How code travels: user scripts of all kinds, what is sent and when, whose reducers are used.

The worker is a process of `fakepool`: no engine is involved.
"""

from __future__ import annotations

import functools
import json
import multiprocessing
import socket
import subprocess
import sys
import types
import warnings
import weakref
from multiprocessing import resource_sharer
from multiprocessing.reduction import ForkingPickler
from pathlib import Path

import hostile
import pytest
from fakepool import FakePool
from hypothesis import given
from hypothesis import strategies as st

from manyhands import _code, _globals, _order, _pickling, _stable
from manyhands.errors import LargeGlobalWarning, PicklingError

HERE = Path(__file__).resolve().parent
SCRIPTS = [HERE / "scripts" / "code_of_main.py", HERE / "scripts" / "classes_of_main.py"]


# A user's script, however it is started


def run_script(arguments, *, stdin=None):
    environment = {"PYTHONPATH": ":".join([str(HERE), *filter(None, sys.path)]), "PATH": "/bin"}
    done = subprocess.run(
        [sys.executable, *arguments],
        stdin=stdin,
        stdout=subprocess.PIPE,
        env=environment,
        cwd=HERE,
        timeout=50,
        check=False,
    )
    lines = done.stdout.decode().splitlines()
    assert len(lines) == 1, "the script's top level must run once"
    return json.loads(lines[0])


@pytest.mark.parametrize("how", ["file", "module", "stdin"])
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_everything_in_main_travels(script, how):
    if how == "stdin":
        with script.open("rb") as source:
            report = run_script([], stdin=source)
    else:
        report = run_script(
            [str(script)] if how == "file" else ["-m", f"{script.parent.name}.{script.stem}"]
        )
    assert report["failures"] == {}
    assert report["checks"] > 4


def test_globals_of_a_namespace_that_is_no_module():
    """A profiler runs a script in a dictionary of its own: initializer and task share one too."""
    space = {"__name__": "__main__"}
    exec(  # noqa: S102 (a user's code, in the place of a file)
        "model = None\n"
        "def load():\n    global model; model = 'loaded'\n"
        "def read(x):\n    return model, factor, x\n"
        "factor = 2\n",
        space,
    )
    with FakePool(space["load"]) as pool:
        assert pool.call(space["read"], 1) == ("loaded", 2, 1)
        space["factor"] = 3
        assert pool.call(space["read"], 1) == ("loaded", 3, 1)
        space["factor"] = 2
        assert pool.call(space["read"], 1) == ("loaded", 2, 1)


# What is sent, and when


class Recorder:
    """Stands for the engine: numbers blobs by content, notes what was required."""

    def __init__(self):
        self.blobs = {}
        self.names = []
        self.required = []
        self.codebook = _code.Codebook()

    def register(self, data, name, met=None):
        self.names.append(name)
        return self.blobs.setdefault(data, len(self.blobs))

    def shipper(self, **options):
        self.required = []
        return _code.Shipper(self.register, self.required.append, codebook=self.codebook, **options)


@pytest.fixture
def main(monkeypatch):
    """A `__main__` of the test's own."""
    module = types.ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", module)

    def define(source):
        exec(source, vars(module))  # noqa: S102 (a user's code, in the place of a file)
        return module

    return define


@pytest.fixture
def recorder():
    return Recorder()


def test_unchanged_function_is_serialised_once(main, recorder):
    module = main("K = 3\ndef helper(x):\n    return x + K\ndef f(x):\n    return helper(x)\n")
    first = recorder.shipper().function(module.f)
    required = recorder.required
    assert recorder.names == ["K", "helper", "f"]
    for _ in range(3):
        assert recorder.shipper().function(module.f) == first
        assert recorder.required == required
    assert recorder.names == ["K", "helper", "f"]
    assert recorder.codebook.known(module.f) == required
    module.K = 4
    assert recorder.codebook.known(module.f) is None
    assert recorder.shipper().function(module.f) == first
    assert recorder.required[-1] == first
    assert recorder.names == ["K", "helper", "f", "K"]


@pytest.mark.parametrize(
    "change",
    [
        "f.__defaults__ = (5,)",
        "f.__kwdefaults__ = {'z': 5}",
        "f.__code__ = (lambda x, y=1, *, z=2: 0).__code__",
        "f.attribute = 1",
        "C.method.__defaults__ = (5,)",
        "C.attribute = 5",
        "C.new = 5",
        "del C.attribute",
        "TABLE['a'] = 2",
        "absent = 1",
        "inner.__closure__[0].cell_contents = 9",
    ],
)
def test_changes_are_noticed(main, recorder, change):
    module = main(
        "class C:\n"
        "    attribute = 1\n"
        "    def method(self, x=1): return x\n"
        "TABLE = {'a': 1}\n"
        "def outer(n):\n    def inner(): return n\n    return inner\n"
        "inner = outer(1)\n"
        "def f(x, y=1, *, z=2):\n"
        "    try: absent\n"
        "    except NameError: pass\n"
        "    return C, TABLE, inner\n"
    )
    recorder.shipper().function(module.f)
    recorder.shipper().function(module.f)
    before = len(recorder.names)
    exec(change, vars(module))  # noqa: S102 (a user's code, in the place of a file)
    recorder.shipper().function(module.f)
    assert len(recorder.names) == before + 1, recorder.names[before:]


def test_data_that_did_not_change_is_not_sent_again(main, recorder):
    module = main("TABLE = list(range(10_000))\ndef f(x):\n    return TABLE[x]\n")
    recorder.shipper().function(module.f)
    recorder.shipper().function(module.f)
    assert recorder.names == ["TABLE", "f"]


def test_importable_function_is_one_small_blob(recorder):
    shipper = recorder.shipper()
    number = shipper.function(hostile.identity)
    assert recorder.required == [number]
    assert len(next(iter(recorder.blobs))) < 100
    assert recorder.shipper().function(hostile.identity) == number
    assert recorder.names == ["identity"]


def test_dependencies_are_required_first(main, recorder):
    module = main(
        "class Base: pass\nclass Item(Base):\n    def use(self): return helper()\n"
        "def helper(): return Item\n"
    )
    recorder.shipper().dumps([module.Item()])
    assert recorder.names[0] == "Base"
    assert set(recorder.names[1].split(", ")) == {"Item", "helper"}
    assert recorder.required == [0, 1]


def test_definition_is_shipped_once_per_call_and_item_is_small(main, recorder):
    module = main("class Item:\n    def __init__(self, x): self.x = x\n")
    shipper = recorder.shipper()
    sizes = {len(shipper.dumps(module.Item(i))) for i in range(50)}
    assert recorder.names == ["Item"]
    assert recorder.required == [0]
    assert max(sizes) < 60


def test_only_written_global_is_not_sent(main, recorder):
    module = main(
        "import threading\nlock = threading.Lock()\ndef init():\n    global lock\n    lock = 1\n"
    )
    recorder.shipper().function(module.init)
    assert recorder.names == ["init"]


def test_unpicklable_base_class_is_an_error(main, recorder):
    module = main(
        "import threading\nclass Base:\n    lock = threading.Lock()\nclass Item(Base): pass\n"
    )
    with pytest.raises(PicklingError, match=r"^class Base\.lock: cannot pickle '_thread.lock'"):
        recorder.shipper().dumps(module.Item())


def test_unpicklable_default_of_a_function_of_main(main, recorder):
    module = main("import threading\ndef f(x, lock=threading.Lock()): return x\n")
    with pytest.raises(PicklingError, match=r"^function f, default of 'lock': cannot pickle"):
        recorder.shipper().function(module.f)


def test_large_global_warns_once(main, recorder):
    module = main("TABLE = bytes(17_000_000)\ndef f(x): return TABLE[x]\n")
    with pytest.warns(LargeGlobalWarning, match=r"global 'TABLE' is 17.0 MB.*initializer") as seen:
        recorder.shipper().function(module.f)
    assert seen[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        recorder.shipper().function(module.f)


def test_what_workers_inherited_is_not_sent(main, recorder):
    module = main(
        "TABLE = bytes(17_000_000)\nclass Item: pass\ndef f(x): return TABLE[x]\nN = 1\n"
        "def g(x): return N\n"
    )
    inherited = dict(vars(module))
    recorder.shipper(inherited=inherited).function(module.f)
    recorder.shipper(inherited=inherited).function(module.f)
    recorder.shipper(inherited=inherited).dumps(module.Item())
    assert recorder.names == ["f"]
    assert recorder.codebook.known(module.f) is not None
    recorder.shipper(inherited=inherited).function(module.g)
    module.N = 2
    recorder.shipper(inherited=inherited).function(module.g)
    assert list(recorder.blobs.values()) == [0, 1, 2]
    assert recorder.names[2] == "N"


def test_names_of_ipython_do_not_shift(main, recorder):
    module = main("_ = data = [1]\ndef f(): return data\n")
    recorder.shipper().function(module.f)
    assert recorder.names == ["data", "f"]


def test_module_made_by_hand_is_not_importable(monkeypatch):
    module = types.ModuleType("made_by_hand")
    exec("def f(x):\n    return x + offset\noffset = 1\n", vars(module))  # noqa: S102 (a user's code, in the place of a file)
    monkeypatch.setitem(sys.modules, "made_by_hand", module)
    assert not _globals.importable("made_by_hand")
    with FakePool() as pool:
        assert pool.map(module.f, [1]) == [2]


def test_importable_modules_are_found():
    assert all(map(_globals.importable, ["sys", "json", "os.path", "posixpath", "hostile"]))
    assert not _globals.importable("__main__")
    assert not _globals.importable("no_such_module")


def test_closure_of_an_importable_module_uses_its_real_globals():
    with FakePool() as pool:
        wrapper = functools.wraps(hostile.identity)(lambda x: len(hostile.VALUES) + x)
        assert pool.call(wrapper, 1) == len(hostile.VALUES) + 1


@pytest.mark.parametrize(
    ("edges", "groups"),
    [
        ({}, []),
        ({"a": []}, [["a"]]),
        ({"a": ["b"], "b": ["c"], "c": []}, [["c"], ["b"], ["a"]]),
        ({"a": ["b", "gone"], "b": ["a"]}, [["a", "b"]]),
        ({"a": ["b"], "b": ["a"], "c": ["a", "c"]}, [["a", "b"], ["c"]]),
    ],
)
def test_components(edges, groups):
    assert [sorted(group) for group in _order.components(edges)] == groups


def test_components_of_a_long_chain():
    chain = {str(i): [str(i + 1)] for i in range(50_000)}
    assert len(_order.components(chain)) == 50_000


@given(st.dictionaries(st.sampled_from("abcdefgh"), st.lists(st.sampled_from("abcdefgh"))))
def test_components_are_a_partition_in_order(edges):
    groups = _order.components(edges)
    flat = [name for group in groups for name in group]
    assert sorted(flat) == sorted(edges)
    place = {name: number for number, group in enumerate(groups) for name in group}
    for name, targets in edges.items():
        assert all(place[target] <= place[name] for target in targets if target in edges)


_ATOMS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
_VALUES = st.recursive(
    _ATOMS | st.binary() | st.dates() | st.decimals(allow_nan=False),
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(), inner)
        | st.builds(lambda x: functools.partial(print, x).args, inner)
    ),
)


@given(_VALUES)
def test_slow_path_gives_what_plain_pickle_gives(value):
    assert _pickling.loads(dumps(value)) == value
    assert _pickling.loads(_pickling.dumps_result(value)) == value


def test_watching_gives_up_on_what_it_does_not_know():
    main = _globals.Main()
    assert _stable.watch("x", [1], main) is None
    assert _stable.watch("x", {"a": 1}, main) is None
    assert _stable.watch("x", object(), main) is None
    assert _stable.watch("x", (1, "a", (2.5, None)), main) == []


# Reducers of others


def dumps(obj, label="argument"):
    return _code.Shipper(lambda data, name, met: 0, lambda number: None).dumps(obj, label)


class Registered:
    """A library's class with a reducer in ForkingPickler, as torch's tensors have."""

    def __init__(self, x):
        self.x = x


def test_forking_picklers_reducers_are_used(monkeypatch):
    table = {}
    monkeypatch.setattr(ForkingPickler, "_extra_reducers", table)
    assert not _pickling.needs_forking_pickler()
    ForkingPickler.register(Registered, lambda r: (str, (f"reduced {r.x}",)))
    assert _pickling.needs_forking_pickler()
    assert _pickling.loads(dumps([Registered(1)])) == ["reduced 1"]
    assert _pickling.loads(_pickling.dumps_result(Registered(2))) == "reduced 2"


def test_a_connection_travels_and_others_keep_the_fast_path():
    one, other = multiprocessing.Pipe()
    assert _pickling.care() == 1, "what names multiprocessing takes the slow path, and only that"
    with one, other, _pickling.loads(dumps(one)) as copy:
        copy.send("x")
        assert other.recv() == "x"
    resource_sharer.stop(timeout=10)


def test_unimportant_registrations_leave_the_fast_path(monkeypatch):
    table = {type: None, types.MethodType: None, socket.socket: None, functools.partial: None}
    monkeypatch.setattr(ForkingPickler, "_extra_reducers", table)
    assert not _pickling.needs_forking_pickler()


def test_socket_travels_within_the_process():
    one, other = socket.socketpair()
    with one, other, _pickling.loads(dumps(one)) as copy:
        assert copy.fileno() != one.fileno()
        copy.sendall(b"x")
        assert other.recv(1) == b"x"
    resource_sharer.stop(timeout=10)


def test_multiprocessing_is_not_imported_for_plain_work():
    program = (
        "import sys\n"
        "from manyhands import _code, _pickling\n"
        "class Item: pass\n"
        "def f(x): return x\n"
        "s = _code.Shipper(lambda d, n, m: 0, lambda n: None)\n"
        "s.function(f); s.dumps(Item()); _pickling.needs_forking_pickler()\n"
        "heavy = {'multiprocessing', 'cloudpickle', 'concurrent', 'logging', 'typing', 'inspect',\n"
        "         'socket', 'pickle'}\n"
        "print(sorted(heavy & sys.modules.keys()))\n"
    )
    environment = {"PYTHONPATH": ":".join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-S", "-c", program],
        capture_output=True, text=True, env=environment, timeout=30, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    assert done.stdout == "[]\n"


class Difficult:
    """A callable that answers no question about itself."""

    def __call__(self, x):
        return x

    def __getattribute__(self, name):
        raise RuntimeError("do not look at me")

    def __reduce__(self):
        return Difficult, ()


def test_callable_that_raises_when_it_is_looked_at(recorder):
    assert _code.describe(Difficult()) == "Difficult"
    assert not _code.is_reference(Difficult())
    with pytest.raises(PicklingError, match=r"^function Difficult: .*do not look at me"):
        recorder.shipper().function(Difficult())


def test_large_data_is_not_kept_alive(main, recorder):
    module = main("class Data(list): pass\nDATA = Data([1])\ndef f(): return DATA\n")
    recorder.shipper().function(module.f)
    alive = weakref.ref(module.DATA)
    del module.DATA
    assert alive() is None
