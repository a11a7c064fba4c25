"""What a bench is, and how its figures come about.

A `Subject` is one row of the table: a function that takes a rival and gives one figure. Each figure
is taken in a fresh interpreter (`sample.py`), so that no rival inherits
another's threads, memory or warmed caches. The rivals take turns: round after round, each round in
another order, so that a slow minute of the machine falls on all of them. What is reported is the
median of the rounds.

Every sample has a time limit. One that passes it is killed with all its descendants and reported as
such; that rival is not asked again in the subject. A rival that is not installed is reported once.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import processes
import rivals
from rivals import Rival

WORKERS = 2
BENCHES = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Scale:
    """How much work a sample does: enough for a figure, or just enough to see that it runs."""

    quick: bool = False

    @property
    def seconds(self) -> float:
        """How long a sample of a rate should last."""
        return 0.02 if self.quick else 0.3

    def count(self, full: int) -> int:
        """A number of items: `full`, or a fiftieth of it."""
        return max(4, full // 50) if self.quick else full


Measure = Callable[[Rival, Scale], float]


@dataclass(frozen=True, kw_only=True)
class Subject:
    """One row: what is measured, in which unit, for whom, and what manyhands is to reach."""

    name: str
    title: str
    unit: str
    measure: Measure
    rivals: Sequence[str] = rivals.USUAL
    goals: Mapping[str, float] = field(default_factory=dict)
    # What `multiprocessing` (fork) did in the hour in which the goals were set: machines differ.
    then: float | None = None
    more_is_better: bool = False
    section: str = "Beside the rivals"
    limit_seconds: float = 60.0


@dataclass
class Row:
    """What came of a subject: samples for each rival, and a word where there are none."""

    subject: Subject
    samples: dict[str, list[float]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    def median(self, rival: str) -> float | None:
        """The median of a rival's samples; None when it failed or was not asked."""
        samples = self.samples.get(rival)
        return statistics.median(samples) if samples and rival not in self.failures else None


class SampleFailed(Exception):
    """A sample gave no figure; the text is what the table's notes say."""


def take_sample(subject: Subject, rival: Rival, scale: Scale) -> float:
    """One figure, from a fresh interpreter that gets a limited time."""
    command = [sys.executable, str(BENCHES / "sample.py"), subject.name, rival.name]
    if scale.quick:
        command.append("--quick")
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=errors)
        try:
            status = child.wait(subject.limit_seconds)
        except subprocess.TimeoutExpired:
            raise SampleFailed(f"killed after {subject.limit_seconds:.0f} s") from None
        finally:
            if child.poll() is None:
                processes.kill_tree(child.pid)
                child.wait()
        output.seek(0)
        errors.seek(0)
        return _read_sample(status, output.read(), errors.read())


def _read_sample(status: int, output: str, errors: str) -> float:
    last = (output.strip().splitlines() or [""])[-1]
    if status == 0 and last.startswith("{"):
        answer = json.loads(last)
        if "figure" in answer:
            return float(answer["figure"])
        raise SampleFailed(str(answer["unsupported"]))
    reason = (errors.strip().splitlines() or ["no message"])[-1]
    raise SampleFailed(f"failed with status {status}: {reason}")


def measure(subjects: Iterable[Subject], scale: Scale, repeats: int) -> Iterator[Row]:
    """Run the subjects one after the other; a row is given as soon as it is complete."""
    for subject in subjects:
        yield _measure_row(subject, scale, repeats)


def _measure_row(subject: Subject, scale: Scale, repeats: int) -> Row:
    row = Row(subject)
    for name in subject.rivals:
        if not rivals.BY_NAME[name].installed:
            row.failures[name] = "not installed"
    for turn in range(repeats):
        shift = turn % len(subject.rivals)
        for name in (*subject.rivals[shift:], *subject.rivals[:shift]):
            if name in row.failures:
                continue
            try:
                figure = take_sample(subject, rivals.BY_NAME[name], scale)
            except SampleFailed as failure:
                row.failures[name] = str(failure)
            else:
                row.samples.setdefault(name, []).append(figure)
    return row


def pin_to_cores(cores: int) -> None:
    """Confine this process, and those that it starts, to that many of its cores."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
