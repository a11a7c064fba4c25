"""Pools in circles of garbage go, with what of theirs is alive there; what is in use stays."""

from __future__ import annotations

import gc
import itertools
import os
import sys
import threading
import weakref

import pytest
import tasks
from support import LIMIT, gone, open_files, wait_until

import manyhands

pytestmark = pytest.mark.usefixtures("quiet")


@pytest.fixture
def quiet(monkeypatch, capfd):
    """Nothing is printed, and no exception is ignored."""
    ignored = []
    monkeypatch.setattr(sys, "unraisablehook", ignored.append)
    yield
    assert not ignored
    assert capfd.readouterr().err == ""


class Owner:
    """Has a pool, and a lazy call of it whose source is its own."""

    def __init__(self, how, log):
        self.log = log
        self.pool = manyhands.Pool(1)
        self.worker = self.pool.apply(os.getpid)
        self.results = getattr(self, how)()

    def numbers(self):
        try:
            yield from itertools.count()
        finally:
            self.log.append("closed")

    def begin(self, source, **options):
        results = self.pool.imap(tasks.square, source, **options)
        assert [next(results), next(results)] == [0, 1]
        return results

    def generator(self):
        return self.begin(self.numbers())

    def generator_that_waits(self):
        return self.pool.imap(tasks.square, self.numbers())

    def pulled_by_c(self):
        return self.begin(map(self.same, itertools.count()))

    def same(self, x):
        return x

    def with_methods(self):
        return self.begin(Source(self))

    def display(self):
        def show(done, total):
            self.log.append(done)

        return self.begin(range(1000), progress=show)

    def shipped(self):
        """The shipper of the items knows a function that knows the owner."""
        owner = self

        def function(point):
            return point.x if owner else None

        points = (tasks.Point(x, x) for x in itertools.count())
        results = self.pool.imap(function, points)
        assert [next(results), next(results)] == [0, 1]
        return results

    def unordered(self):
        results = self.pool.imap_unordered(tasks.square, self.numbers())
        next(results)
        return results

    def __getstate__(self):
        return {}


class Source:
    """An iterator like a generator, which needs its attributes to be closed."""

    def __init__(self, owner):
        self.owner = owner
        self.numbers = itertools.count()

    def __iter__(self):
        return self

    def __next__(self):
        return next(self.numbers)

    def throw(self, error):
        raise error

    def close(self):
        self.owner.log.append("closed")


HOW = {
    "generator": ["closed"],
    "generator_that_waits": ["closed"],
    "pulled_by_c": [],
    "with_methods": ["closed"],
    "display": [2],
    "shipped": [],
    "unordered": ["closed"],
}


@pytest.mark.parametrize("how", HOW)
def test_a_pool_goes_with_the_circle_that_it_is_in(how):
    log = []
    owner = Owner(how, log)
    worker, dropped = owner.worker, weakref.ref(owner)
    del owner
    gc.collect()
    assert dropped() is None
    assert log[-1:] == HOW[how]
    wait_until(lambda: gone(worker), "the worker of a collected pool stays")


def test_many_pools_in_circles_leave_nothing_open():
    Owner("generator", [])
    gc.collect()
    before = len(open_files())
    for _ in range(5):
        Owner("generator", [])
    gc.collect()
    wait_until(lambda: len(open_files()) <= before, lambda: f"{before} files, now {open_files()}")


def test_a_circle_that_is_saved_by_a_finalizer_keeps_its_pool():
    saved = []

    class Saved(Owner):
        def __del__(self):
            if not saved:
                saved.append(self)

    Saved("generator", [])
    gc.collect()
    (owner,) = saved
    assert owner.log == ["closed"]
    assert list(owner.results) == []
    assert owner.pool.map(tasks.square, [3]) == [9]
    owner.pool.terminate()


@pytest.mark.parametrize("how", HOW)
def test_what_only_an_iterator_holds_is_not_collected_while_it_is_used(how):
    log = []
    results = Owner(how, log).results
    for _ in range(10):
        gc.collect()
        next(results)
    assert "closed" not in log
    del results
    gc.collect()
    assert log[-1:] == HOW[how] or how == "display"


class Collecting:
    """Its items, its methods and its display collect garbage; only its iterator holds it."""

    def __init__(self):
        self.numbers = iter(range(100))
        self.shown = []

    def __iter__(self):
        return self

    def __next__(self):
        gc.collect()
        return next(self.numbers)

    def show(self, done, total):
        gc.collect()
        self.shown.append((done, total))


def test_a_source_and_a_display_that_collect_are_kept():
    source = Collecting()
    with manyhands.Pool(2) as pool:
        results = pool.imap(tasks.square, source, progress=source.show)
        shown = source.shown
        del source
        assert list(results) == [x * x for x in range(100)]
    assert shown[-1] == (100, None)


def test_threads_that_collect_while_others_share_an_iterator():
    over = threading.Event()

    def collect():
        while not over.is_set():
            gc.collect()

    def consume(results, found):
        for result in results:
            found.append(result)

    with manyhands.Pool(2) as pool:
        results, found = pool.imap(tasks.square, Collecting(), buffersize=4), []
        consumers = [threading.Thread(target=consume, args=(results, found)) for _ in range(3)]
        collectors = [threading.Thread(target=collect) for _ in range(2)]
        del results
        for thread in (*consumers, *collectors):
            thread.start()
        for thread in consumers:
            thread.join(LIMIT)
        over.set()
        for thread in collectors:
            thread.join(LIMIT)
    assert sorted(found) == [x * x for x in range(100)]
