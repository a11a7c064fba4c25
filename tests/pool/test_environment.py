"""What a worker finds: its environment, its directory, its path, its name."""

from __future__ import annotations

import os
import sys

import pytest
import tasks
from support import processes, run_script

import manyhands

THREAD_VARIABLES = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"]


@processes
def test_env_is_set_in_every_worker(make_pool):
    pool = make_pool(2, env={"MANYHANDS_TEST_COLOUR": "blue"})
    assert set(pool.map(tasks.environment, ["MANYHANDS_TEST_COLOUR"] * 20)) == {"blue"}
    assert "MANYHANDS_TEST_COLOUR" not in os.environ


@processes
def test_env_reaches_replacements(make_pool):
    pool = make_pool(1, env={"MANYHANDS_TEST_COLOUR": "blue"}, maxtasksperchild=1)
    assert pool.map(tasks.environment, ["MANYHANDS_TEST_COLOUR"] * 3) == ["blue"] * 3


@pytest.mark.parametrize(
    "env", [{"A": 1}, {1: "a"}, {"A=B": "c"}, {"A\0": "c"}, {"A": "c\0"}, {"": "c"}, 17], ids=repr
)
def test_env_that_is_no_environment_is_refused(env):
    with pytest.raises((TypeError, ValueError)):
        manyhands.Pool(1, env=env).terminate()


def test_env_is_set_before_anything_is_imported(tmp_path):
    (tmp_path / "early.py").write_text(
        "import os\nSEEN = os.environ.get('COLOUR')\n\ndef seen(_):\n    return SEEN\n"
    )
    outcome = run_script(
        tmp_path,
        """
        import early
        import manyhands as mp

        def main():
            for options in ({}, {"preload": ["early"]}, {"context": "spawn"}):
                with mp.Pool(1, env={"COLOUR": "blue"}, **options) as pool:
                    print(pool.map(early.seen, [1]))

        if __name__ == "__main__":
            main()
        """,
    )
    assert outcome.lines == ["['blue']"] * 3, outcome.err


@pytest.mark.parametrize(
    ("options", "expected"),
    [("", None), (", threads_per_worker=3", "3"), (", env={'OMP_NUM_THREADS': '9'}", "9")],
)
def test_thread_variables_share_the_cores(tmp_path, options, expected):
    outcome = run_script(
        tmp_path,
        f"""
        import os
        import manyhands as mp
        import tasks

        names = {THREAD_VARIABLES!r}
        for name in names:
            os.environ.pop(name, None)
        with mp.Pool(2{options}) as pool:
            for name in names:
                print(pool.apply(tasks.environment, (name,)))
        assert not any(name in os.environ for name in names)
        """,
    )
    share = str(max(1, manyhands.cpu_count() // 2))
    assert outcome.lines[0] == (expected or share), outcome.err
    if expected != "9":
        assert outcome.lines == [expected or share] * 3


def test_thread_variables_of_the_user_win(tmp_path):
    outcome = run_script(
        tmp_path,
        """
        import manyhands as mp
        import tasks

        with mp.Pool(2, threads_per_worker=3) as pool:
            print(pool.apply(tasks.environment, ("OMP_NUM_THREADS",)))
        """,
        env={"OMP_NUM_THREADS": "7"},
    )
    assert outcome.lines == ["7"], outcome.err


def test_preload_is_there_from_the_start(tmp_path):
    (tmp_path / "heavy.py").write_text("")
    outcome = run_script(
        tmp_path,
        """
        import sys
        import manyhands as mp

        def loaded(name):
            return name in sys.modules

        with mp.Pool(1, preload=["heavy", "decimal"]) as pool:
            print(pool.map(loaded, ["heavy", "decimal", "wave"]))
        """,
    )
    assert outcome.lines == ["[True, True, False]"], outcome.err


def test_preload_of_a_module_that_fails_does_not_break_the_pool(tmp_path):
    (tmp_path / "broken.py").write_text("raise RuntimeError('broken module')\n")
    outcome = run_script(
        tmp_path,
        """
        import manyhands as mp

        for name in ("broken", "no_such_module"):
            with mp.Pool(1, preload=[name]) as pool:
                print(pool.map(abs, [-1]))
        """,
    )
    assert outcome.lines == ["[1]", "[1]"], outcome.err


@pytest.mark.parametrize("preload", ["numpy", 17, [17]])
def test_preload_that_is_no_list_of_names_is_refused(preload):
    with pytest.raises(TypeError):
        manyhands.Pool(1, preload=preload)


def test_a_worker_takes_over_the_parents_state(tmp_path):
    outcome = run_script(
        tmp_path,
        """
        import os, sys, warnings
        import manyhands as mp

        def state(_):
            mask = os.umask(0)
            os.umask(mask)
            return (os.getcwd(), os.environ.get("LATE"), sys.path[0], sys.argv[1:], mask,
                    any(f[1] is not None and f[1].pattern == "marker" for f in warnings.filters))

        os.mkdir("elsewhere")
        os.chdir("elsewhere")
        os.environ["LATE"] = "set at run time"
        sys.path.insert(0, os.getcwd())
        sys.argv[1:] = ["an", "argument"]
        os.umask(0o027)
        warnings.filterwarnings("ignore", message="marker")
        with open("late_module.py", "w") as file:
            file.write("def f(x): return x + 1\\n")
        import late_module

        with mp.Pool(1) as pool:
            got, here = pool.apply(state, (1,)), state(1)
            assert got == here, (got, here)
            assert pool.map(late_module.f, [1]) == [2]
        print("done")
        """,
    )
    assert outcome.lines == ["done"], outcome.err


def test_standard_input_stays_with_the_parent(tmp_path):
    outcome = run_script(
        tmp_path,
        """
        import sys
        import manyhands as mp

        def read(_):
            return sys.stdin.read()

        with mp.Pool(2) as pool:
            print(pool.map(read, range(4)))
        print(sys.stdin.read())
        """,
        stdin="for the parent",
    )
    assert outcome.lines == ["['', '', '', '']", "for the parent"], outcome.err


def test_no_open_file_of_the_parent_is_inherited(tmp_path):
    (tmp_path / "secret").write_text("")
    outcome = run_script(
        tmp_path,
        """
        import os
        import manyhands as mp

        def files(_):
            return [os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")
                    if os.path.exists(f"/proc/self/fd/{fd}")]

        with open("secret") as file:
            os.set_inheritable(file.fileno(), True)
            with mp.Pool(1) as pool:
                assert not any("secret" in target for target in pool.apply(files, (1,)))
        print("done")
        """,
    )
    assert outcome.lines == ["done"], outcome.err


def test_worker_is_none_in_the_parent():
    assert manyhands.worker() is None


@processes
def test_workers_have_ids_names_and_pids(make_pool, tmp_path):
    pool = make_pool(3)
    who = pool.starmap(tasks.meet_identity, [(tmp_path, n, 3) for n in range(3)], 1)
    assert {identity for identity, _, _ in who} == {0, 1, 2}
    assert len({pid for _, pid, _ in who}) == 3
    assert len({name for _, _, name in who}) == 3
    assert all(name for _, _, name in who)


@processes
def test_a_worker_is_no_worker_in_its_own_children(make_pool):
    assert make_pool(1).apply(tasks.worker_in_a_fork) == "None"


@processes
def test_faulthandler_is_on(pool):
    assert set(pool.map(tasks.faulthandler_on, range(10))) == {True}


def test_a_crash_shows_where_it_was(tmp_path):
    outcome = run_script(
        tmp_path,
        """
        import manyhands as mp
        import tasks

        with mp.Pool(1) as pool:
            print(pool.apply_async(tasks.segfault).exception())
        """,
    )
    assert "Segmentation fault" in outcome.out
    assert "in segfault" in outcome.out


def test_random_numbers_differ_from_worker_to_worker(tmp_path):
    outcome = run_script(
        tmp_path,
        """
        import random
        import manyhands as mp
        import tasks

        random.seed(1)

        def draw(directory, n):
            tasks.meet(directory, n, 2)
            return random.random()

        import os
        for method in ("template", "fork"):
            os.mkdir(method)
            with mp.Pool(2, context=method) as pool:
                print(len(set(pool.starmap(draw, [(method, n) for n in range(2)], 1))))
        """,
    )
    assert outcome.lines == ["2", "2"], outcome.err


def test_the_interpreter_is_the_same(tmp_path):
    outcome = run_script(
        tmp_path,
        """
        import sys
        import manyhands as mp

        def facts(_):
            return sys.executable, sys.version, sys.prefix, sys.flags.utf8_mode

        with mp.Pool(1) as pool:
            assert pool.apply(facts, (1,)) == facts(1)
        print("done")
        """,
    )
    assert outcome.lines == ["done"], outcome.err
    assert sys.executable
