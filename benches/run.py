"""All benches in one run: `make bench`, or `python benches/run.py [options]`.

Prints one table; `--markdown docs/benchmarks.md` writes it with its conditions, `--json FILE`
keeps every sample. A full run takes about 25 minutes on two cores and wants a quiet machine.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path

import catalogue
import cli
import document
import harness
import report
import rivals
from harness import Row, Scale, Subject


def _options() -> argparse.Namespace:
    parser = cli.parser(__doc__.partition("\n")[0])
    parser.add_argument(
        "--only",
        action="append",
        metavar="NAME",
        help="a file of benches/ or one subject; may be given several times",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample as JSON")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the whole report")
    options = parser.parse_args()
    if options.markdown and (options.only or options.quick):
        parser.error("--markdown writes a report to quote: it cannot go with --only or --quick")
    unknown = set(options.only or ()) - _names()
    if unknown:
        parser.error(
            f"no bench is named {', '.join(sorted(unknown))}; {', '.join(sorted(_names()))}"
        )
    return options


def _names() -> set[str]:
    files = {module.__name__ for module in catalogue.MODULES}
    return files | {subject.name for subject in catalogue.SUBJECTS}


def _chosen(only: list[str] | None) -> list[Subject]:
    return [
        subject
        for module in catalogue.MODULES
        for subject in module.SUBJECTS
        if only is None or module.__name__ in only or subject.name in only
    ]


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _describe(row: Row) -> str:
    medians = ((name, row.median(name)) for name in row.subject.rivals)
    figures = [f"{name} {report.show_number(m)}" for name, m in medians if m is not None]
    return f"{row.subject.name} [{row.subject.unit}]: {', '.join(figures) or 'no figures'}"


def main() -> None:
    """Measure what was chosen, say each row as it comes, end with the table."""
    options = _options()
    rounds, load, begin = cli.rounds(options), os.getloadavg()[0], time.monotonic()
    for rival in rivals.ALL:
        if not rival.installed:
            _say(f"{rival.name} is not installed and left out")
    rows = []
    for row in harness.measure(_chosen(options.only), Scale(quick=options.quick), rounds):
        rows.append(row)
        _say(_describe(row))
    _say(f"{rounds} rounds in {time.monotonic() - begin:.0f} s")
    print(report.terminal_table(rows))
    if options.json:
        answer = {"conditions": document.conditions(load), "rows": report.as_json(rows)}
        options.json.write_text(json.dumps(answer, indent=1) + "\n", encoding="utf-8")
    if options.markdown:
        document.write(options.markdown, rows, rounds, load)


if __name__ == "__main__":
    main()
