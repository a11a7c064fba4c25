"""The libraries that are measured, behind one small interface.

A `Rival` opens a pool of n processes and gives `Workers`: a handful of callables that are the
library's own bound methods wherever its signature allows, so that the interface adds nothing to
what is measured. What a library does not offer raises `Unsupported` and shows as a dash. Each
library is used with its defaults and in the way its documentation recommends for repeated calls;
nothing is tuned.
"""

import concurrent.futures
import importlib
import importlib.util
import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from operator import methodcaller
from typing import Any, NoReturn

Task = Callable[..., Any]
Mapping = Callable[[Task, Iterable[Any]], Any]  # a list, or an iterator of results


class Unsupported(Exception):
    """The rival has no counterpart of the call that is measured."""


def _not_offered(*_: object) -> NoReturn:
    raise Unsupported("has no such call")


@dataclass(frozen=True, kw_only=True)
class Workers:
    """An open pool: mapping calls take (function, iterable), the others (function, arguments)."""

    map: Mapping
    map_one_by_one: Mapping
    imap: Mapping = _not_offered
    imap_unordered: Mapping = _not_offered
    apply: Callable[[Task, tuple[Any, ...]], Any] = _not_offered
    submit: Callable[[Task, tuple[Any, ...]], Any] = _not_offered
    get: Callable[[Any], Any] = _not_offered


@dataclass(frozen=True, kw_only=True)
class Rival:
    """A library and a way of starting its processes.

    `startup` is a program of its own for the start-up bench: it sets `first` by `clock()` when the
    first result has come.
    """

    name: str
    label: str
    module: str
    open: Callable[[int], AbstractContextManager[Workers]]
    startup: str

    @property
    def installed(self) -> bool:
        """Whether the library can be imported here."""
        return importlib.util.find_spec(self.module) is not None


def _pool_workers(pool: Any) -> Workers:
    return Workers(
        map=pool.map,
        map_one_by_one=partial(pool.map, chunksize=1),
        imap=pool.imap,
        imap_unordered=pool.imap_unordered,
        apply=pool.apply,
        submit=pool.apply_async,
        get=methodcaller("get"),
    )


@contextmanager
def _open_multiprocessing(method: str | None, processes: int) -> Iterator[Workers]:
    with multiprocessing.get_context(method).Pool(processes) as pool:
        yield _pool_workers(pool)


@contextmanager
def _open_manyhands(method: str | None, processes: int) -> Iterator[Workers]:
    manyhands = importlib.import_module("manyhands")
    with manyhands.get_context(method).Pool(processes) as pool:
        yield _pool_workers(pool)


def _executor_workers(executor: Any) -> Workers:
    def unordered(task: Task, items: Iterable[Any]) -> Iterator[Any]:
        futures = [executor.submit(task, item) for item in items]
        return (future.result() for future in concurrent.futures.as_completed(futures))

    return Workers(
        map=lambda task, items: list(executor.map(task, items)),
        map_one_by_one=lambda task, items: list(executor.map(task, items, chunksize=1)),
        imap=executor.map,
        imap_unordered=unordered,
        apply=lambda task, arguments: executor.submit(task, *arguments).result(),
        submit=lambda task, arguments: executor.submit(task, *arguments),
        get=methodcaller("result"),
    )


@contextmanager
def _open_futures(processes: int) -> Iterator[Workers]:
    context = multiprocessing.get_context("fork")
    with concurrent.futures.ProcessPoolExecutor(processes, mp_context=context) as executor:
        yield _executor_workers(executor)


@contextmanager
def _open_loky(processes: int) -> Iterator[Workers]:
    with importlib.import_module("loky").get_reusable_executor(max_workers=processes) as executor:
        yield _executor_workers(executor)


@contextmanager
def _open_joblib(processes: int) -> Iterator[Workers]:
    joblib = importlib.import_module("joblib")

    def parallel(**options: object) -> Mapping:
        run = joblib.Parallel(n_jobs=processes, **options)
        return lambda task, items: run(joblib.delayed(task)(item) for item in items)

    yield Workers(
        map=parallel(),
        map_one_by_one=parallel(batch_size=1),
        imap=parallel(return_as="generator"),
        imap_unordered=parallel(return_as="generator_unordered"),
    )


@contextmanager
def _open_mpire(processes: int) -> Iterator[Workers]:
    mpire = importlib.import_module("mpire")
    with mpire.WorkerPool(n_jobs=processes, start_method="fork", keep_alive=True) as pool:
        yield Workers(
            map=pool.map,
            map_one_by_one=partial(pool.map, chunk_size=1),
            imap=pool.imap,
            imap_unordered=pool.imap_unordered,
            apply=pool.apply,
            submit=pool.apply_async,
            get=methodcaller("get"),
        )


@contextmanager
def _open_pebble(processes: int) -> Iterator[Workers]:
    pebble = importlib.import_module("pebble")
    context = multiprocessing.get_context("fork")
    with pebble.ProcessPool(max_workers=processes, context=context) as pool:
        yield Workers(
            map=lambda task, items: list(pool.map(task, items).result()),
            map_one_by_one=lambda task, items: list(pool.map(task, items, chunksize=1).result()),
            imap=lambda task, items: pool.map(task, items).result(),
            apply=lambda task, arguments: pool.schedule(task, args=arguments).result(),
            submit=lambda task, arguments: pool.schedule(task, args=arguments),
            get=methodcaller("result"),
        )


_START_POOL = """
import {module}
with {pool} as pool:
    pool.apply(abs, (-1,))
    first = clock()
"""
_START_FUTURES = """
import concurrent.futures, multiprocessing
context = multiprocessing.get_context("fork")
with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as executor:
    executor.submit(abs, -1).result()
    first = clock()
"""
_START_LOKY = """
import loky
with loky.get_reusable_executor(max_workers=2) as executor:
    executor.submit(abs, -1).result()
    first = clock()
"""
_START_JOBLIB = """
import joblib
joblib.Parallel(n_jobs=2)([joblib.delayed(abs)(-1)])
first = clock()
"""
_START_MPIRE = """
import mpire
with mpire.WorkerPool(n_jobs=2, start_method="fork") as pool:
    pool.apply(abs, (-1,))
    first = clock()
"""
_START_PEBBLE = """
import multiprocessing, pebble
with pebble.ProcessPool(max_workers=2, context=multiprocessing.get_context("fork")) as pool:
    pool.schedule(abs, args=(-1,)).result()
    first = clock()
"""


def _pool_rival(name: str, label: str, module: str, method: str | None) -> Rival:
    opener, pool = _open_multiprocessing, f"multiprocessing.get_context({method!r}).Pool(2)"
    if module == "manyhands":
        # Its way of choosing does without a context: those of multiprocessing take long to import.
        opener, pool = _open_manyhands, f"manyhands.Pool(2, context={method!r})"
    return Rival(
        name=name,
        label=label,
        module=module,
        open=partial(opener, method),
        startup=_START_POOL.format(module=module, pool=pool),
    )


def _rival(name: str, label: str, module: str, opener: Callable[[int], Any], startup: str) -> Rival:
    return Rival(name=name, label=label, module=module, open=opener, startup=startup)


ALL = (
    _pool_rival("multiprocessing", "mp fork", "multiprocessing", "fork"),
    _pool_rival("forkserver", "mp forkserver", "multiprocessing", "forkserver"),
    _rival("futures", "futures", "concurrent.futures", _open_futures, _START_FUTURES),
    _rival("loky", "loky", "loky", _open_loky, _START_LOKY),
    _rival("joblib", "joblib", "joblib", _open_joblib, _START_JOBLIB),
    _rival("mpire", "mpire", "mpire", _open_mpire, _START_MPIRE),
    _rival("pebble", "pebble", "pebble", _open_pebble, _START_PEBBLE),
    _rival("faster-fifo", "faster-fifo", "faster_fifo", _not_offered, ""),
    _pool_rival("manyhands", "manyhands", "manyhands", None),
    _pool_rival("manyhands-fork", "manyhands fork", "manyhands", "fork"),
)
BY_NAME = {rival.name: rival for rival in ALL}
OURS = ("manyhands", "manyhands-fork")
# Whoever starts pools.
STARTERS = tuple(name for name in BY_NAME if name != "faster-fifo")
# Every one of them but the one that differs from `multiprocessing` in its start alone.
USUAL = tuple(name for name in STARTERS if name != "forkserver")
QUEUES = ("multiprocessing", "faster-fifo", "manyhands")
