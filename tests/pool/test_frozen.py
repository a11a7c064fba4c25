"""Frozen programs: their executable is the program, so nothing may start it as an interpreter."""

from __future__ import annotations

from support import run_script


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
