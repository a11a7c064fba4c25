"""The options that all benches share, and the command line of a single one.

`python benches/imap.py` measures the subjects of that file alone and prints their table; `run.py`
does the same for all of them and can write the report.
"""

import argparse
from collections.abc import Sequence

import harness
import report

ROUNDS = 5


def parser(description: str) -> argparse.ArgumentParser:
    """A parser that knows --quick and --repeat."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--quick", action="store_true", help="see that it runs; no figures to quote")
    made.add_argument(
        "--repeat",
        type=_positive,
        metavar="N",
        help=f"rounds for each row; the median counts (default {ROUNDS}, with --quick 1)",
    )
    return made


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, not {number}")
    return number


def rounds(options: argparse.Namespace) -> int:
    """How often each sample is taken."""
    chosen: int = options.repeat or (1 if options.quick else ROUNDS)
    return chosen


def main(subjects: Sequence[harness.Subject]) -> None:
    """Measure the subjects of one file and print their table."""
    options = parser(f"Measure {', '.join(s.name for s in subjects)}.").parse_args()
    scale = harness.Scale(quick=options.quick)
    rows = list(harness.measure(subjects, scale, rounds(options)))
    print(report.terminal_table(rows))
