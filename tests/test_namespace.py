"""The worker's `__main__`: who may bind a name, for each way in which a worker may start."""

from __future__ import annotations

import enum
import sys
import types

import pytest

from manyhands import _code, _namespace, _pickling, _rebuild


@pytest.fixture
def main(monkeypatch):
    """Makes a module the `__main__` of this process."""
    monkeypatch.setitem(sys.modules, "__mp_main__", sys.modules["__main__"])
    monkeypatch.setattr(_namespace, "_own", frozenset())
    monkeypatch.setattr(_namespace, "_unsent", {})

    def become(**names):
        module = types.ModuleType("__main__")
        vars(module).update(names)
        monkeypatch.setitem(sys.modules, "__main__", module)
        return module

    become()
    return become


def test_a_shipment_sets_what_is_absent_and_replaces_what_it_set(main):
    module = main(taken="worker")
    assert _namespace.bind("new", 1) == 1
    assert module.new == 1
    _namespace.bind("new", 2)
    assert module.new == 2
    assert _namespace.bind("taken", "parent") == "parent"
    assert module.taken == "worker"


def test_what_worker_code_binds_is_never_overwritten(main):
    module = main()
    _namespace.bind("model", None)
    module.model = "loaded"
    _namespace.bind("model", None)
    assert module.model == "loaded"
    assert _namespace.resolve("model") is None
    assert _namespace.lookup("model") == "loaded"


def test_fresh_main_holds_nothing_of_the_start_up(main):
    main(main="the template's own", __file__="template.py")
    _namespace.prepare("fresh")
    module = sys.modules["__main__"]
    assert not hasattr(module, "main")
    assert module.__name__ == "__main__"
    assert sys.modules["__mp_main__"] is module
    assert eval("len([1])", vars(module)) == 1  # noqa: S307 (built-ins are there)
    _namespace.bind("__package__", "package")
    assert module.__package__ == "package"


def test_inherited_main_counts_as_shipped(main):
    module = main(table=[1], model=None)
    _namespace.prepare("inherited")
    assert _namespace.parent_has("table")
    _namespace.bind("table", [2])
    assert module.table == [2]
    module.model = "loaded"
    assert not _namespace.parent_has("model")
    _namespace.bind("model", None)
    assert module.model == "loaded"


def test_imported_main_is_the_workers_own(main):
    module = main(table=[1])
    _namespace.prepare("imported")
    assert _namespace.parent_has("table")
    _namespace.bind("table", [2])
    assert module.table == [1]
    assert _namespace.resolve("table") == [1]
    _namespace.bind("guarded", 1)
    assert module.guarded == 1
    assert not _namespace.parent_has("unknown")


def test_imported_classes_are_used_instead_of_shipped_ones(main):
    blobs = []

    def register(data, name, met):
        blobs.append(data)
        return len(blobs) - 1

    source = (
        "import enum\nfound = []\n"
        "class Base:\n    def __init_subclass__(cls): found.append(cls)\n"
        "class Item(Base):\n    class Part: pass\n"
        "class Color(enum.Enum):\n    RED = 1\n"
        "def f(): return Item, Item.Part, Color\n"
    )
    parent = main()
    exec(source, vars(parent))  # noqa: S102 (a user's script)
    number = _code.Shipper(register, lambda number: None).function(parent.f)
    worker = main()
    exec(source, vars(worker))  # noqa: S102
    _namespace.prepare("imported")
    _rebuild._class_of.clear()
    loaded = [_pickling.install(data) for data in blobs]
    assert loaded[number]() == (worker.Item, worker.Item.Part, worker.Color)
    assert worker.found == [worker.Item]
    assert worker.Color.RED in worker.Color


def test_unsent_global_is_explained_until_somebody_binds_it(main):
    module = main()
    _namespace.bind("handle", 1)
    _namespace.mark_unsent("handle", "it is a file")
    assert not hasattr(module, "handle")
    assert _namespace.why_unsent("handle") == "it is a file"
    module.handle = "opened here"
    assert _namespace.why_unsent("handle") is None
    _namespace.mark_unsent("handle", "it is a file")
    assert module.handle == "opened here"


def test_private_namespaces_follow_the_same_rule():
    home = _namespace.private("token-of-a-test")
    assert _namespace.private("token-of-a-test") is home
    home.bind("x", 1)
    home.space["y"] = "worker"
    home.bind("x", 2)
    home.bind("y", 2)
    assert (home.space["x"], home.space["y"]) == (2, "worker")
    assert _namespace.token_of(home.space) == "token-of-a-test"
    _namespace._private.pop("token-of-a-test")


def test_what_is_missing_is_said(main):
    main(present=1)
    for find in (_namespace.lookup, _namespace.resolve):
        with pytest.raises(AttributeError, match="__main__ has no attribute 'missing'"):
            find("missing")
        with pytest.raises(AttributeError, match="absent"):
            find("present.absent")


def test_class_attributes_follow_the_same_rule():
    body = {"__module__": "somewhere", "__qualname__": "Made"}
    made = _rebuild.make_class(type, "Made", (), body, "tag-of-a-test")
    _rebuild.set_class(made, {"kept": 1, "changed": 1})
    made.changed = "worker"
    again = _rebuild.make_class(type, "Made", (), body, "tag-of-a-test")
    assert again is made
    _rebuild.set_class(again, {"kept": 2, "changed": 2, "new": 2})
    assert (made.kept, made.changed, made.new) == (2, "worker", 2)


def test_a_class_of_this_process_is_never_changed_from_outside():
    class Own:
        attribute = 1

    identity = _rebuild.tag(Own)
    body = {"__module__": "somewhere", "__qualname__": "Own"}
    found = _rebuild.make_class(type, "Own", (), body, identity)
    _rebuild.set_class(found, {"attribute": 2, "new": 2})
    assert found is Own
    assert Own.attribute == 1
    assert not hasattr(Own, "new")


def test_an_enum_of_this_process_is_never_changed_from_outside():
    class Own(enum.Enum):
        A = 1

    heading = (enum.EnumMeta, "Own", (enum.Enum,), {"__module__": "m", "__qualname__": "Own"})
    found = _rebuild.make_enum(heading, [("A", 1, ())], {}, _rebuild.tag(Own))
    _rebuild.set_enum(found, ({"new": 1}, {"A": {"new": 1}}))
    assert found is Own
    assert not hasattr(Own, "new")
    assert not hasattr(Own.A, "new")
