"""Every way to start workers runs the same work; the template's death is survived."""

from __future__ import annotations

import gc
import os
import signal
from pathlib import Path

import pytest
import tasks
from support import LIMIT, gone, processes, run_script, wait_until

import manyhands

PROGRAM = """
import multiprocessing
import os
import manyhands as mp

state = "parent"

class Point:
    def __init__(self, x):
        self.x = x

def init(word):
    global state
    state = word

def work(x):
    return state, Point(x), os.getpid()

def die(x):
    if x == 3:
        os._exit(4)
    return x

if __name__ == "__main__":
    context = {context}
    with mp.Pool(2, init, ("init",), context=context) as pool:
        for word, point, pid in pool.map(work, range(20)):
            assert word == "init" and type(point) is Point and pid != os.getpid()
        assert [p.x for _, p, _ in pool.imap(work, range(5))] == list(range(5))
        got = pool.map(die, range(6), errors="return")
        assert [x for x in got if not isinstance(x, Exception)] == [0, 1, 2, 4, 5], got
        assert isinstance(got[3], mp.WorkerDied) and got[3].exitcode == 4, got
        assert pool.apply(work, (7,))[1].x == 7
        assert len({{id for id, _, _ in pool.map(who, range(50))}}) <= 2
        assert pool.map(lambda x: x + 1, [1]) == [2]
    with mp.Pool(1, context=context, maxtasksperchild=1) as pool:
        assert len({{pid for _, _, pid in pool.map(work, range(4))}}) == 4
    try:
        with mp.Pool(1, boom, context=context) as pool:
            pool.apply(work, (1,))
    except mp.InitializerError as error:
        assert isinstance(error.__cause__, KeyError)
    else:
        raise AssertionError
    print("done")
"""

HELPERS = """
def who(_):
    me = mp.worker()
    assert me.pid == os.getpid()
    return me.id, me.pid, me.name

def boom():
    raise KeyError("boom")
"""

CONTEXTS = {
    "default": "None",
    "template": 'mp.get_context("template")',
    "template-word": '"template"',
    "fork": 'mp.get_context("fork")',
    "spawn": 'mp.get_context("spawn")',
    "forkserver": 'mp.get_context("forkserver")',
    "fork-word": '"fork"',
    "foreign-fork": 'multiprocessing.get_context("fork")',
    "foreign-spawn": 'multiprocessing.get_context("spawn")',
    "foreign-forkserver": 'multiprocessing.get_context("forkserver")',
}


@pytest.mark.parametrize("context", CONTEXTS)
def test_the_same_work_by_every_method(tmp_path, context):
    source = PROGRAM.format(context=CONTEXTS[context]).replace(
        "\nif __name__", HELPERS + "\nif __name__"
    )
    outcome = run_script(tmp_path, source)
    assert outcome.code == 0, outcome.err
    assert outcome.lines == ["done"]
    assert outcome.err == ""


@pytest.mark.parametrize("method", ["template", "fork", "spawn", "forkserver"])
def test_a_context_makes_pools(tmp_path, method):
    outcome = run_script(
        tmp_path,
        f"""
        import manyhands as mp

        if __name__ == "__main__":
            context = mp.get_context({method!r})
            with context.Pool(2) as pool:
                print(pool.map(abs, [-1, 2]))
        """,
    )
    assert outcome.lines == ["[1, 2]"], outcome.err


def test_fork_inherits_what_the_parent_has(tmp_path):
    outcome = run_script(
        tmp_path,
        """
        import manyhands as mp
        import tasks

        tasks.state = "inherited"
        with mp.Pool(1, context="fork") as pool:
            print(pool.apply(tasks.get_state))
        with mp.Pool(1) as pool:
            print(pool.apply(tasks.get_state))
        """,
    )
    assert outcome.lines == ["inherited", "None"], outcome.err


def test_a_process_class_of_the_program_is_used(tmp_path):
    outcome = run_script(
        tmp_path,
        """
        import multiprocessing
        import sys
        import manyhands as mp

        def mark(_):
            return getattr(sys, "marked", None)

        fork = multiprocessing.get_context("fork")

        class Marked(fork.Process):
            def run(self):
                sys.marked = "by the program"
                super().run()

        class Context(type(fork)):
            Process = Marked

        with mp.Pool(2, context=Context()) as pool:
            print(set(pool.map(mark, range(10))))
        """,
    )
    assert outcome.lines == ["{'by the program'}"], outcome.err


@pytest.mark.parametrize("context", ["thread", "", 17, object()])
def test_what_is_no_context_is_refused(context):
    with pytest.raises((TypeError, ValueError)):
        manyhands.Pool(1, context=context)


def template_of(pool):
    """The template's pid: the parent of the workers."""
    worker = pool.apply(tasks.pid)
    return int(Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()[1])


@processes
def test_workers_are_children_of_the_template(make_pool):
    pool = make_pool(2)
    template = template_of(pool)
    assert template != os.getpid()
    assert set(pool.map(tasks.parent_pid, range(20))) == {template}


@processes
def test_death_of_an_idle_template_is_survived(make_pool):
    pool = make_pool(2)
    for _ in range(3):
        template = template_of(pool)
        os.kill(template, signal.SIGKILL)
        wait_until(lambda template=template: gone(template), "SIGKILL does not kill")
        assert pool.map(tasks.square, range(50)) == [x * x for x in range(50)]
    wait_until(lambda: template_of(pool) != template, "the template is not replaced")


@processes
def test_death_of_the_template_while_tasks_run(make_pool, tmp_path):
    pool = make_pool(2)
    template = template_of(pool)
    release = tmp_path / "release"
    held = [pool.apply_async(tasks.hold, (tmp_path / f"s{n}", release)) for n in range(2)]
    waiting = [pool.apply_async(tasks.square, (x,)) for x in range(50)]
    for n in range(2):
        tasks.await_file(tmp_path / f"s{n}")
    os.kill(template, signal.SIGKILL)
    # Its workers go with it; whoever were quicker would be killed in a later item.
    wait_until(lambda: gone(template), "the template lives")
    release.touch()
    for result in held:
        error = result.exception(LIMIT)
        assert error is None or isinstance(error, manyhands.WorkerDied)
    assert [r.get(LIMIT) for r in waiting] == [x * x for x in range(50)]


@processes
def test_death_of_the_template_at_the_start(make_pool):
    for _ in range(5):
        pool = make_pool(2)
        template = template_of(pool)
        os.kill(template, signal.SIGKILL)
        # It ends a moment after the call, and takes a worker that has begun an item with it.
        for x, answer in enumerate(pool.map(tasks.square, range(20), errors="return")):
            assert answer == x * x or isinstance(answer, manyhands.WorkerDied)
        wait_until(lambda template=template: gone(template), "SIGKILL does not kill")
        assert pool.map(tasks.square, range(20)) == [x * x for x in range(20)]


@processes
def test_a_worker_dies_right_after_the_template(make_pool):
    pool = make_pool(1)
    template = template_of(pool)
    os.kill(template, signal.SIGKILL)
    error = pool.apply_async(tasks.exit_hard, (3,)).exception(LIMIT)
    assert isinstance(error, manyhands.WorkerDied)
    assert pool.apply(tasks.square, (3,)) == 9


@processes
def test_a_replacement_runs_the_initializer_after_the_templates_death(make_pool):
    pool = make_pool(1, initializer=tasks.set_state, initargs=("ready",))
    template = template_of(pool)
    os.kill(template, signal.SIGKILL)
    wait_until(lambda: gone(template), "SIGKILL does not kill")
    assert isinstance(
        pool.apply_async(tasks.exit_hard, (3,)).exception(LIMIT), manyhands.WorkerDied
    )
    assert pool.apply(tasks.get_state) == "ready"


def test_a_worker_does_not_collect_what_its_template_has_imported():
    with manyhands.Pool(1) as pool:
        assert pool.apply(gc.get_freeze_count) > 1_000
        assert pool.apply(gc.isenabled)


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_an_initializer_that_hangs_in_an_interpreter_of_its_own(tmp_path, method):
    source = f"""
import hang_tasks, manyhands

if __name__ == "__main__":
    options = dict(initializer=hang_tasks.sleep, initargs=(1,), initializer_timeout=3)
    with manyhands.Pool(2, context="{method}", **options) as pool:
        try:
            pool.map(abs, range(10))
        except manyhands.InitializerError as error:
            print(error.timeout, "in sleep" in error.stacks)
"""
    outcome = run_script(tmp_path, source)
    assert (outcome.lines, outcome.err) == (["3.0 True"], "")
