"""Large arrays to workers and back, beside a plain copy of memory.

Each figure is of a second run, in memory that was used before, unless it says *cold*. The arrays
hold eight-byte numbers; every task looks at all of them (a sum), and every result is looked at.

- big_memcpy, big_memcpy_fresh, big_memcpy_cold: what the machine does without anybody's help, into
  used memory; into new pages, as `big_results_kept`; and into pages that a virtual machine may have
  to ask its host for: the measure for all the others;
- big_arguments(_cold): `map` over 100 arrays of 8 MB, which the worker adds up;
- big_results(_cold): 100 tasks that return 8 MB, taken one by one and dropped;
- big_results_kept: the same by `map`, all results kept;
- big_columns: as big_arguments, with every second column of 16 MB matrices;
- big_one_for_all(_again): 1 GB that 8 tasks read, made in shared memory where the library can, else
  held by the function: seconds, in workers that have not seen it, and in those that have;
- big_one_held: the same with an ordinary array that the function holds;
- big_one_global: the same with one that was there before the workers were forked, as a global of
  the module: the quickest way that `multiprocessing` has, with `fork` alone;
- big_one_argument: the same with one that each of the 8 tasks gets as an argument;
- big_..._peak: what all processes have together meanwhile, in GB, beyond what this one had before
  the array was made: so it holds the other processes, too. They are stopped for each look; what
  they share counts once;
- big_method: a bound method of an object of 100 MB over 10,000 items: seconds;
- big_queue, big_pipe, big_pipe_huge: 8 MB arrays through a queue, and 8 and 100 MB ones through a
  pipe, from one process to another.
"""

import functools
import importlib
import os
import threading
import time
import warnings
from collections.abc import Callable
from typing import Any

import cli
import processes
from harness import WORKERS, Scale, Subject
from rivals import Rival, Workers


class _Late:
    """A module that is imported when it is needed: the other benches run without numpy."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        return getattr(importlib.import_module(self._name), name)


np: Any = _Late("numpy")
bigtasks: Any = _Late("bigtasks")

SECTION = "Big data"
COUNT = 100
NUMBERS = 1_000_000  # of eight bytes: 8 MB
GIGA = 1e9
POOLS = ("multiprocessing", "manyhands", "joblib", "loky")


def _seconds(work: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def _copies(pairs: list[Any]) -> None:
    for source, target in pairs:
        np.copyto(target, source)


def memcpy_warm(_: Rival, scale: Scale) -> float:
    """Copies of 100 arrays of 8 MB into memory that was used before."""
    target = np.zeros(NUMBERS)
    pairs = [(source, target) for source in _vectors(scale.count(COUNT))]
    return len(pairs) * target.nbytes / _seconds(lambda: _copies(pairs)) / GIGA


def _memcpy_fresh(turns: int) -> Any:
    """The same into new pages, for the last of so many times."""

    def measure(_: Rival, scale: Scale) -> float:
        sources = _vectors(scale.count(COUNT))
        for _ in range(turns):
            pairs = [(source, np.empty(NUMBERS)) for source in sources]
            seconds = _seconds(functools.partial(_copies, pairs))
            pairs.clear()
        return len(sources) * NUMBERS * 8 / seconds / GIGA

    return measure


def _check(right: bool) -> None:
    if not right:
        raise RuntimeError("a wrong result")


Run = Callable[[Workers, list[Any]], None]


def _rate(arrays: Callable[[int], list[Any]], run: Run, turns: int) -> Any:
    """GB/s of the last of so many turns."""

    def measure(rival: Rival, scale: Scale) -> float:
        items = arrays(scale.count(COUNT))
        with rival.open(WORKERS) as workers:
            list(workers.map(bigtasks.nothing, range(2 * WORKERS)))
            for _ in range(turns):
                seconds = _seconds(lambda: run(workers, items))
        return len(items) * NUMBERS * 8 / seconds / GIGA

    return measure


def _vectors(count: int) -> list[Any]:
    return [np.full(NUMBERS, float(number)) for number in range(count)]


def _matrices(count: int) -> list[Any]:
    return [np.full((1000, 2000), float(number))[:, ::2] for number in range(min(count, 50))] * 2


def _lengths(count: int) -> list[Any]:
    return [NUMBERS] * count


def _add_up(workers: Workers, arrays: list[Any]) -> None:
    sums = list(workers.map(bigtasks.total, arrays))
    _check(sums[-1] == arrays[-1].sum())


def _take(workers: Workers, lengths: list[Any]) -> None:
    for made in workers.imap(bigtasks.make, lengths):
        _check(made[0] == made[-1] == 1)


def _keep(workers: Workers, lengths: list[Any]) -> None:
    made = list(workers.map(bigtasks.make, lengths))
    _check(made[-1][0] == 1)


def _make_big(rival: Rival, scale: Scale, way: str) -> Any:
    count = scale.count(125_000_000)
    if way != "shared" or rival.module != "manyhands":
        return np.ones(count)
    made = importlib.import_module("manyhands").empty(count)
    made[:] = 1
    return made


def _work(way: str, big: Any) -> tuple[Callable[[Any], float], list[Any]]:
    """The function and the items of 8 tasks that read the array."""
    if way == "global":
        return bigtasks.total_of_global, list(range(8))
    if way == "argument":
        return bigtasks.total, [big] * 8
    return functools.partial(bigtasks.total_of, big), list(range(8))


def _one(way: str, times: int = 1) -> Any:
    """Seconds until 8 tasks have added up the same 1 GB, for the last of so many times."""

    def measure(rival: Rival, scale: Scale) -> float:
        big = _make_big(rival, scale, way)
        right = [float(len(big))] * 8
        importlib.import_module("bigtasks").BIG = big if way == "global" else None
        with rival.open(WORKERS) as workers, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a large argument repeats
            list(workers.map(bigtasks.nothing, range(2 * WORKERS)))
            add_up, items = _work(way, big)
            for _ in range(times):
                begin = time.perf_counter()
                sums = list(workers.map(add_up, items))
                seconds = time.perf_counter() - begin
                _check(sums == right)
            return seconds

    return measure


def _peak(way: str) -> Any:
    """GB that the whole tree has at most while 8 tasks add up the same 1 GB."""

    def measure(rival: Rival, scale: Scale) -> float:
        before = processes.memory_bytes(processes.tree(os.getpid()))
        most, done = before, threading.Event()

        def watch() -> None:
            nonlocal most
            while not done.wait(0.02):
                with processes.standing_still(os.getpid()) as pids:
                    most = max(most, processes.memory_bytes(pids))

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            _one(way)(rival, scale)
        finally:
            done.set()
            watcher.join()
        return (most - before) / GIGA

    return measure


def method(rival: Rival, scale: Scale) -> float:
    """Seconds of a bound method of 100 MB over 10,000 items."""
    model = bigtasks.Model(12_500_000)
    with rival.open(WORKERS) as workers:
        list(workers.map(bigtasks.nothing, range(2 * WORKERS)))
        return _seconds(lambda: list(workers.map(model.look, range(scale.count(10_000)))))


def queue(rival: Rival, scale: Scale) -> float:
    """GB/s of arrays of 8 MB, from a child to this process; the second half of them."""
    module = importlib.import_module(rival.module)
    context = module.get_context("fork")
    items, half = context.Queue(4), scale.count(2 * COUNT) // 2
    child = context.Process(target=bigtasks.put_arrays, args=(items, 2 * half, NUMBERS))
    child.start()
    for _ in range(half):
        _check(items.get()[0] == 1)

    def rest() -> None:
        for _ in range(half):
            _check(items.get()[0] == 1)

    seconds = _seconds(rest)
    child.join()
    return half * NUMBERS * 8 / seconds / GIGA


def _pipe(length: int, count: int) -> Any:
    """GB/s of arrays of so many numbers, to a forked process; the second half of them."""

    def measure(rival: Rival, scale: Scale) -> float:
        half = scale.count(2 * count) // 2
        here, there = importlib.import_module(f"{rival.module}.connection").Pipe()
        pid = os.fork()
        if pid == 0:
            here.close()
            bigtasks.take_arrays(there, 2, half)
            os._exit(0)
        there.close()
        array = np.ones(length)
        for _ in range(2):
            begin = time.perf_counter()
            for _ in range(half):
                here.send(array)
            _check(here.recv() == half)
            seconds = time.perf_counter() - begin
        here.close()
        os.waitpid(pid, 0)
        return half * length * 8 / seconds / GIGA

    return measure


def _subject(name: str, title: str, measure: Any, **facts: Any) -> Subject:
    facts = {"unit": "GB/s", "more_is_better": True, "rivals": POOLS} | facts
    return Subject(name=name, title=title, measure=measure, section=SECTION, **facts)


_ALONE = {"rivals": ("manyhands",)}
_GIGABYTES = {"unit": "GB", "more_is_better": False, "rivals": ("multiprocessing", "manyhands")}
_SECONDS = {"unit": "s", "more_is_better": False, "rivals": ("multiprocessing", "manyhands")}
_TWO = {"rivals": ("multiprocessing", "manyhands")}
_THREE_GB = _GIGABYTES | {"rivals": ("multiprocessing", "manyhands", "manyhands-fork")}
_FORKED = _SECONDS | {"rivals": ("multiprocessing", "manyhands-fork")}
_FORKED_GB = _GIGABYTES | {"rivals": ("multiprocessing", "manyhands-fork")}

SUBJECTS = (
    _subject("big_memcpy", "copies of 100 arrays of 8 MB into used memory", memcpy_warm, **_ALONE),
    _subject("big_memcpy_fresh", "the same into new pages", _memcpy_fresh(3), **_ALONE),
    _subject("big_memcpy_cold", "the same, first run", _memcpy_fresh(1), **_ALONE),
    _subject(
        "big_arguments",
        "`map` over 100 arrays of 8 MB",
        _rate(_vectors, _add_up, 3),
        goals={"manyhands": 4.8},
    ),
    _subject("big_arguments_cold", "the same, first run", _rate(_vectors, _add_up, 1)),
    _subject("big_columns", "the same, strided columns", _rate(_matrices, _add_up, 3)),
    _subject(
        "big_results",
        "100 results of 8 MB, used and dropped",
        _rate(_lengths, _take, 3),
        goals={"manyhands": 4.8},
    ),
    _subject("big_results_cold", "the same, first run", _rate(_lengths, _take, 1)),
    _subject("big_results_kept", "100 results of 8 MB, kept", _rate(_lengths, _keep, 3)),
    _subject(
        "big_one_for_all",
        "1 GB, shared, that 8 tasks read",
        _one("shared"),
        **_SECONDS,
        goals={"manyhands": 0.35},
    ),
    _subject("big_one_for_all_again", "the same, second run", _one("shared", 2), **_SECONDS),
    _subject(
        "big_one_for_all_peak",
        "the same, peak memory",
        _peak("shared"),
        **_THREE_GB,
        goals={"manyhands": 1.05},
    ),
    _subject("big_one_held", "1 GB in the function of 8 tasks", _one("held"), **_SECONDS),
    _subject("big_one_held_peak", "the same, peak memory", _peak("held"), **_GIGABYTES),
    _subject("big_one_global", "1 GB, a global of 8 tasks", _one("global"), **_FORKED),
    _subject("big_one_global_peak", "the same, peak memory", _peak("global"), **_FORKED_GB),
    _subject("big_one_argument", "1 GB, an argument of 8 tasks", _one("argument"), **_SECONDS),
    _subject("big_one_argument_peak", "the same, peak memory", _peak("argument"), **_GIGABYTES),
    _subject("big_method", "a method of 100 MB, 10,000 items", method, **_SECONDS),
    _subject("big_queue", "8 MB arrays through a queue", queue, **_TWO, goals={"manyhands": 4.5}),
    _subject("big_pipe", "8 MB arrays through a pipe", _pipe(NUMBERS, COUNT), **_TWO),
    _subject("big_pipe_huge", "100 MB arrays through a pipe", _pipe(12_500_000, 10), **_TWO),
)

if __name__ == "__main__":
    cli.main(SUBJECTS)
