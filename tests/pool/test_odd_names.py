"""File names, variables and entries of `sys.path` that are no text in UTF-8, or no text at all."""

from __future__ import annotations

import os

import pytest
from support import run_python

SOURCE = """
import os
import sys
import manyhands as mp

sys.path += [b"bytes", None, 5]

def look(x):
    import beside
    return os.environb.get(b"ODD"), beside.value + x

def tell(queue):
    queue.put(look(2))

with mp.Pool(1) as pool:
    print(ascii(pool.map(look, [1])), ascii(pool.map(look, [1], chunksize=1)))
queue = mp.Queue()
process = mp.Process(target=tell, args=(queue,))
process.start()
print(ascii(queue.get(timeout=30)))
process.join()
print(mp.Pool(1).apply(sys.getfilesystemencoding) == sys.getfilesystemencoding())
"""


@pytest.mark.parametrize("utf8", ["1", "0"])
def test_bytes_that_are_no_utf8(tmp_path, utf8):
    folder = tmp_path / os.fsdecode(b"latin1-\xe9-\xff")
    folder.mkdir()
    (folder / "script.py").write_text(SOURCE)
    (folder / "beside.py").write_text("value = 7\n")
    env = os.environ | {"ODD": os.fsdecode(b"caf\xe9\xff")}
    env |= {"PYTHONUTF8": utf8, "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}
    outcome = run_python([str(folder / "script.py")], cwd=tmp_path, env=env)
    assert outcome.code == 0, outcome.err
    assert outcome.lines == [
        r"[(b'caf\xe9\xff', 8)] [(b'caf\xe9\xff', 8)]",
        r"(b'caf\xe9\xff', 9)",
        "True",
    ]
