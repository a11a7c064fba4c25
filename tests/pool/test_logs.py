"""What workers log reaches the parent's handlers: all of it, whole, in order, come what may."""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import sys
import textwrap
import time
import warnings
from collections import defaultdict
from multiprocessing import resource_tracker
from pathlib import Path

import log_tasks
import pytest

import manyhands
from manyhands import _logs

METHODS = ["template", "fork", "spawn"]


@pytest.fixture(scope="module", autouse=True)
def tracker():
    """What `spawn` starts for the whole process is there before a test looks at what is left."""
    resource_tracker.ensure_running()


class Collector(logging.Handler):
    """Keeps the records, and what a user would read of them."""

    def __init__(self):
        super().__init__()
        self.records = []
        self.lines = []

    def emit(self, record):
        self.lines.append(self.format(record))
        self.records.append(record)

    @property
    def messages(self):
        return [record.getMessage() for record in self.records]


@pytest.fixture
def app():
    """The handler of the logger `app`, to which tasks log."""
    collector = Collector()
    logger = logging.getLogger("app")
    logger.addHandler(collector)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    yield collector
    logger.removeHandler(collector)
    logger.setLevel(logging.NOTSET)
    logger.propagate = True


@pytest.fixture
def ours():
    """The handler of the logger `manyhands`."""
    collector = Collector()
    logger = logging.getLogger("manyhands")
    logger.addHandler(collector)
    logger.propagate = False
    yield collector
    logger.removeHandler(collector)
    logger.propagate = True


def wait_for(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        _logs.flush()


@pytest.mark.parametrize("method", METHODS)
def test_records_reach_the_parents_handlers(app, method):
    with manyhands.Pool(2, context=method) as pool:
        pids = pool.map(log_tasks.say, range(20), 1)
        assert sorted(record.index for record in app.records) == list(range(20))
    for record in app.records:
        assert record.name == "app.tasks"
        assert record.getMessage() == f"item {record.index}"
        assert record.args == (record.index,)
        assert record.process in pids
        assert record.processName in ("manyhands-0", "manyhands-1")
        assert record.funcName == "say"
        assert record.filename == "log_tasks.py"
        assert abs(time.time() - record.created) < 60


def test_what_cannot_travel_is_text(app):
    with manyhands.Pool(1) as pool:
        pool.map(log_tasks.say_odd, [0])
    messages = app.messages
    assert messages[:4] == ["with odd text and 7", "odd text", "x-2", "100%"]
    assert app.records[0].thing == "<odd>"
    assert app.records[0].pair == (1, [2])
    assert "KeyError: 'inner'" in app.lines[4]
    assert "in say_odd" in app.lines[4]
    assert "Stack (most recent call last)" in app.lines[5]


@pytest.mark.parametrize("method", METHODS)
def test_levels_hold_in_the_worker(app, method):
    logging.getLogger("app").setLevel(logging.WARNING)
    with manyhands.Pool(1, context=method) as pool:
        assert pool.map(log_tasks.say_costly, [0]) == [None]
        assert pool.map(log_tasks.say_at_all_levels, [0])[0][0] is False
    assert [record.levelno for record in app.records] == [logging.WARNING, logging.ERROR]


def test_levels_of_ones_own_and_what_is_disabled(app, monkeypatch):
    monkeypatch.setattr(logging, "_levelToName", dict(logging._levelToName))
    monkeypatch.setattr(logging, "_nameToLevel", dict(logging._nameToLevel))
    logging.addLevelName(5, "TRACE")
    logging.getLogger("app").setLevel(5)
    with manyhands.Pool(1) as pool:
        assert pool.map(log_tasks.say_at_all_levels, [0]) == [(True, "TRACE")]
    assert app.records[0].levelname == "TRACE"
    assert len(app.records) == 5
    logging.disable(logging.WARNING)
    try:
        with manyhands.Pool(1) as pool:
            assert pool.map(log_tasks.say_at_all_levels, [0])[0][0] is False
    finally:
        logging.disable(logging.NOTSET)
    assert [record.levelno for record in app.records[5:]] == [logging.ERROR]


def test_a_level_that_was_raised_since_holds_in_the_parent(app):
    with manyhands.Pool(1) as pool:
        pool.map(log_tasks.say, [0])
        logging.getLogger("app").setLevel(logging.ERROR)
        pool.map(log_tasks.say, [1])
    assert app.messages == ["item 0"]


def test_records_before_a_kill_are_there(app):
    with manyhands.Pool(2) as pool:
        for _ in range(3):
            with pytest.raises(manyhands.WorkerDied):
                pool.apply(log_tasks.say_many_and_die, (500,))
    expected = [f"number {n} of 500 {'x' * (n % 50)}" for n in range(500)]
    by_pid = defaultdict(list)
    for record in app.records:
        by_pid[record.process].append(record.getMessage())
    assert list(by_pid.values()) == [expected] * 3


def test_in_order_per_worker_whatever_dies(app):
    with manyhands.Pool(4) as pool:
        results = pool.map(log_tasks.count_and_die, range(200), errors="return")
    by_pid = defaultdict(list)
    for record in app.records:
        pid, number = map(int, record.getMessage().split())
        assert pid == record.process
        by_pid[pid].append(number)
    for numbers in by_pid.values():
        assert numbers == list(range(len(numbers)))
    # Each item, also one that died after its record, has one.
    assert len(app.records) == len(results) == 200
    for result in results:
        if not isinstance(result, Exception):
            assert len(by_pid[result[1]]) >= result[2]


def test_threads_of_a_task_log_whole_records(app):
    with manyhands.Pool(2) as pool:
        pool.map(log_tasks.say_from_threads, [200, 200], 1)
    by_thread = defaultdict(list)
    for record in app.records:
        name, number = record.getMessage().split()
        by_thread[record.process, name].append(int(number))
    assert sum(map(len, by_thread.values())) == 1600
    assert all(len(numbers) in (200, 400) for numbers in by_thread.values())


def test_a_handler_may_log_and_use_the_pool(app):
    second = logging.getLogger("second")
    collector = Collector()
    second.addHandler(collector)
    second.propagate = False

    class Busy(logging.Handler):
        def emit(self, record):
            second.warning("seen %s", record.getMessage())
            if record.index % 10 == 0:
                inner.append(pool.map(abs, [record.index]))

    inner = []
    busy = Busy()
    logging.getLogger("app").addHandler(busy)
    try:
        with manyhands.Pool(2) as pool:
            pool.map(log_tasks.say, range(40), 1)
            wait_for(lambda: len(collector.records) == 40)
    finally:
        logging.getLogger("app").removeHandler(busy)
        second.removeHandler(collector)
    assert sorted(inner) == [[0], [10], [20], [30]]


def test_a_handler_that_raises_costs_its_record(app, capsys):
    def refuse(record):
        if record.index == 3:
            raise RuntimeError("no")
        return True

    logging.getLogger("app.tasks").addFilter(refuse)
    try:
        with manyhands.Pool(1) as pool:
            pool.map(log_tasks.say, range(6), 1)
    finally:
        logging.getLogger("app.tasks").removeFilter(refuse)
    assert [record.index for record in app.records] == [0, 1, 2, 4, 5]
    assert "could not be handled" in capsys.readouterr().err


def test_a_parent_that_is_slow_is_waited_for(app, monkeypatch):
    monkeypatch.setattr(_logs, "_MOST_BYTES", 300_000)
    monkeypatch.setattr(_logs, "_delivery", None)
    try:
        with manyhands.Pool(2) as pool:
            pool.map(log_tasks.say_long, [50_000] * 100, 1)
    finally:
        _logs.finish()
    assert [len(message) for message in app.messages] == [50_000] * 100


@pytest.mark.parametrize("method", METHODS)
def test_warnings(method):
    caught = pytest.warns(UserWarning, match="look at")
    with caught as seen, manyhands.Pool(2, context=method) as pool:
        pool.map(log_tasks.warn, range(8), 1)
    assert sorted(str(one.message) for one in seen) == [f"look at {x}" for x in range(8)]
    assert {one.filename for one in seen} == {log_tasks.__file__}


def test_a_warning_that_cannot_be_rebuilt_is_one_of_the_user():
    with pytest.warns(UserWarning, match="1, 2") as caught, manyhands.Pool(1) as pool:
        pool.map(log_tasks.warn_oddly, [0])
    assert str(caught[0].message) == "(1, 2)"
    assert (caught[0].filename, caught[0].lineno) == ("somewhere.py", 12)


def test_exceptions_that_nobody_catches(ours):
    with manyhands.Pool(1) as pool:
        pool.map(log_tasks.fail_in_a_thread, [0])
        pool.map(log_tasks.fail_in_a_finalizer, [0])
    first, second = ours.records
    assert first.levelno == second.levelno == logging.ERROR
    assert "Exception in thread worker-thread in manyhands-0" in first.getMessage()
    assert "ZeroDivisionError" in first.getMessage()
    assert "in a finalizer" in second.getMessage()
    assert "Failing.__del__" in second.getMessage()


def test_off(app, capfd):
    with manyhands.Pool(1, logs=False) as pool:
        pool.map(log_tasks.say_at_all_levels, [0])
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            pool.map(log_tasks.fail_in_a_thread, [0])
    assert app.records == []
    error = capfd.readouterr().err
    assert "level 40" in error
    assert "ZeroDivisionError" in error


def test_an_initializer_that_configures_logging_sets_the_level(app, capfd):
    logging.getLogger("app").setLevel(logging.NOTSET)
    initializer = {"initializer": log_tasks.configure, "initargs": (logging.DEBUG,)}
    with manyhands.Pool(1, **initializer) as pool:
        logging.getLogger("app").setLevel(logging.DEBUG)
        assert pool.map(log_tasks.say_at_all_levels, [0])[0][0] is True
    assert [record.levelno for record in app.records] == [10, 20, 30, 40]
    assert "never seen" not in capfd.readouterr().err


def test_a_worker_may_have_handlers_of_its_own_instead(app, tmp_path):
    path = tmp_path / "worker.log"
    with manyhands.Pool(1, log_tasks.replace_handlers, (str(path),)) as pool:
        pool.map(log_tasks.say, [1])
    assert app.records == []
    assert path.read_text() == "item 1\n"


def test_a_pool_in_a_worker(app):
    with manyhands.Pool(1) as pool:
        ((inner,),) = pool.map(log_tasks.say_in_an_inner_pool, [5])
    (record,) = app.records
    assert (record.index, record.process) == (5, inner)
    assert record.processName == "manyhands-0"


def test_an_executor(app):
    with manyhands.Executor(1) as executor:
        executor.submit(log_tasks.say, 1).result()
    assert app.messages == ["item 1"]


def test_forks_while_handlers_run(app):
    with manyhands.Pool(2, context="fork", maxtasksperchild=1) as pool:
        pool.map(log_tasks.say, range(60))
    assert sorted(record.index for record in app.records) == list(range(60))


def test_a_fork_of_the_program_has_no_part_in_it(app):
    with manyhands.Pool(1) as pool:
        pool.map(log_tasks.say, [1])
        pid = os.fork()
        if pid == 0:
            with contextlib.suppress(BaseException):
                _logs.flush()
                with manyhands.Pool(1) as inner:
                    inner.map(log_tasks.say, [2])
                os._exit(0 if app.messages == ["item 1", "item 2"] else 1)
            os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        pool.map(log_tasks.say, [3])
    assert app.messages == ["item 1", "item 3"]


def run(script):
    """What a program writes to standard error; it must end well, and soon."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(log_tasks.__file__).parent)},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def test_a_program_that_has_configured_nothing():
    _, error = run("""
        import manyhands, log_tasks
        with manyhands.Pool(1) as pool:
            pool.map(log_tasks.say_at_all_levels, [0])
            pool.map(log_tasks.warn, [1])
            pool.map(log_tasks.fail_in_a_thread, [0])
    """)
    lines = error.splitlines()
    assert lines[:2] == ["level 30", "level 40"]
    assert "UserWarning: look at 1" in lines[2]
    assert error.count("ZeroDivisionError") == 1


def test_the_last_records_of_a_program_that_just_ends(tmp_path):
    path = tmp_path / "program.log"
    run(f"""
        import logging, manyhands, log_tasks
        logging.basicConfig(filename={str(path)!r}, level=logging.INFO, format="%(message)s")
        pool = manyhands.Pool(2)
        results = [pool.apply_async(log_tasks.say, (x,)) for x in range(50)]
        for result in results:
            result.wait()
    """)
    assert sorted(path.read_text().split()[1::2], key=int) == [str(x) for x in range(50)]


def test_a_parent_without_logging_does_not_import_it_for_silent_workers():
    output, _ = run("""
        import sys, manyhands
        with manyhands.Pool(1) as pool:
            assert pool.map(abs, [-1]) == [1]
        print("logging" in sys.modules)
    """)
    assert output == "False\n"


@pytest.mark.deep
@pytest.mark.timeout(600)
def test_a_million_lines_of_sixteen_workers():
    """None lost, torn or out of order, with a handler that logs itself."""
    lines, each, torn, second = defaultdict(list), 1000, [], logging.getLogger("second")

    class Checks(logging.Handler):
        def emit(self, record):
            task, number, *filling = record.getMessage().split(" ")
            lines[int(task)].append(int(number))
            if filling != ["x" * (int(number) % 60)]:
                torn.append(record.getMessage())
            if int(number) % 10 == 0:
                second.info("seen")

    logger, checks, collector = logging.getLogger("app"), Checks(), Collector()
    for one, handler in ((logger, checks), (second, collector)):
        one.addHandler(handler)
        one.setLevel(logging.INFO)
        one.propagate = False
    try:
        with manyhands.Pool(16) as pool:
            pool.starmap(log_tasks.say_numbered, [(task, each) for task in range(1000)], 1)
        _logs.flush()
    finally:
        for one, handler in ((logger, checks), (second, collector)):
            one.removeHandler(handler)
            one.setLevel(logging.NOTSET)
            one.propagate = True
    assert len(lines) == 1000
    assert all(numbers == list(range(each)) for numbers in lines.values())
    assert torn == []
    assert len(collector.records) == 100_000
