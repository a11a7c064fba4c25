"""`Process`, under every start method: what it is told, how it ends, what it may do."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import socket
import sys
from multiprocessing import connection

import process_tasks as tasks
import pytest
from support import LIMIT, gone, open_files, run_script, wait_until

import manyhands


def run(context, target, *args, **options):
    """Run a process to its end and return it."""
    process = context.Process(target=target, args=args, **options)
    process.start()
    process.join(LIMIT)
    assert process.exitcode is not None, "it hangs"
    return process


def started(context, target, *args, **options):
    """A process that has told that it runs; the first argument is the file."""
    process = context.Process(target=target, args=args, **options)
    process.start()
    wait_until(lambda: tasks.lines(args[0]), "the process does not run")
    return process


def skip_if_printed_elsewhere(method):
    if method == "forkserver":
        pytest.skip("its processes print where the server did when it was started, as in CPython")


def end(process):
    process.kill()
    process.join(LIMIT)


# What it is told


def test_arguments_arrive(context, told):
    run(context, tasks.tell_arguments, told, 1, "two", kwargs={"three": [3]})
    assert tasks.lines(told) == [[[1, "two"], {"three": [3]}]]


def test_a_process_knows_who_it_is(context, method, told):
    process = run(context, tasks.tell_identity, told, name="Somebody")
    own, parent = tasks.lines(told)
    authkey = bytes(manyhands.current_process().authkey).hex()
    assert own == [process.pid, process.pid, "Somebody", False, authkey]
    assert parent == [os.getpid(), "MainProcess", True, method]


def test_its_object_is_the_standard_librarys_too(context):
    process = context.Process(target=print)
    assert isinstance(process, multiprocessing.process.BaseProcess)
    assert multiprocessing.current_process() is manyhands.current_process()
    process.start()
    assert process in manyhands.active_children()
    assert process in multiprocessing.active_children()
    process.join(LIMIT)
    assert process not in manyhands.active_children()


def test_it_finds_its_parents_surroundings(context, told, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path / "more"))
    monkeypatch.setattr(sys, "argv", ["program", "argument"])
    before = os.umask(0o027)
    try:
        run(context, tasks.tell_surroundings, told)
    finally:
        os.umask(before)
    (cwd, path, argv, umask, group), (text, stdin) = tasks.lines(told)
    assert cwd == str(tmp_path)
    assert str(tmp_path / "more") in path
    assert argv == ["program", "argument"]
    assert umask == 0o027 or "forkserver" in repr(context)  # that server's own, as in CPython
    assert group == os.getpgrp()
    assert (text, stdin) == ("", "null")


def test_its_environment_is_set_before_it_imports_anything(context, told, tmp_path, monkeypatch):
    source = "import os\nfound = os.environ.get('MH_PROCESS')\n"
    (tmp_path / "reads_environment.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    for value in ("one", "two"):
        run(context, tasks.tell_early, told, env={"MH_PROCESS": value})
    assert tasks.lines(told) == [["one"], ["two"]]
    assert "MH_PROCESS" not in os.environ


def test_the_rest_of_the_environment_is_the_parents_of_the_moment(context, told, monkeypatch):
    for value in ("one", "two"):
        monkeypatch.setenv("MH_PARENT", value)
        run(context, tasks.tell_environment, told, "MH_PARENT", "MH_MORE", env={"MH_MORE": "more"})
    assert tasks.lines(told) == [["one", "more"], ["two", "more"]]


@pytest.mark.parametrize("env", [{"A": 1}, {1: "a"}, {"A=B": "c"}, {"": "a"}, {"A": "\0"}])
def test_what_no_environment_can_hold_is_refused(env):
    with pytest.raises((TypeError, ValueError)):
        manyhands.Process(env=env)


def test_a_subclass_runs_in_the_child_and_stays_as_it_was_here(told):
    process = tasks.Told(told, {"some": "state"})
    process.start()
    process.join(LIMIT)
    assert tasks.lines(told) == [["Teller", {"some": "state"}]]
    assert process.value == {"some": "state"}


def test_what_it_prints_goes_where_its_parent_prints(context, method, capfd):
    skip_if_printed_elsewhere(method)
    run(context, tasks.print_both, "to out", "to err")
    out, err = capfd.readouterr()
    assert (out, err) == ("to out\n", "to err\n")


def test_sockets_and_standard_locks_travel_as_arguments(context):
    ours, theirs = socket.socketpair()
    lock = multiprocessing.get_context("spawn").Lock()
    process = context.Process(target=tasks.send_and_release, args=(theirs, lock))
    with lock, ours, theirs:
        process.start()
        ours.settimeout(LIMIT)
        assert ours.recv(10) == b"hello"
    process.join(LIMIT)
    assert process.exitcode == 0


@pytest.mark.skipif(
    sys.version_info < (3, 11, 5), reason="older ones send them as if they had names"
)
def test_standard_locks_of_a_fork_are_refused_with_what_to_do():
    queue = multiprocessing.get_context("fork").Queue()
    process = manyhands.get_context("template").Process(target=print, args=(queue,))
    with pytest.raises(manyhands.PicklingError, match=r"Use manyhands.Queue\(\).*spawn"):
        process.start()


# How it ends


@pytest.mark.parametrize(
    ("target", "argument", "code"),
    [
        (tasks.leave, 0, 0),
        (tasks.leave, 7, 7),
        (tasks.leave, None, 0),
        (tasks.leave, -1, 255),
        (tasks.leave, 2**40 + 3, 3),
        (tasks.leave, -(2**70) + 4, 4),
        (tasks.leave_hard, 9, 9),
        (tasks.end_by, int(signal.SIGKILL), -9),
        (tasks.end_by, int(signal.SIGSEGV), -11),
    ],
)
def test_exit_codes(context, target, argument, code):
    process = run(context, target, argument)
    assert process.exitcode == code
    assert not process.is_alive()
    assert gone(process.pid)


def test_an_exception_is_printed_with_its_traceback(context, method, capfd):
    skip_if_printed_elsewhere(method)
    process = run(context, tasks.fail, name="Unlucky")
    assert process.exitcode == 1
    err = capfd.readouterr().err
    assert err.startswith("Process Unlucky:\nTraceback (most recent call last):\n")
    assert "in fail\n" in err
    assert "LookupError: what went wrong\n" in err


def test_a_text_as_exit_code_is_printed(context, method, capfd):
    skip_if_printed_elsewhere(method)
    assert run(context, tasks.leave, "enough").exitcode == 1
    assert capfd.readouterr().err == "enough\n"


@pytest.mark.parametrize(("way", "code"), [("terminate", -15), ("kill", -9)])
def test_it_is_ended_from_outside(context, told, way, code):
    process = started(context, tasks.sleep_on, told)
    assert process.is_alive()
    assert process.exitcode is None
    getattr(process, way)()
    process.join(LIMIT)
    assert process.exitcode == code


def test_an_interrupt_lets_finally_run(context, told):
    process = started(context, tasks.sleep_until_interrupted, told)
    process.interrupt()
    process.join(LIMIT)
    assert tasks.lines(told)[1:] == [["interrupted"], ["finally"]]
    assert process.exitcode == 1


def test_its_sentinel_can_be_waited_for(context, told):
    process = started(context, tasks.sleep_on, told)
    assert connection.wait([process.sentinel], 0) == []
    process.kill()
    assert connection.wait([process.sentinel], LIMIT) == [process.sentinel]
    process.join(LIMIT)


def test_a_timeout_of_join_is_kept_and_changes_nothing(context, told):
    process = started(context, tasks.sleep_on, told)
    assert process.join(0.01) is None
    assert process.join(-1) is None
    assert process.is_alive()
    end(process)


def test_it_is_closed_when_it_has_ended_and_not_before(context, told):
    process = started(context, tasks.sleep_on, told)
    with pytest.raises(ValueError, match="running"):
        process.close()
    end(process)
    process.close()
    for use in (process.is_alive, process.join, process.kill, process.interrupt):
        with pytest.raises(ValueError, match="closed"):
            use()


def test_another_has_reaped_it(context, told):
    if "fork'" not in repr(context) and "spawn" not in repr(context):
        pytest.skip("it is not a child of this process")
    process = started(context, tasks.sleep_on, told)
    process.kill()
    os.waitpid(process.pid, 0)
    process.join(LIMIT)
    assert process.exitcode == 255


# What it may do


def test_processes_nest(context, method, told):
    run(context, tasks.start_child, told, method)
    own, parent, code = tasks.lines(told)
    assert own[0] != os.getpid()
    assert parent[0] not in (own[0], os.getpid())
    assert parent[3] == method
    assert code == [0]


def test_a_daemon_may_have_no_children(context, told):
    run(context, tasks.try_child_of_daemon, told, daemon=True)
    assert tasks.lines(told) == [["daemonic processes are not allowed to have children"]]


def test_a_process_may_fork_without_a_warning(context, told):
    run(context, tasks.fork_without_warning, told)
    assert tasks.lines(told) == [[3]]


@pytest.mark.parametrize(
    ("daemon", "said"), [(True, ["done"]), (False, ["done", "slept"])], ids=["daemon", "ordinary"]
)
def test_the_end_of_the_program(method, daemon, said, tmp_path):
    outcome = run_script(
        tmp_path,
        f"""
        import sys, time
        import manyhands as mp

        def sleep():
            time.sleep({60 if daemon else 0.5})
            print("slept", flush=True)

        if __name__ == "__main__":
            mp.set_start_method({method!r})
            mp.Process(target=sleep, daemon={daemon}).start()
            print("done", flush=True)
        """,
    )
    assert (outcome.code, outcome.lines) == (0, said), outcome.err


def test_it_starts_once_and_only_here(context):
    process = context.Process(target=print)
    with pytest.raises(ValueError, match="not started"):
        _ = process.sentinel
    process.start()
    with pytest.raises(AssertionError, match="twice"):
        process.start()
    process.join(LIMIT)


def test_what_cannot_travel_is_told_at_the_start(context, method):
    if method == "fork":
        pytest.skip("nothing travels")
    process = context.Process(target=print, args=((n for n in range(3)),))
    with pytest.raises((TypeError, pickle.PicklingError)):
        process.start()
    assert process not in manyhands.active_children()


# What is left


def test_two_hundred_processes_leave_no_file_and_no_zombie(context):
    run(context, os.getpid)
    before = open_files()
    for _ in range(20):
        processes = [context.Process(target=os.getpid) for _ in range(10)]
        for process in processes:
            process.start()
        for process in processes:
            process.join(LIMIT)
            assert process.exitcode == 0
            assert gone(process.pid)
    del process, processes
    assert open_files() == before
