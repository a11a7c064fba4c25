"""The benches run and tell the truth: what is measured is theirs to know, here only that it
works.

The arithmetic (rates, bisection, goals) is checked on made-up figures; the runs are the quick
ones, of a single row. No figure is judged: a test machine is never quiet.
"""

import dataclasses
import importlib
import itertools
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BENCHES = ROOT / "benches"


@pytest.fixture
def bench(monkeypatch):
    """Imports a module of benches/, and forgets them all at the end."""
    monkeypatch.syspath_prepend(str(BENCHES))
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if Path(getattr(sys.modules[name], "__file__", None) or "/").parent == BENCHES:
            del sys.modules[name]


def run(*arguments):
    command = [sys.executable, str(BENCHES / "run.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)


def row(bench, samples, failures=None, **options):
    harness = bench("harness")
    subject = harness.Subject(
        name="row", title="the `row`", unit="µs", measure=lambda *_: 0.0, **options
    )
    return harness.Row(subject, samples, failures or {})


def test_every_file_with_subjects_is_in_the_catalogue(bench):
    listed = {Path(module.__file__).stem for module in bench("catalogue").MODULES}
    files = {path.stem for path in BENCHES.glob("*.py") if "\nSUBJECTS = (" in path.read_text()}
    assert files == listed


def test_names_of_subjects_are_unique_and_their_rivals_exist(bench):
    subjects = bench("catalogue").SUBJECTS
    assert len({subject.name for subject in subjects}) == len(subjects)
    known = set(bench("rivals").BY_NAME)
    for subject in subjects:
        assert set(subject.goals) <= set(subject.rivals) <= known


def test_run_prints_a_table_and_keeps_every_sample(tmp_path):
    figures = tmp_path / "figures.json"
    child = run("--quick", "--repeat", 2, "--only", "map", "--json", figures)
    assert child.returncode == 0, child.stderr
    assert "map, defaults, trivial task" in child.stdout
    (only,) = json.loads(figures.read_text())["rows"]
    for rival in ("multiprocessing", "futures", "manyhands", "manyhands-fork"):
        assert len(only["samples"][rival]) == 2
        assert rival not in only["failures"]


def test_an_unknown_name_is_refused_and_the_known_are_listed():
    child = run("--only", "nonsense")
    assert child.returncode == 2
    assert "no bench is named nonsense" in child.stderr
    assert "roundtrip" in child.stderr


@pytest.mark.parametrize("option", [("--only", "map"), ("--quick",)])
def test_a_report_that_cannot_be_quoted_is_refused(tmp_path, option):
    child = run(*option, "--markdown", tmp_path / "report.md")
    assert child.returncode == 2
    assert "cannot go with --only or --quick" in child.stderr
    assert not (tmp_path / "report.md").exists()


def test_the_document_holds_figures_conditions_and_meanings(bench, tmp_path):
    target = tmp_path / "report.md"
    rows = [row(bench, {"multiprocessing": [175.0], "manyhands": [5.0]}, goals={"manyhands": 8})]
    bench("document").write(target, rows, 5, 0.25)
    text = target.read_text()
    assert "| the `row` | µs | 175 |" in text
    assert "≤ 8 met" in text
    assert "median of 5 samples" in text
    assert "load average when the run began: 0.25" in text
    for module in bench("catalogue").MODULES:
        assert module.__doc__.strip().splitlines()[-1] in text


def test_a_sample_that_takes_too_long_is_killed_and_reported(bench):
    harness, rivals = bench("harness"), bench("rivals")
    (subject,) = bench("roundtrip").SUBJECTS
    hasty = dataclasses.replace(subject, limit_seconds=0.01)
    with pytest.raises(harness.SampleFailed, match="killed after"):
        harness.take_sample(hasty, rivals.BY_NAME["multiprocessing"], harness.Scale(quick=True))


def test_a_rival_without_the_call_is_a_dash_with_a_note(bench):
    harness = bench("harness")
    (subject,) = bench("roundtrip").SUBJECTS
    narrow = dataclasses.replace(subject, rivals=("joblib",), goals={})
    if not bench("rivals").BY_NAME["joblib"].installed:
        expected, cell = "not installed", "absent"
    else:
        expected, cell = "has no such call", "-"
    (result,) = harness.measure([narrow], harness.Scale(quick=True), 1)
    assert result.failures == {"joblib": expected}
    assert bench("report").make_table([result]).sections[0][1][0][2] == cell


def test_killing_a_tree_ends_the_grandchildren_too(bench):
    processes = bench("processes")
    program = (
        "import subprocess, sys\n"
        "child = subprocess.Popen(['sleep', '600'])\n"
        "print(child.pid, flush=True)\n"
        "child.wait()\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as root:
        grandchild = int(root.stdout.readline())
        assert grandchild in processes.tree(root.pid)
        processes.kill_tree(root.pid)
        assert root.wait(10) == -9
    deadline = time.monotonic() + 10
    while Path(f"/proc/{grandchild}/exe").exists():
        assert time.monotonic() < deadline, "the grandchild is still alive"
        time.sleep(0.01)


def test_processor_time_and_memory_of_a_tree_are_seen(bench):
    processes = bench("processes")
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as child:
        try:
            before = processes.processor_seconds([child.pid])
            deadline = time.monotonic() + 20
            while processes.processor_seconds([child.pid]) - before < 0.05:
                assert time.monotonic() < deadline, "a busy process seems to use no time"
                time.sleep(0.01)
            assert processes.memory_bytes([child.pid]) > 2**20
            assert processes.processor_seconds([child.pid], without_thread=child.pid) == 0
        finally:
            child.kill()


@pytest.mark.parametrize("threshold", [0, 1, 2, 17, 1_000, 900_000])
def test_bisection_finds_the_threshold_within_ten_percent(bench, threshold):
    found = bench("metg").bisect(lambda turns: turns >= threshold)
    assert threshold <= found <= max(threshold + 1, threshold * 1.1)


def test_bisection_says_when_nothing_reaches_the_efficiency(bench):
    with pytest.raises(bench("rivals").Unsupported, match="stays below 50%"):
        bench("metg").bisect(lambda _: False)


def test_a_rate_grows_its_sample_until_it_lasts(bench, monkeypatch):
    timing = bench("timing")
    clock = itertools.count()
    asked = []
    # Each reading of the clock is 1 s after the last, so that every call seems to take 1 s.
    monkeypatch.setattr(timing.time, "perf_counter", lambda: next(clock))
    assert timing.rate(asked.append, seconds=1, first=10) == 10
    assert asked == [10]


def test_the_lognormal_tasks_rise_and_sum_up(bench):
    durations = bench("balance").durations(4.0)
    assert durations == sorted(durations)
    assert len(durations) == 400
    assert sum(durations) == pytest.approx(4.0)


@pytest.mark.parametrize(
    ("figure", "text"),
    [(0, "0"), (0.321, "0.321"), (17.26, "17.3"), (175, "175"), (8_765, "8765"),
     (65_000, "65 k"), (4_123_456, "4.12 M")],
)  # fmt: skip
def test_numbers_are_shown_with_three_digits(bench, figure, text):
    assert bench("report").show_number(figure) == text


@pytest.mark.parametrize(
    ("more", "figure", "goal", "to_best"),
    [(False, 5.0, "≤ 8 met", "20"), (False, 9.0, "≤ 8 missed", "11.1"),
     (True, 200.0, "≥ 8 met", "2"), (True, 5.0, "≥ 8 missed", "0.05")],
)  # fmt: skip
def test_goal_and_ratio_follow_the_direction(bench, more, figure, goal, to_best):
    result = row(
        bench,
        {"multiprocessing": [100.0, 100.0, 7.0], "manyhands": [figure]},
        goals={"manyhands": 8},
        more_is_better=more,
    )
    line = bench("report").make_table([result]).sections[0][1][0]
    assert line[-2:] == [to_best, goal]


@pytest.mark.parametrize(
    ("figure", "today", "goal"),
    [(5.0, 200.0, "≤ 8 met"),
     (9.0, 200.0, "≤ 8 missed; beside mp, 100 then: ≤ 16 met"),
     (9.0, 50.0, "≤ 8 missed; beside mp, 100 then: ≤ 4 missed")],
)  # fmt: skip
def test_a_goal_that_was_missed_is_told_in_the_measure_of_the_run(bench, figure, today, goal):
    samples = {"multiprocessing": [today], "manyhands": [figure]}
    result = row(bench, samples, goals={"manyhands": 8}, then=100)
    assert bench("report").make_table([result]).sections[0][1][0][-1] == goal


def test_failures_are_words_in_the_cell_and_reasons_beneath(bench):
    result = row(
        bench,
        {"futures": [3.0]},
        {
            "loky": "killed after 60 s",
            "mpire": "failed with status 1: x",
            "pebble": "not installed",
        },
    )
    table = bench("report").make_table([result])
    cells = dict(zip(table.header, table.sections[0][1][0], strict=True))
    assert (cells["loky"], cells["mpire"], cells["pebble"]) == ("timeout", "failed", "absent")
    assert cells["futures"] == "3"
    assert table.notes == [
        "row, loky: killed after 60 s",
        "row, mpire: failed with status 1: x",
        "pebble: not installed",
    ]
