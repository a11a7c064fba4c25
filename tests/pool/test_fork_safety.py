"""A child that the program forks inherits pools: they refuse, clearly, and the parent goes on."""

from __future__ import annotations

import os
import sys
import traceback

import pytest
import tasks
from support import LIMIT, parallel, processes

import manyhands

USES = {
    "map": lambda pool: pool.map(tasks.square, [1]),
    "map_async": lambda pool: pool.map_async(tasks.square, [1]),
    "apply": lambda pool: pool.apply(tasks.square, (1,)),
    "apply_async": lambda pool: pool.apply_async(tasks.square, (1,)),
    "imap": lambda pool: pool.imap(tasks.square, [1]),
    "imap_unordered": lambda pool: pool.imap_unordered(tasks.square, [1]),
    "starmap": lambda pool: pool.starmap(tasks.add, [(1, 2)]),
    "grow": lambda pool: pool.grow(1),
    "shrink": lambda pool: pool.shrink(1),
    "with": lambda pool: pool.__enter__(),
}


def in_a_fork(function):
    """Run `function()` in a forked child; the text that it returned, or its exception's."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        try:
            answer = f"returned {function()!r}"
        except BaseException as error:
            answer = f"raised {type(error).__name__}: {error}"
        try:
            os.write(write, answer.encode())
        except BaseException:
            traceback.print_exc()
        os._exit(0)
    os.close(write)
    answer = b""
    while data := os.read(read, 65536):
        answer += data
    os.close(read)
    _, status = os.waitpid(child, 0)
    assert status == 0
    return answer.decode()


@parallel
@pytest.mark.parametrize("use", USES)
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_using_an_inherited_pool_is_a_clear_error(make_pool, use):
    pool = make_pool(2)
    assert pool.map(tasks.square, [3]) == [9]
    answer = in_a_fork(lambda: USES[use](pool))
    assert answer.startswith("raised ")
    assert "fork" in answer
    assert pool.map(tasks.square, [4]) == [16]


@processes
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_results_that_are_inherited_do_not_hang(make_pool, tmp_path):
    pool = make_pool(2)
    started, release = tmp_path / "started", tmp_path / "release"
    done = pool.apply_async(tasks.square, (3,))
    assert done.get(LIMIT) == 9
    held = pool.apply_async(tasks.hold, (started, release))
    results = pool.imap(tasks.square, range(100))
    assert next(results) == 0
    assert in_a_fork(lambda: done.get(1)) == "returned 9"
    assert in_a_fork(lambda: held.get(20)).startswith("raised ")
    assert in_a_fork(lambda: list(results)).startswith("raised ")
    release.touch()
    assert held.get(LIMIT) == "held"
    assert list(results) == [x * x for x in range(1, 100)]


@processes
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_that_ends_or_drops_the_pool_does_not_hurt_the_parent(make_pool):
    pool = make_pool(2)
    results = [pool.apply_async(tasks.square, (x,)) for x in range(300)]

    def drop():
        nonlocal pool, results
        pool.close()
        pool.terminate()
        del pool, results

    assert in_a_fork(drop).startswith("returned")
    assert [r.get(LIMIT) for r in results] == [x * x for x in range(300)]
    assert pool.map(tasks.square, [4]) == [16]


@processes
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_makes_a_pool_of_its_own(make_pool):
    pool = make_pool(2)
    assert pool.map(tasks.square, [3]) == [9]
    assert in_a_fork(lambda: tasks.start_own_pool(5)) == "returned [0, 1, 4, 9, 16]"
    assert pool.map(tasks.square, [4]) == [16]


@processes
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_forking_over_and_over_while_the_pool_works(make_pool):
    pool = make_pool(2)
    result = pool.map_async(tasks.square, range(20_000))
    for _ in range(20):
        assert in_a_fork(lambda: 1) == "returned 1"
    assert result.get(LIMIT) == [x * x for x in range(20_000)]


@processes
def test_a_forked_child_in_a_task(make_pool):
    # A task may fork; the child must not answer in the worker's name.
    pool = make_pool(1)
    assert pool.map(tasks.fork_and_wait, range(5)) == list(range(5))
    assert pool.apply(tasks.square, (3,)) == 9


def fork_and_return(x):
    """The child comes back out of the task: it was to call `os._exit`, and did not."""
    pid = os.fork()
    if pid == 0:
        return x
    return x, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def fork_and_fail(x):
    pid = os.fork()
    if pid == 0:
        os.execvp("/no/such/program", ["x"])  # noqa: S606 - it fails
    return x, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def fork_and_exit(x):
    pid = os.fork()
    if pid == 0:
        sys.exit(7)
    return x, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.parametrize("method", ["template", "fork"])
@pytest.mark.parametrize(("task", "code"), [(fork_and_return, 0), (fork_and_exit, 7)])
def test_a_fork_that_comes_back_out_of_a_task_ends(method, task, code):
    with manyhands.Pool(2, context=method) as pool:
        assert pool.map(task, range(20), 1) == [(x, code) for x in range(20)]


def test_what_a_fork_raises_out_of_a_task_is_told(caplog):
    with manyhands.Pool(2) as pool:
        assert pool.map(fork_and_fail, range(3), 1) == [(x, 1) for x in range(3)]
    assert caplog.text.count("FileNotFoundError") == 3


def test_a_fork_that_comes_back_out_of_an_initializer_ends():
    with manyhands.Pool(2, initializer=os.fork) as pool:
        assert pool.map(abs, range(-20, 0), 1) == list(range(20, 0, -1))
