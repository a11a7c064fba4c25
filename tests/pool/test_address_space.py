"""Pools in little address space (RLIMIT_AS), and what is said where it is too little."""

from __future__ import annotations

import pytest
from support import run_script

SMALL = """
import resource
import manyhands as mp

if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (800 << 20, 800 << 20))
    for workers in (1, 4, 16):
        with mp.Pool(workers, context={method!r}) as pool:
            assert pool.map(abs, range(-20, 0)) == list(range(20, 0, -1))
            assert pool.map(len, [b"x" * 1_000_000] * 4) == [1_000_000] * 4
            if workers == 4:
                pool.grow(8)
                assert sum(pool.imap(abs, range(100))) == 4950
    print("done")
"""

NONE = """
import resource
import manyhands as mp

if __name__ == "__main__":
    mp.Pool(1).terminate()
    with open("/proc/self/statm") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (96 << 20), used + (96 << 20)))
    try:
        mp.Pool(100)
    except MemoryError as error:
        assert "RLIMIT_AS" in str(error) and "fewer workers" in str(error), error
        print("done")
"""


@pytest.mark.parametrize("method", ["template", "fork"])
def test_pools_in_little_address_space(tmp_path, method):
    result = run_script(tmp_path, SMALL.format(method=method))
    assert result.code == 0, result.err
    assert result.out == "done\n"


def test_the_limit_is_named_where_nothing_is_left(tmp_path):
    result = run_script(tmp_path, NONE)
    assert result.code == 0, result.err
    assert result.out == "done\n"
