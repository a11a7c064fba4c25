"""Frozen programs: their executable is the program, so nothing may start it as an interpreter."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest
from support import LIMIT, run_script


def test_a_frozen_program_does_not_start_itself(tmp_path):
    program = """
    import sys
    sys.frozen = True
    import manyhands as mp

    for make in (lambda: mp.Pool(1), mp.Process(target=abs, args=(1,)).start):
        try:
            make()
        except RuntimeError as error:
            print("frozen" in str(error) and "fork" in str(error))
    with mp.Pool(1, context="fork") as pool:
        print(pool.map(abs, [-1]))
    """
    outcome = run_script(tmp_path, program)
    assert outcome.lines == ["True", "True", "[1]"], outcome.err


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
@pytest.mark.parametrize("pool", [False, True])
def test_a_frozen_program_that_lets_its_children_be(tmp_path, method, pool):
    program = tmp_path / "program"
    begun = tmp_path / "begun"
    text = f"""
    import sys
    sys.frozen, sys.executable = True, __file__
    import manyhands as mp

    def show(x):
        print(x * x, flush=True)
        return x

    if __name__ == "__main__":
        mp.freeze_support()
        mp.set_start_method({method!r})
        with open({str(begun)!r}, "a") as file:
            file.write("begun ")
        if {pool}:
            with mp.Pool(1) as workers:
                print(workers.map(show, [2]))
        else:
            child = mp.Process(target=show, args=(2,))
            child.start()
            child.join()
            print(child.exitcode)
    """
    program.write_text(f"#!{sys.executable}\n" + textwrap.dedent(text))
    program.chmod(0o755)
    outcome = subprocess.run([program], capture_output=True, text=True, timeout=LIMIT, check=False)
    assert outcome.stdout.split() == ["4", "[2]" if pool else "0"], outcome.stderr
    assert begun.read_text() == "begun ", "the program was started again as itself"
