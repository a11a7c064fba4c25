"""The progress display: golden output on a terminal, in a pipe, with tqdm, with a callable."""

from __future__ import annotations

import fcntl
import io
import os
import struct
import subprocess
import sys
import termios
import types
import warnings

import pytest

from manyhands import _progress

CLEAR = "\r\x1b[K"


class Stream(io.StringIO):
    """A stream that says that it is a terminal, or not."""

    def __init__(self, *, tty):
        super().__init__()
        self.tty = tty
        self.calls = []

    def isatty(self):
        return self.tty

    def write(self, text):
        self.calls.append(text)
        return super().write(text)


@pytest.fixture
def clock(monkeypatch):
    """Time stands still until the test moves it."""

    class Clock:
        now = 1000.0

        def tick(self, seconds):
            self.now += seconds

    made = Clock()
    monkeypatch.setattr(_progress, "monotonic", lambda: made.now)
    return made


@pytest.fixture
def plain(monkeypatch, clock):
    """The display without tqdm; gives a maker of (display, its stream)."""
    monkeypatch.setitem(sys.modules, "tqdm", None)

    def make(*, tty, total=100, **options):
        stream = Stream(tty=tty)
        return _progress.make({"file": stream, **options}, total), stream

    return make


# The plain line


def test_terminal_redraws_one_line(plain, clock):
    display, stream = plain(tty=True)
    display.update(0)
    for done in (10, 20, 30):
        clock.tick(0.5)
        display.update(done)
    display.update(31)  # within a tenth of a second: not drawn
    clock.tick(0.5)
    display.update(100)
    display.close()
    assert stream.calls == [
        f"{CLEAR}  0% 0/100 [00:00<?, ?it/s]",
        f"{CLEAR} 10% 10/100 [00:00<00:04, 20.00it/s]",
        f"{CLEAR} 20% 20/100 [00:01<00:04, 20.00it/s]",
        f"{CLEAR} 30% 30/100 [00:01<00:03, 20.00it/s]",
        f"{CLEAR}100% 100/100 [00:02<00:00, 50.00it/s]",
        f"{CLEAR}100% 100/100 [00:02<00:00, 50.00it/s]\n",
    ]


def test_pipe_gets_a_line_now_and_then_and_one_at_the_end(plain, clock):
    display, stream = plain(tty=False, unit="file", desc="parse")
    for done in range(100):
        display.update(done)
        clock.tick(0.1)
    display.update(100)
    display.close()
    assert stream.getvalue() == (
        "parse:  50% 50/100 [00:05<00:05, 10.00file/s]\n"
        "parse: 100% 100/100 [00:10<00:00, 10.00file/s]\n"
    )
    assert all(text.endswith("\n") for text in stream.calls)


def test_unknown_total(plain, clock):
    display, stream = plain(tty=True, total=None)
    clock.tick(2)
    display.update(5000)
    display.close()
    assert stream.calls[0] == f"{CLEAR}5000it [00:02, 2.5kit/s]"


def test_total_of_the_options_counts(plain, clock):
    display, stream = plain(tty=True, total=7)
    display.update(7)
    assert "7/7" in stream.getvalue()


def test_nothing_to_do(plain):
    display, stream = plain(tty=False, total=0)
    display.close()
    assert stream.getvalue() == "100% 0/0 [00:00<?, ?it/s]\n"


def test_unfinished_run_keeps_its_count(plain, clock):
    display, stream = plain(tty=True)
    display.update(1)
    clock.tick(0.01)
    display.update(42)
    display.close()
    assert " 42% 42/100" in stream.calls[-1]
    assert stream.calls[-1].endswith("\n")


def test_line_can_be_taken_away(plain):
    display, stream = plain(tty=True, leave=False)
    display.update(1)
    display.close()
    assert stream.calls[-1] == CLEAR


def test_disabled_shows_nothing(plain, monkeypatch):
    out = Stream(tty=False)
    monkeypatch.setattr(sys, "stdout", out)
    display, stream = plain(tty=True, disable=True)
    display.update(1)
    display.write("printed\n", "stdout")
    display.close()
    assert stream.getvalue() == ""
    assert out.getvalue() == "printed\n"


@pytest.mark.parametrize(("columns", "length"), [(20, 19), (200, 36), (3, 10)])
def test_line_is_cut_to_the_terminal(plain, clock, columns, length):
    display, stream = plain(tty=True, ncols=columns)
    clock.tick(1)
    display.update(50)
    assert len(stream.calls[0]) - len(CLEAR) == length


def test_width_of_a_real_terminal(monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    leader, follower = os.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 10, 24, 0, 0))
    with os.fdopen(follower, "w") as terminal:
        display = _progress.make({"file": terminal}, 100)
        display.update(50)
        written = os.read(leader, 1000).decode()
    os.close(leader)
    assert written.startswith(f"{CLEAR} 50% 50/100 [")
    assert len(written) - len(CLEAR) == 23


@pytest.mark.parametrize(
    ("done", "total", "seconds", "text"),
    [
        (1, 3, 1.0, " 33% 1/3 [00:01<00:02, 1.00it/s]"),
        (0, None, 0.0, "0it [00:00, ?it/s]"),
        (3, 3, 3723.0, "100% 3/3 [1:02:03<00:00, 0.00it/s]"),
        (4_000_000, 8_000_000, 1.0, " 50% 4000000/8000000 [00:01<00:01, 4Mit/s]"),
        (5, 3, 1.0, "166% 5/3 [00:01<00:00, 5.00it/s]"),
    ],
)
def test_count_text(done, total, seconds, text):
    assert _progress.count_text(done, total, seconds, "it") == text


# Output of workers


def test_output_goes_above_the_line(plain, monkeypatch, clock):
    display, stream = plain(tty=True)
    monkeypatch.setattr(sys, "stderr", stream)
    display.update(1)
    line = " 1% 1/100 [00:00<?, 0.00it/s]"
    display.write("first\nsec", "stderr")
    display.write("ond\n", "stderr")
    assert stream.calls[1:] == [
        f"{CLEAR}first\n {line}",
        f"{CLEAR}second\n {line}",
    ]


def test_output_to_another_stream_takes_the_line_away_first(plain, monkeypatch):
    written = []

    class Logged(Stream):
        def write(self, text):
            written.append((self.name, text))
            return super().write(text)

    out, bar = Logged(tty=True), Logged(tty=True)
    out.name, bar.name = "out", "bar"
    monkeypatch.setattr(sys, "stdout", out)
    display = _progress.make({"file": bar}, 10)
    display.update(1)
    display.write("line\n", "stdout")
    assert written[1:] == [
        ("bar", CLEAR),
        ("out", "line\n"),
        ("bar", " 10% 1/10 [00:00<?, 0.00it/s]"),
    ]


def test_incomplete_lines_are_kept_apart_and_printed_at_the_end(plain, monkeypatch):
    out, err = Stream(tty=False), Stream(tty=False)
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    display, _ = plain(tty=False)
    display.write("out", "stdout")
    display.write("err", "stderr")
    display.write("put\nmore", "stdout")
    assert (out.getvalue(), err.getvalue()) == ("output\n", "")
    display.close()
    assert (out.getvalue(), err.getvalue()) == ("output\nmore\n", "err\n")
    display.write("late\n", "stdout")
    assert out.getvalue() == "output\nmore\nlate\n"


def test_no_standard_output_is_no_error(plain, monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    display, _ = plain(tty=True)
    display.write("lost\n", "stdout")
    display.close()


def test_lines_of_two_workers_are_completed_apart(plain, monkeypatch):
    out = Stream(tty=False)
    monkeypatch.setattr(sys, "stdout", out)
    display, _ = plain(tty=False)
    display.write("one ", "stdout", 1)
    display.write("two ", "stdout", 2)
    display.write("line\n", "stdout", 1)
    display.write("lines\nand ", "stdout", 2)
    display.write("rest", "stdout", 1)
    display.close()
    assert sorted(out.calls) == ["and \n", "one line\n", "rest\n", "two lines\n"]


def test_what_the_stream_cannot_encode_is_escaped(plain, monkeypatch):
    out = io.TextIOWrapper(io.BytesIO(), "ascii", "strict")
    monkeypatch.setattr(sys, "stdout", out)
    display, _ = plain(tty=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        display.write("caf\xe9 \udce9\n", "stdout")
    assert out.buffer.getvalue() == b"caf\\xe9 \\udce9\n"


# Streams that are not there, or broken


class Broken(io.StringIO):
    """The other end of a pipe has gone."""

    def write(self, text):
        raise BrokenPipeError("gone")


@pytest.fixture(params=["tqdm", "plain"])
def either(request, monkeypatch):
    """With tqdm, and without."""
    if request.param == "tqdm":
        pytest.importorskip("tqdm")
    else:
        monkeypatch.setitem(sys.modules, "tqdm", None)


def test_without_standard_error_there_is_no_bar(either, monkeypatch):
    out = Stream(tty=False)
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", None)
    display = _progress.make(True, 10)
    display.update(3)
    display.write("line\n", "stdout")
    display.write("line\n", "stderr")
    display.close()
    assert out.getvalue() == "line\n"


def test_a_broken_stream_breaks_no_call(either, monkeypatch):
    out = Stream(tty=False)
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", Broken())
    with pytest.warns(RuntimeWarning, match="switched off.*BrokenPipeError"):  # noqa: PT031
        display = _progress.make({"mininterval": 0}, 10)
        display.update(3)
        display.write("line\n", "stdout")
        display.update(10)
        display.close()
    assert out.getvalue() == "line\n"


def test_wrong_tqdm_options_are_an_error_whatever_the_stream(tqdm):
    with pytest.raises(Exception, match="no_such_option"):
        _progress.make({"no_such_option": 1, "file": Broken()}, 10)


# tqdm


@pytest.fixture
def tqdm():
    return pytest.importorskip("tqdm").tqdm


def test_tqdm_counts_items_and_finishes(tqdm):
    stream = Stream(tty=True)
    display = _progress.make({"file": stream, "desc": "work", "mininterval": 0}, 10)
    for done in (3, 4, 10):
        display.update(done)
    display.close()
    assert "work: 100%" in stream.getvalue()
    assert "10/10" in stream.getvalue()


def test_tqdm_prints_output_above(tqdm, monkeypatch):
    stream = Stream(tty=True)
    monkeypatch.setattr(sys, "stdout", stream)
    display = _progress.make({"file": stream}, 10)
    display.write("from a ", "stdout")
    display.write("worker\n", "stdout")
    display.close()
    assert "\rfrom a worker\n" in stream.getvalue()


def test_output_appears_above_a_bar_that_the_program_moves_itself(tqdm, monkeypatch):
    screen = Stream(tty=True)
    monkeypatch.setattr(sys, "stdout", screen)
    with tqdm(total=4, file=screen, ncols=30, mininterval=0) as bar:
        display = _progress.make(lambda done, _: bar.update(done - bar.n), 4)
        display.update(1)
        bar.refresh()
        begin = len(screen.getvalue())
        display.write("from a worker\n", "stdout")
        printed = screen.getvalue()[begin:]
        display.close()
    before, line, after = printed.partition("from a worker\n")
    assert line
    assert "1/4" not in before  # the bar is taken away,
    assert "1/4" in after  # and drawn again below


def test_tqdm_options_are_passed_on(tqdm, capsys):
    display = _progress.make({"disable": True, "total": 3}, 10)
    display.update(3)
    display.close()
    assert capsys.readouterr().err == ""


def test_wrong_tqdm_options_are_an_error_at_the_call(tqdm):
    with pytest.raises(Exception, match="no_such_option"):
        _progress.make({"no_such_option": 1}, 10)


def test_notebook_gets_tqdm_auto(monkeypatch):
    auto = types.ModuleType("tqdm.auto")
    auto.tqdm = object()
    monkeypatch.setitem(sys.modules, "tqdm", types.ModuleType("tqdm"))
    monkeypatch.setitem(sys.modules, "tqdm.auto", auto)
    shell = types.SimpleNamespace(config={"IPKernelApp": {}})
    ipython = types.SimpleNamespace(get_ipython=lambda: shell)
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    assert _progress._tqdm() is auto.tqdm
    shell.config = {}
    sys.modules["tqdm"].tqdm = object()
    assert _progress._tqdm() is sys.modules["tqdm"].tqdm


def test_true_shows_a_bar_on_standard_error_and_imports_no_ipython():
    program = (
        "import sys\n"
        "from manyhands import _progress\n"
        "d = _progress.make(True, 2)\n"
        "d.update(1); d.write('hello\\n', 'stdout'); d.update(2); d.close()\n"
        "print('IPython' in sys.modules)\n"
    )
    environment = {"PYTHONPATH": ":".join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True, text=True, env=environment, timeout=30, check=True,
    )  # fmt: skip
    assert done.stdout == "hello\nFalse\n"
    assert "2/2" in done.stderr


# Callables


def test_callable_is_told_every_count():
    told = []
    display = _progress.make(lambda done, total: told.append((done, total)), 3)
    display.update(1)
    display.update(3)
    display.close()
    assert told == [(1, 3), (3, 3)]


def test_failing_callable_is_switched_off_with_one_warning():
    told = []

    def fail(done, total):
        told.append(done)
        raise ZeroDivisionError("mine")

    display = _progress.make(fail, None)
    with pytest.warns(RuntimeWarning, match=r"switched off.*ZeroDivisionError\('mine'\)"):
        display.update(1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        display.update(2)
        display.close()
    assert told == [1]


def test_interrupt_in_a_callable_passes():
    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _progress.make(interrupt, None).update(1)


def test_closed_stream_is_no_error(plain):
    display, stream = plain(tty=True)
    stream.close()
    with pytest.warns(RuntimeWarning, match="switched off"):
        display.update(1)
    display.close()


@pytest.mark.parametrize("progress", [None, False])
def test_no_progress(progress):
    assert _progress.make(progress, 3) is None


@pytest.mark.parametrize("progress", [1, "yes", [], dict])
def test_anything_else_is_refused(progress):
    with pytest.raises(TypeError, match="progress must be True"):
        _progress.make(progress, 3)
