"""Workers import what the parent imports, wherever it is, and wherever it goes."""

from __future__ import annotations

import pytest
from support import run_python, run_script

FOLDERS = """
import os
import sys
import manyhands as mp

root = os.getcwd()
for name in ("a", "b"):
    os.mkdir(name)
    with open(f"{name}/where.py", "w") as file:
        print(f"here = {name!r}\\ndef tell(_=None): return here", file=file)
    with open(f"{name}/only_{name}.py", "w") as file:
        print("here = 5", file=file)

def report(_=None):
    return where.here

def put(queue):
    queue.put(where.here)

def of_a_process():
    queue = mp.Queue()
    process = mp.Process(target=put, args=(queue,))
    process.start()
    process.join()
    assert process.exitcode == 0
    return queue.get(timeout=30)
"""

CASES = {
    "relative, used after chdir": """
sys.path.insert(0, "a")
import where
os.chdir("/")
with mp.Pool(1) as pool:
    print(pool.map(where.tell, [1]), pool.map(report, [1]), of_a_process())
""",
    "relative, made before chdir": """
sys.path.insert(0, "a")
pool = mp.Pool(1)
import where
os.chdir("/")
print(pool.map(where.tell, [1]), pool.map(report, [1]), of_a_process())
""",
    "relative, never used": """
sys.path[:0] = ["a", "nowhere"]
os.chdir("b")
sys.path[:0] = ["../a"]
import where
os.chdir("/")
with mp.Pool(1) as pool:
    print(pool.map(where.tell, [1]), pool.map(report, [1]), of_a_process())
""",
    "an entry of later, in front": """
sys.path.insert(0, root + "/b")
pool = mp.Pool(1)
mp.Process(target=abs, args=(1,)).start()
sys.path.insert(0, root + "/a")
import where
print(pool.map(where.tell, [1]), pool.map(report, [1]), of_a_process())
""",
    "the working directory of later": """
sys.path.insert(0, "")
os.chdir("b")
pool = mp.Pool(1)
import only_b
def mention():
    return only_b
process = mp.Process(target=mention)
process.start()
process.join()
os.chdir("../a")
import where
print(pool.map(where.tell, [1]), pool.map(report, [1]), of_a_process())
""",
}


@pytest.mark.parametrize("case", CASES)
def test_the_same_module_is_imported(tmp_path, case):
    outcome = run_script(tmp_path, FOLDERS + CASES[case])
    assert outcome.lines == ["['a'] ['a'] a"], outcome.err


def test_a_later_entry_at_the_end_leaves_early_imports(tmp_path):
    (tmp_path / "noisy.py").write_text(
        "import os\nwith open('imported', 'a') as log:\n    print(os.getpid(), file=log)\n"
    )
    program = """
    import sys
    import manyhands as mp

    pool = mp.Pool(2)
    sys.path.append("/nowhere")
    import noisy

    def work(_):
        return noisy.__name__

    pool.map(work, range(8), chunksize=1)
    pool.close()
    pool.join()
    with open("imported") as log:
        print(len(log.readlines()))
    """
    outcome = run_script(tmp_path, program)
    assert outcome.lines == ["2"], outcome.err  # here and in the template


DELETED = """
import os
import manyhands as mp

def double(x):
    return 2 * x

def put(queue):
    queue.put(5)

folder = os.getcwd()
pool = mp.Pool(1)
if {late}:
    print(pool.map(double, [1]))
os.rmdir(folder)
if not {late}:
    print(pool.map(double, [1]))
pool.grow(1)
print(pool.map(double, range(4), chunksize=1))
with mp.Pool(2) as other, mp.Pool(1, context="fork") as forked:
    print(other.map(double, [1, 2]), forked.map(double, [3]))
queue = mp.Queue()
process = mp.Process(target=put, args=(queue,))
process.start()
print(queue.get(timeout=30))
process.join()
"""


def imports_sockets(folder):
    """Whether this Python can import `socket` in a folder that is gone: 3.13.0 cannot."""
    source = "import os; os.rmdir(os.getcwd()); import socket; print(1)"
    folder.mkdir()
    return run_python(["-c", source], cwd=folder).lines == ["1"]


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("how", ["-c", "-"])
def test_a_working_directory_that_is_deleted(tmp_path, how, late):
    if not imports_sockets(folder := tmp_path / "folder"):
        pytest.skip("this Python cannot import its own modules there")
    folder.mkdir()
    source = DELETED.format(late=late)
    arguments, stdin = (["-c", source], None) if how == "-c" else (["-"], source)
    outcome = run_python(arguments, cwd=folder, stdin=stdin)
    assert outcome.lines == ["[2]", "[0, 2, 4, 6]", "[2, 4] [6]", "5"], outcome.err


LONG = """
import os
import sys
import manyhands as mp

sys.path[:0] = ["/nowhere/" + "x" * 90 + str(number) for number in range(30_000)]
if {exist}:
    for number in range(600):
        os.makedirs("/".join(["z" * 250] * 14) + str(number), exist_ok=True)
    sys.path += [os.path.abspath("/".join(["z" * 250] * 14) + str(number)) for number in range(600)]
with open("own.py", "w") as file:
    file.write("def tell(_): return 7\\n")
sys.path.append(os.getcwd())
import own

for make in (lambda: mp.Pool(1).map(own.tell, [1]), lambda: mp.Process(target=own.tell).start()):
    try:
        print(make())
    except OSError as error:
        print("sys.path has" in str(error), "fork" in str(error))
with mp.Pool(1, context="fork") as pool:
    print(pool.map(own.tell, [1]))
"""


@pytest.mark.parametrize("exist", [False, True])
def test_more_entries_than_a_program_can_be_told(tmp_path, exist):
    """Those that lead nowhere are not told to a template; more than it takes is an error."""
    outcome = run_script(tmp_path, LONG.format(exist=exist))
    expected = ["True True"] * 2 if exist else ["[7]", "None"]
    assert outcome.lines == [*expected, "[7]"], outcome.err
