"""docs/benchmarks.md, written by `run.py --markdown`: the figures, their conditions, what each
row means.

The conditions name cores, versions and the load, never a machine or a path. What a row means is
the module text of its bench, so that the document cannot drift from what is measured.
"""

import importlib.metadata
import inspect
import os
import platform
import re
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import catalogue
import report
from harness import WORKERS, Row

LIBRARIES = ("loky", "joblib", "mpire", "pebble")

TEMPLATE = """\
# Benchmarks

<!-- Written by `benches/run.py --markdown`: what is changed here by hand is lost. -->

manyhands beside the other pools of processes for Python, each with its defaults, {workers} workers,
on one machine in one run. To repeat it:

    make bench                                   # every row, or in the environment that it makes:
    python benches/run.py --only imap --only map # some of them
    python benches/imap.py --quick               # one file, just to see that it runs
    python benches/run.py --json figures.json    # every single sample

Each figure is the median of {rounds}. Each sample is taken in a fresh interpreter, and the rivals
take turns. "manyhands" starts its workers from a template process, its default; "mp" is
`multiprocessing`, "futures" is `concurrent.futures`. {columns}

{conditions}

{tables}

## What the rows mean

{meanings}
"""


def write(path: Path, rows: Sequence[Row], rounds: int, load: float) -> None:
    """Write the whole document."""
    columns = (report.__doc__ or "").split('The column "to best"')[1]
    text = TEMPLATE.format(
        workers=WORKERS,
        rounds="one sample" if rounds == 1 else f"{rounds} samples",
        columns=f'The column "to best"{columns}'.strip(),
        conditions="\n".join(f"- {line}" for line in conditions(load)),
        tables=report.markdown_tables(rows),
        meanings="\n\n".join(_meaning(module) for module in catalogue.MODULES),
    )
    path.write_text(text, encoding="utf-8")


def _meaning(module: ModuleType) -> str:
    names = ", ".join(f"`{subject.name}`" for subject in module.SUBJECTS)
    return f"### {names}\n\n{inspect.getdoc(module)}"


def conditions(load: float) -> list[str]:
    """Where and with what the figures were taken."""
    kernel = re.match(r"[\d.]*\d", platform.release())
    return [
        f"{len(os.sched_getaffinity(0))} cores, {platform.machine()}, {_processor()}",
        f"Linux {kernel[0] if kernel else 'of unknown version'}",
        f"{platform.python_implementation()} {platform.python_version()}",
        ", ".join(f"{name} {_version(name)}" for name in ("manyhands", *LIBRARIES)),
        f"load average when the run began: {load:.2f}",
    ]


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return "processor unknown"


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
