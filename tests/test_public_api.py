"""The public names, and the signatures that are `multiprocessing`'s and `concurrent.futures`'."""

from __future__ import annotations

import concurrent.futures
import inspect
import multiprocessing
import multiprocessing.context
import multiprocessing.pool
import pkgutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import manyhands
import manyhands.errors
from manyhands._local import SerialPool

ROOT = Path(__file__).resolve().parent.parent
EMPTY = inspect.Parameter.empty
CONTEXT = manyhands.get_context("fork")
POOLS = [manyhands.Pool, manyhands.ThreadPool, SerialPool]

# Where a default differs from multiprocessing's on purpose (docs/compatibility.md).
ADAPTIVE = {("imap", "chunksize"): None, ("imap_unordered", "chunksize"): None}
NONE_FOR_EMPTY = {("apply", "kwds"): None, ("apply_async", "kwds"): None}


def names_of(thing):
    return {name for name in dir(thing) if not name.startswith("_")}


def parameters(function):
    """The parameters of a method without `self`."""
    found = list(inspect.signature(function).parameters.values())
    return [parameter for parameter in found if parameter.name != "self"]


def positional(function):
    return [p for p in parameters(function) if p.kind is p.POSITIONAL_OR_KEYWORD]


def keyword_only(function):
    return {p.name: p.default for p in parameters(function) if p.kind is p.KEYWORD_ONLY}


def check_compatible(ours, theirs, allowed=()):
    """Names, order and defaults are those of `theirs`; what is added is keyword-only."""
    name = theirs.__name__
    assert [p.name for p in positional(ours)] == [p.name for p in positional(theirs)]
    for own, other in zip(positional(ours), positional(theirs), strict=True):
        expected = dict(allowed).get((name, own.name), other.default)
        assert own.default == expected, f"{name}({own.name}={own.default!r})"
    known = keyword_only(theirs)
    assert known.items() <= keyword_only(ours).items()
    assert EMPTY not in keyword_only(ours).values()


# The package


@pytest.mark.parametrize("name", sorted(set(manyhands.__all__) - {"reducer"}))
def test_a_signature_says_what_may_be_given(name):
    value = getattr(manyhands, name)
    if isinstance(value, type) and issubclass(value, BaseException):
        return  # theirs is that of every exception, or lists facts by keyword
    kinds = {p.kind: p.name for p in inspect.signature(value).parameters.values()}
    assert inspect.Parameter.VAR_KEYWORD not in kinds
    assert kinds.get(inspect.Parameter.VAR_POSITIONAL) in (None, "args")
    assert (inspect.Parameter.VAR_POSITIONAL in kinds) == (name in ("Value", "RawValue"))


def test_the_signature_of_a_pool_is_that_of_its_constructor():
    class Mine(manyhands.Pool):
        def __init__(self, size, *, colour="red"):
            super().__init__(size)
            self.colour = colour

    ours = list(inspect.signature(manyhands.Pool).parameters.values())
    assert ours == parameters(manyhands.Pool.__init__)
    assert str(inspect.signature(Mine)) == "(size, *, colour='red')"
    assert str(inspect.signature(manyhands.Pool)).startswith("(processes")


MODULES = [
    "connection",
    "context",
    "managers",
    "pool",
    "process",
    "queues",
    "reduction",
    "shared_memory",
    "sharedctypes",
    "synchronize",
]
POPENS = {"popen_fork", "popen_forkserver", "popen_spawn_posix", "popen_template"}
# Classes and modules that are the standard library's own.
STANDARD = {"AuthenticationError", "BufferTooShort"}


def test_all_is_what_dir_says():
    more = [*MODULES, "SUBDEBUG", "SUBWARNING", "__version__"]
    assert dir(manyhands) == sorted([*manyhands.__all__, *more])
    assert manyhands.__all__ == sorted(set(manyhands.__all__))


@pytest.mark.parametrize("name", manyhands.__all__)
def test_every_name_is_there_and_says_what_it_is(name):
    value = getattr(manyhands, name)
    if name in STANDARD:
        assert value is getattr(multiprocessing, name)
        return
    assert inspect.getdoc(value)
    home = value.__name__ if inspect.ismodule(value) else value.__module__
    assert home.split(".")[0] in ("manyhands", "concurrent")


def test_every_name_of_multiprocessing_is_there():
    command = "import multiprocessing; print(*dir(multiprocessing))"
    done = subprocess.run(
        [sys.executable, "-c", command], capture_output=True, text=True, check=True, timeout=60
    )
    theirs = {name for name in done.stdout.split() if not name.startswith("_")}
    assert theirs - {"sys"} <= set(dir(manyhands))
    assert manyhands.SUBDEBUG == multiprocessing.SUBDEBUG
    assert manyhands.SUBWARNING == multiprocessing.SUBWARNING


@pytest.mark.parametrize("name", multiprocessing.__all__)
def test_a_context_has_every_name_too(name):
    context = manyhands.get_context("spawn")
    if name != "get_all_start_methods":
        assert getattr(context, name) is not None


def test_a_star_import_gives_all():
    namespace = {}
    exec("from manyhands import *", namespace)  # noqa: S102 - no function may hold it
    assert set(manyhands.__all__) <= namespace.keys()


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="Processes"):
        _ = manyhands.Processes


def test_the_modules_are_multiprocessings_or_private():
    modules = {module.name for module in pkgutil.iter_modules(manyhands.__path__)}
    public = {name for name in modules if not name.startswith("_")}
    assert public == {"dummy", "errors", *MODULES, *POPENS}


def test_the_errors_of_the_package_are_those_of_the_module():
    for name in manyhands.__all__:
        if hasattr(manyhands.errors, name):
            assert getattr(manyhands, name) is getattr(manyhands.errors, name)
    assert set(manyhands.errors.__all__) - set(manyhands.__all__) == {
        "LargeArgumentWarning",
        "LargeGlobalWarning",
    }


def test_the_version_is_the_crates():
    cargo = tomllib.loads((ROOT / "Cargo.toml").read_text())
    assert manyhands.__version__ == cargo["workspace"]["package"]["version"]


HEAVY = {
    "asyncio",
    "cloudpickle",
    "concurrent",
    "contextlib",
    "dataclasses",
    "enum",
    "inspect",
    "logging",
    "multiprocessing",
    "pathlib",
    "pickle",
    "re",
    "socket",
    "subprocess",
    "threading",
    "typing",
}
IMPORT = """
import sys
sys.path[:] = sys.argv[1:]
before = set(sys.modules)
import manyhands
print(*(set(sys.modules) - before))
"""


def test_importing_the_package_loads_next_to_nothing():
    command = [sys.executable, "-S", "-c", IMPORT, *sys.path]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    loaded = set(done.stdout.split())
    assert "manyhands._native" in loaded
    assert not loaded & HEAVY


# Pools


@pytest.mark.parametrize("pool", POOLS, ids=lambda pool: pool.__name__)
def test_a_pool_has_every_name_of_multiprocessings(pool):
    theirs = names_of(multiprocessing.pool.Pool) - {"Process"}
    assert theirs <= names_of(pool)
    assert names_of(pool) - theirs == {
        "istarmap",
        "istarmap_unordered",
        "grow",
        "shrink",
        "doctor",
    }


@pytest.mark.parametrize("pool", POOLS, ids=lambda pool: pool.__name__)
@pytest.mark.parametrize("name", sorted(names_of(multiprocessing.pool.Pool) - {"Process"}))
def test_a_method_is_called_as_multiprocessings(pool, name):
    theirs = getattr(multiprocessing.pool.Pool, name)
    check_compatible(getattr(pool, name), theirs, {**ADAPTIVE, **normal_kwds(theirs)})


def normal_kwds(theirs):
    """`{}` as a default would be shared by all calls: None means the same."""
    return NONE_FOR_EMPTY if any(p.default == {} for p in positional(theirs)) else {}


def test_the_constructors_are_called_as_multiprocessings():
    check_compatible(manyhands.Pool.__init__, multiprocessing.pool.Pool.__init__)
    check_compatible(manyhands.ThreadPool.__init__, multiprocessing.pool.ThreadPool.__init__)


@pytest.mark.parametrize("name", ["Pool", "Executor"])
def test_a_context_makes_them_with_every_option(name):
    of_class, of_context = (keyword_only(getattr(one, name)) for one in (manyhands, CONTEXT))
    assert of_context == of_class


@pytest.mark.parametrize("name", sorted(names_of(manyhands.Pool)))
def test_the_pools_agree(name):
    signatures = {
        pool.__name__: [(p.name, p.kind, p.default) for p in parameters(getattr(pool, name))]
        for pool in POOLS
    }
    assert signatures["ThreadPool"] == signatures["Pool"]
    assert signatures["SerialPool"] == signatures["Pool"]


@pytest.mark.parametrize("name", sorted(names_of(manyhands.Pool)))
def test_every_method_is_documented(name):
    for pool in POOLS:
        assert inspect.getdoc(getattr(pool, name))


def test_results_have_the_names_of_both_families():
    theirs = names_of(multiprocessing.pool.AsyncResult) | names_of(concurrent.futures.Future)
    internal = {"set_result", "set_exception", "set_running_or_notify_cancel"}
    assert theirs - internal <= names_of(manyhands.AsyncResult)
    assert {"__await__"} <= set(dir(manyhands.AsyncResult))
    assert names_of(multiprocessing.pool.IMapIterator) <= names_of(manyhands.ResultIterator)


# Executors and contexts


EXECUTOR = names_of(concurrent.futures.ProcessPoolExecutor)


@pytest.mark.parametrize("name", sorted(EXECUTOR | {"terminate_workers", "kill_workers"}))
def test_an_executor_has_every_name(name):
    assert inspect.getdoc(getattr(manyhands.Executor, name))


def test_an_executor_is_called_as_the_standard_one():
    theirs = concurrent.futures.ProcessPoolExecutor
    check_compatible(manyhands.Executor.__init__, theirs.__init__)
    check_compatible(manyhands.Executor.shutdown, theirs.shutdown)
    ours = keyword_only(manyhands.Executor.map)
    assert ours == {"timeout": None, "chunksize": None, "buffersize": None, "seed": None}
    assert keyword_only(theirs.map).keys() <= ours.keys()


def test_an_executor_has_no_other_name():
    added = names_of(manyhands.Executor) - names_of(concurrent.futures.Executor)
    assert added == {"terminate_workers", "kill_workers", "options"}


@pytest.mark.parametrize(
    "name", ["get_context", "get_start_method", "set_start_method", "Pool", "cpu_count"]
)
def test_a_context_is_called_as_multiprocessings(name):
    theirs = getattr(multiprocessing.context.BaseContext, name)
    ours = getattr(manyhands.get_context("fork"), name)
    if name == "cpu_count":
        assert ours() == manyhands.cpu_count()
    else:
        check_compatible(ours, theirs)


@pytest.mark.parametrize(
    "name", ["get_context", "get_start_method", "set_start_method", "get_all_start_methods"]
)
def test_a_function_is_called_as_multiprocessings(name):
    check_compatible(getattr(manyhands, name), getattr(multiprocessing, name))
