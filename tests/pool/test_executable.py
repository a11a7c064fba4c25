"""The interpreter that processes are started with: none at all, another one, none of that name."""

from __future__ import annotations

import sys

import pytest
from support import run_script

METHODS = ["template", "spawn", "forkserver"]

NONE = """
import sys
import manyhands as mp

sys.executable = {value}
if __name__ == "__main__":
    for make in (lambda: mp.Pool(1, context={method!r}),
                 lambda: mp.get_context({method!r}).Process(target=print).start()):
        try:
            make()
        except RuntimeError as error:
            print("sys.executable is" in str(error), "set_executable" in str(error))
    with mp.Pool(1, context="fork") as pool:
        print(pool.map(abs, [-1]))
    mp.set_executable({real!r})
    sys.executable = {real!r}
    with mp.Pool(1, context={method!r}) as pool:
        print(pool.map(abs, [-1]))
"""


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("value", ["None", "''"])
def test_without_an_interpreter_the_error_says_what_to_do(tmp_path, method, value):
    outcome = run_script(tmp_path, NONE.format(value=value, method=method, real=sys.executable))
    assert outcome.lines == ["True True", "True True", "[1]", "[1]"], outcome.err


MISSING = """
import sys
import manyhands as mp

def main():
    for make in (lambda: mp.Pool(1, context={method!r}),
                 lambda: mp.get_context({method!r}).Process(target=print).start()):
        try:
            make()
        except OSError as error:
            print(type(error).__name__, error.filename, "set_executable" in str(error))

if __name__ == "__main__":
    {choose}
    main()
"""


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("choose", ["sys.executable = {!r}", "mp.set_executable({!r})"])
@pytest.mark.parametrize("what", ["nothing", "file", "folder", "below a file"])
def test_an_interpreter_that_cannot_be_run_is_named(tmp_path, method, choose, what):
    path, kind = tmp_path / "python", "PermissionError"
    if what == "nothing":
        kind = "FileNotFoundError"
    elif what == "folder":
        path.mkdir()
    else:
        path.write_text("no program")
        if what == "below a file":
            path, kind = path / "python", "NotADirectoryError"
    source = MISSING.format(choose=choose.format(str(path)), method=method)
    outcome = run_script(tmp_path, source)
    assert outcome.lines == [f"{kind} {path} True"] * 2, outcome.err


SERVER = """
import sys
import manyhands as mp

if __name__ == "__main__":
    sys.path += [f"/nowhere/{number:06}/{'x' * 60}" for number in range(30_000)]
    for make in (lambda: mp.Pool(1, context="forkserver"),
                 lambda: mp.get_context("forkserver").Process(target=print).start()):
        try:
            make()
        except OSError as error:
            print("the fork server ended" in str(error), "sys.path" in str(error))
"""


def test_a_fork_server_that_cannot_be_started_is_named(tmp_path):
    outcome = run_script(tmp_path, SERVER)
    assert outcome.lines == ["True True"] * 2, outcome.err


CHOSEN = """
import os
import sys
import manyhands as mp

WRAPPER = '#!/bin/sh\\necho begun >> "{{}}/log"\\nexec "{{}}" "$@"\\n'

if __name__ == "__main__":
    with open("python", "w") as file:
        file.write(WRAPPER.format(os.getcwd(), sys.executable))
    os.chmod("python", 0o755)
    mp.set_executable(os.path.abspath("python"))
    if {pool}:
        with mp.Pool(1, context={method!r}) as pool:
            assert pool.map(abs, [-1]) == [1]
    else:
        process = mp.get_context({method!r}).Process(target=abs, args=(1,))
        process.start()
        process.join()
        assert process.exitcode == 0
    print(os.path.exists("log"))
"""


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("pool", [True, False])
def test_the_interpreter_that_was_chosen_is_taken(tmp_path, method, pool):
    outcome = run_script(tmp_path, CHOSEN.format(method=method, pool=pool))
    assert outcome.lines == ["True"], outcome.err
