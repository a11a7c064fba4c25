"""The start methods, each test under all of them, and the servers that stay between the tests."""

from __future__ import annotations

import process_tasks
import pytest
import support

import manyhands


@pytest.fixture(params=["template", "fork", "spawn", "forkserver"])
def method(request):
    return request.param


@pytest.fixture
def context(method):
    return manyhands.get_context(method)


@pytest.fixture
def told(tmp_path):
    """The file in which processes tell the test what they found."""
    return str(tmp_path / "told")


def run_one(method, **options):
    process = manyhands.get_context(method).Process(
        target=process_tasks.leave, args=(0,), **options
    )
    process.start()
    process.join()


def templates():
    from manyhands import _templates

    return _templates._main, _templates._plain


@pytest.fixture(scope="session", autouse=True)
def servers_up(warmed_up):
    """Fork server and resource tracker are there before the first test looks."""
    for method in ("spawn", "forkserver"):
        run_one(method)


@pytest.fixture(autouse=True)
def nothing_left(servers_up):
    """After each test: no process and no open file that was not there before.

    The templates stay, but those of a test that has changed the environment end with it.
    """
    run_one("template")
    run_one("template", env={"A": "b"})
    before = templates()
    inventory = support.Inventory()
    yield
    if templates() != before:
        from manyhands import _templates

        _templates._forget()
    del before
    inventory.check()
