"""Start methods by name: contexts, and the program's default."""

from __future__ import annotations

import multiprocessing
import pickle

import pytest
import tasks
from support import LIMIT, run_script

import manyhands

METHODS = ["template", "fork", "spawn", "forkserver"]


@pytest.fixture(autouse=True)
def no_default(monkeypatch):
    monkeypatch.delenv("MANYHANDS_START_METHOD", raising=False)
    manyhands.set_start_method(None, force=True)
    yield
    manyhands.set_start_method(None, force=True)


def method_of(pool):
    """The start method as a pool's repr tells it."""
    return repr(pool).rpartition(" ")[2].rstrip(">")


def test_the_methods_of_multiprocessing_are_listed():
    assert manyhands.get_all_start_methods() == ["fork", "spawn", "forkserver"]


@pytest.mark.parametrize("method", METHODS)
def test_a_context_has_its_method(method):
    context = manyhands.get_context(method)
    assert isinstance(context, manyhands.Context)
    assert context.method == context.get_start_method() == method
    assert context.get_context() is context
    assert context == manyhands.Context(method)
    assert pickle.loads(pickle.dumps(context)) == context
    assert repr(context) == f"Context({method!r})"
    assert context.cpu_count() == manyhands.cpu_count()


def test_contexts_of_different_methods_differ():
    assert len({manyhands.get_context(method) for method in METHODS * 2}) == len(METHODS)


def test_a_context_has_the_exceptions():
    context = manyhands.get_context("fork")
    assert context.TimeoutError is manyhands.TimeoutError
    assert context.ProcessError is manyhands.ProcessError


def test_a_context_makes_executors():
    with manyhands.get_context("fork").Executor(1, tasks.set_state, ("ready",)) as executor:
        assert executor.submit(tasks.get_state).result(LIMIT) == "ready"


def test_a_context_keeps_its_method():
    context = manyhands.get_context("fork")
    for method in ("spawn", None):
        with pytest.raises(ValueError, match="context"):
            context.set_start_method(method)
    assert context.get_context("spawn").method == "spawn"


@pytest.mark.parametrize("method", ["thread", "", "Fork", 17, b"fork"])
def test_an_unknown_method_is_refused_with_the_known_ones(method):
    uses = [
        manyhands.Context,
        manyhands.get_context,
        manyhands.set_start_method,
        manyhands.get_context("fork").get_context,
    ]
    for use in uses:
        with pytest.raises(ValueError, match="template, fork, spawn, forkserver"):
            use(method)
    assert manyhands.get_start_method(allow_none=True) is None


def test_the_default_is_the_template():
    assert manyhands.get_start_method(allow_none=True) is None
    with manyhands.Pool(1) as pool:
        assert method_of(pool) == "template"
    assert manyhands.get_start_method(allow_none=True) is None
    assert manyhands.get_context().method == "template"
    assert manyhands.get_start_method() == "template"


@pytest.mark.parametrize("method", METHODS[:2])
def test_the_default_can_be_set(method):
    manyhands.set_start_method(method)
    assert manyhands.get_start_method() == method
    assert manyhands.get_context().method == method
    with manyhands.Pool(1) as pool:
        assert method_of(pool) == method
        assert pool.apply(abs, (-1,)) == 1
    with manyhands.Pool(1, context="template") as pool:
        assert method_of(pool) == "template"


def test_the_default_is_set_once():
    manyhands.set_start_method("fork")
    with pytest.raises(RuntimeError, match="'fork' already"):
        manyhands.set_start_method("spawn")
    assert manyhands.get_start_method() == "fork"
    manyhands.set_start_method("spawn", force=True)
    assert manyhands.get_start_method() == "spawn"


@pytest.mark.parametrize("ask", [manyhands.get_start_method, manyhands.get_context])
def test_asking_for_the_default_fixes_it(ask):
    ask()
    with pytest.raises(RuntimeError):
        manyhands.set_start_method("fork")


def test_none_unsets_the_default_with_force_only():
    with pytest.raises(ValueError, match="force"):
        manyhands.set_start_method(None)
    manyhands.set_start_method("fork")
    manyhands.set_start_method(None, force=True)
    assert manyhands.get_start_method(allow_none=True) is None


@pytest.mark.parametrize("module", ["", "mp.get_all_start_methods()"])
def test_the_environment_sets_the_default(tmp_path, module):
    outcome = run_script(
        tmp_path,
        f"""
        import manyhands as mp
        {module}
        with mp.Pool(1) as pool:
            print(pool)
        print(mp.get_start_method(allow_none=True), mp.get_start_method())
        mp.set_start_method("template", force=True)
        with mp.Pool(1) as pool:
            print(pool)
        """,
        env={"MANYHANDS_START_METHOD": "fork"},
    )
    assert outcome.code == 0, outcome.err
    first, names, last = outcome.lines
    assert first.endswith(" fork>")
    assert names == "fork fork"
    assert last.endswith(" template>")


@pytest.mark.parametrize("module", ["", "mp.get_all_start_methods()"])
def test_an_unknown_method_in_the_environment_is_named(tmp_path, module):
    outcome = run_script(
        tmp_path,
        f"import manyhands as mp\n{module}\nmp.Pool(1)",
        env={"MANYHANDS_START_METHOD": "threads"},
    )
    assert outcome.code == 1
    assert "unknown start method 'threads' in MANYHANDS_START_METHOD" in outcome.err


def test_an_empty_variable_sets_nothing(monkeypatch):
    monkeypatch.setenv("MANYHANDS_START_METHOD", "")
    assert manyhands.get_start_method(allow_none=True) is None


def test_multiprocessing_follows_where_it_has_no_default():
    manyhands.set_start_method("fork")
    assert multiprocessing.get_start_method(allow_none=True) == "fork"
    manyhands.set_start_method(None, force=True)
    multiprocessing.set_start_method("spawn", force=True)
    manyhands.set_start_method("fork")
    assert multiprocessing.get_start_method(allow_none=True) == "spawn"
    manyhands.set_start_method("template", force=True)
    assert multiprocessing.get_start_method(allow_none=True) == "spawn"
    manyhands.set_start_method("forkserver", force=True)
    assert multiprocessing.get_start_method(allow_none=True) == "forkserver"
