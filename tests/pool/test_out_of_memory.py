"""A worker that the kernel's OOM killer has ended says so, and the pool goes on.

The kernel is made to do it, in a control group with a limit of memory. Where none can be made these
tests do not exist: then nothing can be said by trying. Trees of fake files are read in
`crates/manyhands-os/src/oom.rs`, everywhere.
"""

from __future__ import annotations

import memory_group
import pytest
from support import run_script

LIMIT = 400 << 20  # bytes, for the program, its template and its workers

EATEN = """
import os
import sys
import manyhands as mp

with open({entrance!r}, "w") as file:
    file.write(str(os.getpid()))

def eat(x):
    if x == 3:
        kept = []
        while True:
            kept.append(b"x" * (1 << 20))
    return x

with mp.Pool(2, context={method!r}) as pool:
    pool.map(abs, range(4))
    got = pool.map(eat, range(8), 1, errors="return")
    error = got.pop(3)
    assert got == [0, 1, 2, 4, 5, 6, 7], got
    assert isinstance(error, mp.WorkerDied), error
    print(error.index, error.signal, error.out_of_memory, error.peak_memory > 100 << 20)
    print(error)
    # A death that nobody has ordered, and that was not for memory.
    error = pool.apply_async(os._exit, (3,)).exception()
    print(error.out_of_memory)
    assert pool.map(abs, range(-50, 0)) == list(range(50, 0, -1))
"""

if memory_group.possible():

    @pytest.mark.parametrize("method", ["template", "fork"])
    def test_the_oom_killer_is_named(tmp_path, method):
        with memory_group.limited(LIMIT) as entrance:
            source = EATEN.format(entrance=str(entrance), method=method)
            outcome = run_script(tmp_path, source)
        assert outcome.code == 0, outcome.err
        facts, text, other = outcome.lines
        assert facts == "3 9 True True"
        assert "The kernel was short of memory and chose it" in text
        assert other == "False"
