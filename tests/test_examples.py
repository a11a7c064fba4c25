"""The examples and the README's quick start do what they say.

Each example runs in a process of its own, as a reader would run it, with sizes that keep it
short; what it prints is checked against values computed here. Of the README the first block
marked `python` is run, and the block marked `text` that follows it must be exactly what it
prints.
"""

import ast
import importlib.util
import os
import re
import subprocess
import sys
import sysconfig
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"
QUICK_START = re.compile(r"^```python\n(.*?)^```$.*?^```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SECONDS = 50


def run(script, *arguments):
    """The output of a script, which must end well and within the time."""
    command = [sys.executable, str(script), *map(str, arguments)]
    child = subprocess.run(
        command, capture_output=True, text=True, timeout=SECONDS, check=False, cwd=script.parent
    )
    assert child.returncode == 0, child.stderr
    return child


def collatz_steps(start):
    steps = 0
    while start != 1:
        start = start // 2 if start % 2 == 0 else 3 * start + 1
        steps += 1
    return steps


def test_every_example_has_a_test():
    pools = {"squares", "progress", "initializer", "gil", "demo"}
    talking = {"producer_consumer", "conversation", "counter", "barrier", "shared_array"}
    data = {"photographs"}
    tested = {*pools, *talking, *data, "framework", "framework_process", "framework_pool"}
    assert {path.stem for path in EXAMPLES.glob("*.py")} == tested


@pytest.mark.parametrize("count", [0, 1, 7])
def test_squares(count):
    squares = [number**2 for number in range(count)]
    lines = run(EXAMPLES / "squares.py", count).stdout.splitlines()
    assert [line.split() for line in lines] == [
        ["map:", *map(str, squares)],
        ["imap:", *map(str, squares)],
        ["imap_unordered:", "sum", str(sum(squares))],
    ]


def test_progress():
    steps = [collatz_steps(start) for start in range(1, 501)]
    child = run(EXAMPLES / "progress.py", 500)
    assert child.stdout.splitlines() == [
        f"longest path: {max(steps)} steps",
        f"all paths: {sum(steps)} steps",
        "the last call said: 500 of 500",
    ]
    assert "500/500" in child.stderr


def test_initializer():
    expected = sum((number % 50) ** 3 for number in range(300))
    assert run(EXAMPLES / "initializer.py", 50, 300).stdout.splitlines() == [
        f"sum of answers: {expected}",
        "every worker used its own model: True",
        "the parent's model is still: None",
    ]


def test_gil():
    lines = run(EXAMPLES / "gil.py", 2_000).stdout.splitlines()
    ways = [line.partition(" primes")[0].rpartition(" ")[0].strip() for line in lines]
    assert [re.sub(r"\d+", "N", way) for way in ways] == [
        "serial",
        "N threads",
        "multiprocessing, N workers",
        "manyhands, N workers",
    ]
    # There are 303 primes below 2,000.
    assert all(re.search(r" 303 primes +\d+\.\d\d s +\d+\.\d\d times$", line) for line in lines)


def test_producer_consumer():
    assert run(EXAMPLES / "producer_consumer.py", 3).stdout.splitlines() == [
        "0 squared is 0",
        "1 squared is 1",
        "2 squared is 4",
        "exit code: 0",
    ]


def test_conversation():
    assert run(EXAMPLES / "conversation.py", "stop", "level").stdout.splitlines() == [
        "stop -> pots",
        "level -> level",
        "exit code: 0",
    ]


def test_counter():
    lines = run(EXAMPLES / "counter.py", 3, 1_000).stdout.splitlines()
    assert [line.partition(" in ")[0] for line in lines] == [
        "with a lock:  3000",
        "as an Atomic: 3000",
    ]


def test_barrier():
    assert run(EXAMPLES / "barrier.py", 2, 3).stdout.splitlines() == [
        "marks: 0 0 1 1 2 2",
        "every round was whole: True",
    ]


def test_shared_array():
    # The 303 primes below 2,000 end with 1999.
    assert run(EXAMPLES / "shared_array.py", 2_000, 3).stdout == "303 primes, the last one 1999\n"


@pytest.fixture
def framework(tmp_path, monkeypatch):
    """The examples beside a framework with PyTorch's names that only counts."""
    (tmp_path / "torch.py").write_text(
        "import contextlib, types\n"
        "inference_mode = no_grad = contextlib.nullcontext\n"
        "cuda = types.SimpleNamespace(is_available=lambda: False)\n"
        "def tensor(value, device=None): return value\n"
        "class Linear:\n"
        "    def __init__(self, inputs, outputs, bias): self.weight = self\n"
        "    def to(self, device): return self\n"
        "    def copy_(self, rows): self.row = rows[0]\n"
        "    def __call__(self, row):\n"
        "        total = sum(a * b for a, b in zip(row, self.row))\n"
        "        return types.SimpleNamespace(item=lambda: total)\n"
        "nn = types.SimpleNamespace(Linear=Linear)\n"
    )
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    monkeypatch.setenv("PYTHONPATH", path)


ANSWERS = ["answers: 3.0 5.0 7.0", "imported by the parent: none"]


@pytest.mark.usefixtures("framework")
def test_framework_process():
    lines = run(EXAMPLES / "framework_process.py", 3).stdout.splitlines()
    assert lines == ["served by torch on cpu", *ANSWERS, "exit code: -15"]


@pytest.mark.usefixtures("framework")
def test_framework_pool():
    lines = run(EXAMPLES / "framework_pool.py", 3).stdout.splitlines()
    assert lines == ["answered by torch on cpu", *ANSWERS]


@pytest.mark.parametrize("example", ["framework_process", "framework_pool"])
def test_without_a_framework_one_sentence_says_what_to_install(example, tmp_path):
    # Nothing that is installed beside the package is found, whatever this environment has.
    shell = (
        "import importlib.util, runpy, sys\n"
        f"sys.path.insert(0, {str(EXAMPLES)!r})\n"
        "importlib.util.find_spec = lambda name: None\n"
        f"runpy.run_path({str(EXAMPLES / example)!r} + '.py', run_name='__main__')\n"
    )
    child = subprocess.run(
        [sys.executable, "-c", shell],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        cwd=tmp_path,
    )
    assert child.returncode == 1
    (line,) = child.stderr.splitlines()
    assert "pip install jax" in line


REAL = [name for name in ("torch", "jax", "tensorflow") if importlib.util.find_spec(name)]


@pytest.mark.deep
@pytest.mark.skipif(not REAL, reason="needs torch, jax or tensorflow")
@pytest.mark.parametrize("example", ["framework_process", "framework_pool"])
def test_a_real_framework(example):
    lines = run(EXAMPLES / f"{example}.py", 3).stdout.splitlines()
    assert f"by {REAL[0]} on " in lines[0]
    assert lines[1:3] == ANSWERS


def first_library_files(count):
    root = Path(sysconfig.get_path("stdlib"))
    paths = (p for p in root.rglob("*.py") if "-packages" not in str(p.relative_to(root)))
    return sorted(map(str, paths))[:count]


def test_demo():
    files = first_library_files(12)
    expected = Counter()
    for path in files:
        expected.update(type(n).__name__ for n in ast.walk(ast.parse(Path(path).read_bytes())))
    child = run(EXAMPLES / "demo.py", len(files))
    title, frequent, _, header, *table = child.stdout.strip().splitlines()
    assert title == f"12 files, 0 of which do not parse; {expected.total():,} nodes"
    name, number = expected.most_common(1)[0]
    assert frequent.startswith(f"most frequent: {name} {number:,},")
    assert header.split() == ["way", "time", "speed-up"]
    assert table[0].split()[0] == "serial"
    assert table[0].endswith("1.00 x")
    assert any("threads" in line for line in table)
    assert table[-2].startswith("multiprocessing.Pool(")
    assert table[-1].startswith("manyhands.Pool(")
    assert "12/12" in child.stderr


def test_demo_counts_files_that_do_not_parse(tmp_path):
    library = tmp_path / "library"
    (library / "site-packages").mkdir(parents=True)
    (library / "good.py").write_text("x = 1\n")
    (library / "warns.py").write_text(r"x = '\d'" + "\n")
    (library / "bad.py").write_text("print 'two'\n")
    (library / "nul.py").write_bytes(b"x = '\0'\n")
    (library / "latin.py").write_bytes(b"x = '\xe9'\n")
    (library / "site-packages" / "foreign.py").write_text("y = 2\n")
    script = tmp_path / "demo.py"
    source = (EXAMPLES / "demo.py").read_text()
    assert 'sysconfig.get_path("stdlib")' in source
    script.write_text(source.replace('sysconfig.get_path("stdlib")', repr(str(library))))
    child = run(script)
    # x = 1: Module, Assign, Name, Store, Constant.
    assert child.stdout.splitlines()[1] == "5 files, 3 of which do not parse; 10 nodes"
    assert "Warning" not in child.stderr


def test_readme_quick_start(tmp_path):
    match = QUICK_START.search((ROOT / "README.md").read_text())
    assert match, "README.md needs a ```python block followed by a ```text block of its output"
    program, expected = match.groups()
    script = tmp_path / "quick_start.py"
    script.write_text(program)
    assert run(script).stdout == expected


def test_readme_quick_start_is_ten_lines():
    match = QUICK_START.search((ROOT / "README.md").read_text())
    assert match
    assert len([line for line in match[1].splitlines() if line.strip()]) <= 10


def test_demo_needs_no_numpy(tmp_path, monkeypatch):
    (tmp_path / "numpy.py").write_text("raise ImportError('numpy was asked for')\n")
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    monkeypatch.setenv("PYTHONPATH", path)
    assert "4 files" in run(EXAMPLES / "demo.py", 4).stdout


def test_photographs(tmp_path):
    sheet = tmp_path / "sheet.png"
    lines = run(EXAMPLES / "photographs.py", 5, 2, sheet).stdout.splitlines()
    assert lines[0] == "5 photographs, the same as in one process: True"
    with Image.open(sheet) as image:
        assert image.size == (640, 240)
        # Each photograph has green hills, and there is none on the last three places.
        for number in range(8):
            row, column = divmod(number, 4)
            red, green, blue = image.getpixel((column * 160 + 80, row * 120 + 85))
            assert (green > max(red, blue)) == (number < 5)
