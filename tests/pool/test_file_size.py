"""Short files (RLIMIT_FSIZE): shared memory is one, and is made to fit, or the limit is named."""

from __future__ import annotations

import pytest
from support import run_script

SHORT = """
import resource
import manyhands as mp

if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_FSIZE, ({mib} << 20, {mib} << 20))
    with mp.Pool(2, context={method!r}) as pool:
        assert pool.map(abs, range(-20, 0)) == list(range(20, 0, -1))
        assert pool.map(len, [b"x" * 1_000_000] * 4) == [1_000_000] * 4
        pool.grow(4)
        assert sum(pool.imap(abs, range(100))) == 4950
    queue = mp.Queue()
    process = mp.get_context({method!r}).Process(target=queue.put, args=(b"x" * 1_000_000,))
    process.start()
    assert len(queue.get()) == 1_000_000
    process.join()
    try:
        queue.put(bytearray(min({mib}, 11) << 20))
    except MemoryError as error:
        assert {mib} == 10 and "RLIMIT_FSIZE" in str(error), error
    else:
        assert {mib} > 10
    print("done")
"""

NONE = """
import errno
import os
import resource
import manyhands as mp

def refused(make):
    try:
        make()
    except OSError as error:
        return error.errno == errno.EFBIG and "RLIMIT_FSIZE" in str(error)

if __name__ == "__main__":
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    for make in (mp.Lock, mp.Queue, mp.Pipe, lambda: mp.Pool(1), lambda: mp.Array("i", 5)):
        assert refused(make), make
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    with mp.Pool(1) as pool:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
        # What is there works on; another pool cannot be.
        assert pool.map(len, [b"x" * 3_000_000] * 4) == [3_000_000] * 4
        queue = mp.Queue()
        queue.put(b"x" * 3_000_000)
        assert len(queue.get()) == 3_000_000
        assert refused(lambda: mp.Pool(1))
        assert refused(lambda: pool.grow(1))
        assert pool.apply(abs, (-1,)) == 1
    print("done")
"""


@pytest.mark.parametrize("method", ["template", "fork"])
@pytest.mark.parametrize("mib", [10, 1000])
def test_pools_and_queues_in_short_files(tmp_path, method, mib):
    result = run_script(tmp_path, SHORT.format(method=method, mib=mib))
    assert result.code == 0, result.err
    assert result.out == "done\n"


def test_the_limit_is_named_where_files_are_too_short(tmp_path):
    result = run_script(tmp_path, NONE)
    assert result.code == 0, result.err
    assert result.out == "done\n"
