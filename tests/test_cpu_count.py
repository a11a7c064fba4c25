"""`cpu_count()`: not more than the process may use, nor than the user allows."""

from __future__ import annotations

import os

import pytest
from support import run_python

import manyhands

COUNT = "import manyhands; print(manyhands.cpu_count())"


def count(**environment):
    outcome = run_python(["-c", COUNT], env=environment)
    assert outcome.code == 0, outcome.err
    return int(outcome.out)


def test_it_is_at_most_the_affinity():
    assert 1 <= manyhands.cpu_count() <= len(os.sched_getaffinity(0))


def test_it_follows_the_affinity():
    core = min(os.sched_getaffinity(0))
    source = f"import os\nos.sched_setaffinity(0, {{{core}}})\n{COUNT}"
    assert run_python(["-c", source]).out == "1\n"


def test_the_variable_lowers_it():
    assert count(MANYHANDS_MAX_CPUS="1") == 1


@pytest.mark.parametrize("value", ["100000", ""])
def test_the_variable_does_not_raise_it(value):
    assert count(MANYHANDS_MAX_CPUS=value) == manyhands.cpu_count()


def test_the_variable_is_read_at_each_call(monkeypatch):
    monkeypatch.setenv("MANYHANDS_MAX_CPUS", "1")
    assert manyhands.cpu_count() == 1


@pytest.mark.parametrize("value", ["0", "-3", "many", "1.5"])
def test_a_senseless_value_is_a_clear_error(value):
    outcome = run_python(["-c", COUNT], env={"MANYHANDS_MAX_CPUS": value})
    assert outcome.code == 1
    last = outcome.err.splitlines()[-1]
    assert last.startswith("ValueError")
    assert "MANYHANDS_MAX_CPUS" in last
    assert value in last


@pytest.mark.parametrize(("limit", "expected"), [("1", "1"), ("", None)])
def test_a_pool_has_so_many_workers(tmp_path, limit, expected):
    source = (
        "import manyhands as mp, os, tasks\n"
        "n = mp.cpu_count()\n"
        "with mp.Pool() as pool:\n"
        f"    places = pool.starmap(tasks.meet, [({str(tmp_path)!r}, i, n) for i in range(n)], 1)\n"
        "    assert len(set(places)) == n\n"
        "    print(n)\n"
    )
    outcome = run_python(["-c", source], env={"MANYHANDS_MAX_CPUS": limit})
    assert outcome.out.strip() == (expected or str(manyhands.cpu_count())), outcome.err
