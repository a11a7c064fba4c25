"""What workers print while a call shows its progress: none of it is lost, whatever comes after."""

from __future__ import annotations

import pytest
from support import run_script

PROGRAM = """
import atexit, logging, os, pathlib, signal, sys, threading, time
import manyhands as mp

here = pathlib.Path(__file__).parent

def quiet(done, total):
    pass

def wait_for(name):
    limit = time.monotonic() + 30
    while not (here / name).exists():
        assert time.monotonic() < limit, name
        time.sleep(0.01)

def show(x):
    print("shown", x)

"""


@pytest.fixture
def run(tmp_path):
    """Runs tasks and main part of a program: the lines of its standard output."""

    def run(text, **options):
        outcome = run_script(tmp_path, PROGRAM + text, **options)
        assert outcome.code == 0, outcome.err
        return outcome.lines

    return run


def test_a_printed_line_outlives_its_worker(run):
    lines = run("""
def die(x):
    print("line", x)
    print("no line", x, end="", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

with mp.Pool(1) as pool:
    [error] = pool.map(die, [1], errors="return", progress=quiet)
    print(type(error).__name__)
""")
    assert lines == ["line 1", "no line 1", "WorkerDied"]


def test_a_line_is_shown_while_its_item_runs(run):
    lines = run("""
def work(x):
    print("first")
    wait_for("seen")
    print("second")

class Screen:
    def write(self, text):
        if "first" in text:
            (here / "seen").touch()
        sys.__stdout__.write(text)

    def flush(self):
        sys.__stdout__.flush()

with mp.Pool(1) as pool:
    sys.stdout = Screen()
    pool.map(work, [1], progress=quiet)
""")
    assert lines == ["first", "second"]


def test_a_thread_that_outlives_its_item_prints(run):
    lines = run("""
def thread():
    wait_for("go")
    print("from a thread")
    (here / "done").touch()

def work(x):
    threading.Thread(target=thread).start()

with mp.Pool(1) as pool:
    pool.map(work, [1], progress=quiet)
    (here / "go").touch()
    wait_for("done")
    print("end", flush=True)
""")
    assert lines == ["from a thread", "end"]


@pytest.mark.parametrize(("most", "count"), [(None, 1), (1, 3)])
def test_workers_print_when_they_end(run, most, count):
    lines = run(f"""
def begin():
    atexit.register(print, "bye")

with mp.Pool(1, begin, maxtasksperchild={most}) as pool:
    pool.map(abs, range(3), chunksize=1, progress=quiet)
""")
    # The next worker may have begun, too.
    assert lines[:count] == ["bye"] * count
    assert set(lines) == {"bye"}


def test_a_stream_that_a_task_has_kept_stays_good(run):
    lines = run("""
def begin(x):
    logging.getLogger("mine").addHandler(logging.StreamHandler(sys.stdout))

def work(x):
    logging.getLogger("mine").warning("work %d", x)

with mp.Pool(1, logs=False) as pool:
    pool.map(begin, [0], progress=quiet)
    pool.map(work, [1])
    list(pool.imap(work, [2]))
    pool.apply(work, (3,))
    pool.map(work, [4], progress=quiet)
    pool.map(work, [5])
""")
    assert lines == [f"work {x}" for x in range(1, 6)]


def test_a_stream_that_was_kept_may_be_put_back(run):
    lines = run("""
def keep(x):
    global kept
    kept = sys.stdout

def put_back(x):
    sys.stdout = kept

with mp.Pool(1) as pool:
    pool.map(keep, [0], progress=quiet)
    pool.map(show, [1])
    pool.map(put_back, [0])
    pool.map(show, [2])
    pool.map(show, [3], progress=quiet)
    pool.map(show, [4])
    pool.map(show, [5])
""")
    assert lines == [f"shown {x}" for x in range(1, 6)]


@pytest.mark.parametrize(
    "call",
    ["pool.map(work, range(2), chunksize=1, progress=quiet)",
     "next(pool.imap(work, range(2), progress=quiet))"],
)  # fmt: skip
def test_what_outlives_its_call_prints(run, call):
    lines = run(f"""
def work(x):
    if x == 0:
        wait_for("begun")
        raise KeyError(x)
    print("begun")
    print("not whole: ", end="")
    (here / "begun").touch()
    wait_for("go")
    print("outlived")
    (here / "done").touch()

with mp.Pool(2) as pool:
    try:
        {call}
    except KeyError:
        print("failed", flush=True)
    (here / "go").touch()
    wait_for("done")
    print("end", flush=True)
""")
    assert lines == ["begun", "failed", "not whole: outlived", "end"]


def test_forks_of_a_task_print(run):
    lines = run("""
def work(x):
    print("kept, ", end="")
    for coming_back in (False, True):
        child = os.fork()
        if child == 0:
            print("child", coming_back, flush=True)
            if coming_back:
                return
            os._exit(0)
        os.waitpid(child, 0)
    process = mp.Process(target=show, args=(x,))
    process.start()
    process.join()
    print("once")

with mp.Pool(1) as pool:
    pool.map(work, [1], progress=quiet)
""")
    assert lines == ["child False", "child True", "shown 1", "kept, once"]


def test_a_task_may_have_a_pool_with_progress(run):
    lines = run("""
def inner(x):
    with mp.get_context("fork").Pool(1) as pool:
        for progress in (None, quiet, None):
            pool.map(show, [x], progress=progress)
    print("inner", x)

with mp.Pool(1) as pool:
    pool.map(inner, [1], progress=quiet)
""")
    assert sorted(lines) == ["inner 1", "shown 1", "shown 1", "shown 1"]


def test_much_is_printed_whole(run):
    lines = run("""
def work(x):
    print("é" * 1_500_000 + ".")
    for number in range(30_000):
        print(number, "." * 100)

with mp.Pool(1) as pool:
    pool.map(work, [1], progress=quiet)
    for _ in pool.imap(work, [1], progress=quiet):
        pass
""")
    assert lines == 2 * ["é" * 1_500_000 + ".", *(f"{n} {'.' * 100}" for n in range(30_000))]


def test_a_file_in_the_place_of_the_stream_gets_its_lines(run):
    lines = run("""
def begin():
    sys.stdout = open(here / "log", "w")

with mp.Pool(1, begin) as pool:
    pool.map(show, [1])
    pool.map(show, [2], progress=quiet)
    pool.map(show, [3])
print((here / "log").read_text(), end="")
""")
    assert lines == ["shown 1", "shown 2", "shown 3"]


def test_bytes_that_are_written_to_the_buffer_are_flushed(run):
    lines = run("""
def work(x):
    sys.stdout.buffer.write(b"bytes\\n")
    sys.stdout.flush()
    sys.stdout.writelines(["a\\n", "b\\n"])
    os.kill(os.getpid(), signal.SIGKILL)

with mp.Pool(1) as pool:
    pool.map(work, [1], errors="return", progress=quiet)
""")
    assert lines == ["bytes", "a", "b"]


LONE = """
def work(name):
    print("caf\\udce9", file=getattr(sys, name))

with mp.Pool(1) as pool:
    for name in ("stdout", "stderr"):
        [outcome] = pool.map(work, [name], errors="return", progress=PROGRESS)
        print(type(outcome).__name__, flush=True)
"""


@pytest.mark.parametrize("progress", ["None", "quiet"])
@pytest.mark.parametrize(
    ("encoding", "kinds"),
    [("utf-8:strict", ["UnicodeEncodeError", "NoneType"]),
     ("ascii:replace", ["caf?", "NoneType", "NoneType"])],
)  # fmt: skip
def test_a_lone_surrogate_is_what_it_is_to_the_stream(tmp_path, progress, encoding, kinds):
    script = PROGRAM + LONE.replace("PROGRESS", progress)
    outcome = run_script(tmp_path, script, env={"PYTHONIOENCODING": encoding})
    assert outcome.code == 0, outcome.err
    assert outcome.lines == kinds
    assert outcome.err == "caf\\udce9\n"


def test_a_byte_that_is_no_text_arrives_as_itself(tmp_path):
    script = PROGRAM + LONE.replace("PROGRESS", "quiet").replace("stderr", "stdout")
    environment = {"PYTHONIOENCODING": "ascii:surrogateescape"}
    outcome = run_script(tmp_path, script, env=environment, errors="surrogateescape")
    assert outcome.code == 0, outcome.err
    assert outcome.lines == ["caf\udce9", "NoneType"] * 2
