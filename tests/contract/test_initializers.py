"""The initializer: once per worker, before its first task; its failure is one clear error."""

from __future__ import annotations

import concurrent.futures
import itertools
import threading

import pytest
import tasks
from support import LIMIT, journal, parallel, processes, wait_until

import manyhands


def test_the_initializer_runs_before_the_first_task(make_pool):
    pool = make_pool(initializer=tasks.set_state, initargs=("ready",))
    assert set(pool.map(tasks.get_state, range(50))) == {"ready"}
    assert pool.apply(tasks.get_state) == "ready"


def test_initargs_may_be_any_iterable_of_anything(make_pool):
    pool = make_pool(initializer=tasks.set_state, initargs=iter([{"a": tasks.Point(1, 2)}]))
    assert pool.apply(tasks.get_state) == {"a": tasks.Point(1, 2)}


@pytest.mark.parametrize("value", [None, 0, b"x" * 3_000_000, tasks.Colour.RED, len])
def test_initargs_arrive_whole(make_pool, value):
    pool = make_pool(initializer=tasks.set_state, initargs=(value,))
    assert pool.apply(tasks.get_state) == value


def test_a_closure_is_an_initializer(make_pool, tmp_path):
    path = tmp_path / "journal"

    def initialize(word):
        tasks.note(path, word)

    pool = make_pool(1, initializer=initialize, initargs=("closure",))
    assert pool.apply(tasks.identity, (1,)) == 1
    assert journal(path) == ["closure"]


@parallel
def test_each_worker_runs_it_once(make_pool, tmp_path):
    log = tmp_path / "journal"
    pool = make_pool(3, initializer=tasks.note, initargs=(log, "init"))
    pool.starmap(tasks.meet, [(tmp_path, n, 3) for n in range(3)], 1)
    pool.map(tasks.square, range(500), 1)
    assert journal(log) == ["init"] * 3


@processes
def test_state_is_of_the_worker_not_of_the_parent(make_pool):
    pool = make_pool(initializer=tasks.set_state, initargs=("worker",))
    assert pool.apply(tasks.get_state) == "worker"
    assert pool.apply(tasks.get_inits) == 1
    assert tasks.state is None


def uses():
    return {
        "apply": lambda pool: pool.apply(tasks.square, (1,)),
        "apply_async": lambda pool: pool.apply_async(tasks.square, (1,)).get(LIMIT),
        "map": lambda pool: pool.map(tasks.square, range(100)),
        "map_async": lambda pool: pool.map_async(tasks.square, range(100)).get(LIMIT),
        "imap": lambda pool: list(pool.imap(tasks.square, range(100))),
        "imap_unordered": lambda pool: list(pool.imap_unordered(tasks.square, range(100))),
        "return": lambda pool: pool.map(tasks.square, range(100), errors="return"),
    }


@pytest.mark.parametrize("use", uses())
def test_a_failing_initializer_is_one_clear_error(make_pool, use):
    pool = make_pool(initializer=tasks.init_boom, initargs=("init",))
    for _ in range(2):  # every use tells, not only the first
        with pytest.raises(manyhands.InitializerError, match="init_boom") as caught:
            uses()[use](pool)
        assert isinstance(caught.value, concurrent.futures.process.BrokenProcessPool)
        cause = caught.value.__cause__
        assert isinstance(cause, tasks.OwnError)
        assert (cause.code, cause.detail) == (7, "init")


def test_a_broken_pool_can_be_ended(make_pool):
    for end in ("close", "terminate"):
        pool = make_pool(initializer=tasks.init_boom, initargs=("init",))
        with pytest.raises(manyhands.InitializerError):
            pool.apply(tasks.square, (1,))
        getattr(pool, end)()
        pool.join()
    pool = make_pool(initializer=tasks.init_boom, initargs=("init",))
    with pytest.raises(manyhands.InitializerError), pool:
        pool.map(tasks.square, [1])


def test_a_broken_pool_that_is_not_used_ends(make_pool):
    pool = make_pool(initializer=tasks.init_boom, initargs=("init",))
    pool.close()
    pool.join()
    with make_pool(initializer=tasks.init_boom, initargs=("init",)):
        pass


def test_an_initializer_that_exits(make_pool):
    pool = make_pool(initializer=tasks.exit_soft, initargs=(3,))
    with pytest.raises(manyhands.InitializerError):
        pool.map(tasks.square, range(10))


def test_an_initializer_that_cannot_be_called(kind):
    with pytest.raises(TypeError, match="initializer"):
        kind.make(1, initializer=17)


def test_initargs_that_do_not_fit(make_pool):
    pool = make_pool(initializer=tasks.set_state, initargs=(1, 2, 3))
    with pytest.raises(manyhands.InitializerError) as caught:
        pool.apply(tasks.square, (1,))
    assert isinstance(caught.value.__cause__, TypeError)


@parallel
def test_a_failure_wakes_threads_that_wait(make_pool, tmp_path):
    release = tmp_path / "release"
    pool = make_pool(1, initializer=tasks.wait_then_boom, initargs=(release,))
    raised = []

    def work():
        try:
            pool.map(tasks.square, range(10))
        except BaseException as error:
            raised.append(type(error))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    release.touch()
    for thread in threads:
        thread.join(LIMIT)
    assert raised == [manyhands.InitializerError] * 4


def test_grown_workers_are_initialized_too(make_pool, tmp_path):
    pool = make_pool(1, initializer=tasks.set_state, initargs=("ready",))
    pool.grow(2)
    assert set(pool.map(tasks.get_state, range(100), 1)) == {"ready"}


@processes
def test_a_pool_that_failed_pulls_nothing_more(make_pool):
    pulled = []

    def source():
        for x in itertools.count():
            pulled.append(x)
            yield x

    pool = make_pool(2, initializer=tasks.boom, initargs=(1,))
    results = pool.imap(tasks.square, source())
    with pytest.raises(manyhands.InitializerError):
        next(results)
    pool.close()
    before = len(pulled)
    pool.join()
    assert len(pulled) == before


def use_and_forget(pool, end, call):
    if end == "with":
        with pool:
            getattr(pool, call)(tasks.square, range(10))
    else:
        getattr(pool, call)(tasks.square, range(10))
        pool.close()
        pool.join()


@processes
@pytest.mark.parametrize("end", ["with", "join"])
@pytest.mark.parametrize("call", ["imap_unordered", "map_async"])
def test_what_nobody_asks_for_is_not_lost_in_silence(make_pool, end, call):
    pool = make_pool(2, initializer=tasks.boom, initargs=(1,))
    with pytest.warns(RuntimeWarning, match="have not run: the initializer boom failed.*item 1"):
        use_and_forget(pool, end, call)


@processes
def test_who_was_told_is_not_told_again(make_pool):
    pool = make_pool(2, initializer=tasks.boom, initargs=(1,))
    with pytest.raises(manyhands.InitializerError):
        pool.map(tasks.square, range(10))
    pool.close()
    pool.join()  # a warning would be an error


@processes
def test_items_of_other_workers_fail_for_the_same_reason(make_pool, tmp_path):
    log = tmp_path / "log"
    pool = make_pool(2, initializer=boom_later, initargs=(log,), maxtasksperchild=2)
    running = pool.apply_async(tasks.hold, (tmp_path / "begun", tmp_path / "never"))
    wait_until((tmp_path / "begun").exists, "it does not run")
    for _ in range(4):
        pool.apply_async(tasks.square, (1,))
    with pytest.raises(manyhands.InitializerError):
        running.get(LIMIT)


def boom_later(log):
    """Fails in the third worker that starts."""
    tasks.note(log, "start")
    if len(journal(log)) > 2:
        raise ValueError("too many")
