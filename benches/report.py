"""From rows of samples to a table: in the terminal, as Markdown, as JSON.

One column a rival, one line a subject, the median in each cell. The column "to best" is how many
times better manyhands is than the best of the others in the same run (below 1: worse). "goal" is
what the project demands of itself, with "met" or "missed". A goal that was missed is told once more
in the measure of this run, where it is known what `multiprocessing` did in the hour in which it was
set: the same machine is half as fast in some hours as in others. A dash is a rival that was not
asked or has no such call; "absent", "timeout" and "failed" are explained beneath the table.
"""

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import compress, groupby

import rivals
from harness import Row

TITLE_WIDTH = 36
MAIN = "manyhands"
# Whose speed tells how fast the machine was when the goals were set.
THEN = "multiprocessing"


@dataclass(frozen=True)
class Table:
    """The text of every cell, in sections."""

    header: list[str]
    sections: list[tuple[str, list[list[str]]]]
    notes: list[str]


def show_number(value: float) -> str:
    """Three digits that count, with k and M for thousands and millions."""
    for size, letter in ((1e6, " M"), (1e4, " k")):
        if abs(value) >= size:
            return f"{value / (1e6 if size == 1e6 else 1e3):.3g}{letter}"
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.3g}"


def _cell(row: Row, rival: str) -> str:
    median = row.median(rival)
    if median is not None:
        return show_number(median)
    reason = row.failures.get(rival, "")
    for start, word in (("killed", "timeout"), ("failed", "failed"), ("not installed", "absent")):
        if reason.startswith(start):
            return word
    return "-"


def _to_best(row: Row) -> str:
    mine = row.median(MAIN)
    others = [row.median(name) for name in row.subject.rivals if name not in rivals.OURS]
    figures = [figure for figure in others if figure]
    if not mine or not figures:
        return "-"
    if row.subject.more_is_better:
        return f"{mine / max(figures):.3g}"
    return f"{min(figures) / mine:.3g}"


def _goal(row: Row) -> str:
    goals = row.subject.goals
    if not goals:
        return "-"
    text = _verdict(row, 1)
    today, then = row.median(THEN), row.subject.then
    if text.endswith("missed") and today and then:
        return f"{text}; beside mp, {show_number(then)} then: {_verdict(row, today / then)}"
    return text


def _verdict(row: Row, scale: float) -> str:
    """The goals, times `scale`, and whether they are met."""
    more = row.subject.more_is_better
    goals = {rival: goal * scale for rival, goal in row.subject.goals.items()}
    text = ("≥ " if more else "≤ ") + " / ".join(show_number(goal) for goal in goals.values())
    figures = [row.median(rival) for rival in goals]
    if any(figure is None for figure in figures):
        return text
    pairs = zip(figures, goals.values(), strict=True)
    met = all((f >= goal if more else f <= goal) for f, goal in pairs if f is not None)
    return f"{text} {'met' if met else 'missed'}"


def make_table(rows: Sequence[Row]) -> Table:
    """Lay the rows out; rivals that no row asks have no column."""
    asked = {name for row in rows for name in row.subject.rivals}
    columns = [rival for rival in rivals.ALL if rival.name in asked]
    sections = []
    for section, group in groupby(rows, key=lambda row: row.subject.section):
        lines = [
            [
                row.subject.title,
                row.subject.unit,
                *(_cell(row, rival.name) for rival in columns),
                _to_best(row),
                _goal(row),
            ]
            for row in group
        ]
        sections.append((section, lines))
    header = ["work", "unit", *(rival.label for rival in columns), "to best", "goal"]
    return Table(header, sections, list(_notes(rows)))


def _notes(rows: Sequence[Row]) -> Iterator[str]:
    absent = set()
    for row in rows:
        for rival, reason in row.failures.items():
            if reason == "not installed":
                absent.add(rival)
            else:
                yield f"{row.subject.name}, {rival}: {reason}"
    for rival in sorted(absent):
        yield f"{rival}: not installed"


def terminal_table(rows: Sequence[Row]) -> str:
    """The table for a terminal, titles wrapped, figures to the right."""
    table = make_table(rows)
    texts = [[_wrap(line[0]), *line[1:]] for _, lines in table.sections for line in lines]
    widths = [
        max(len(part) for line in [table.header, *texts] for part in line[column].split("\n"))
        for column in range(len(table.header))
    ]
    shown = [_terminal_line(table.header, widths)]
    for section, lines in table.sections:
        shown += ["", f"{section}:"]
        shown += [_terminal_line([_wrap(line[0]), *line[1:]], widths) for line in lines]
    if table.notes:
        shown += ["", *table.notes]
    return "\n".join(shown)


def _wrap(title: str) -> str:
    return "\n".join(textwrap.wrap(title.replace("`", ""), TITLE_WIDTH))


def _terminal_line(cells: list[str], widths: list[int]) -> str:
    first, *more = cells[0].split("\n")
    figures = [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)]
    line = "  ".join([first.ljust(widths[0]), *figures]).rstrip()
    return "\n".join([line, *(f"  {rest}" for rest in more)])


def markdown_tables(rows: Sequence[Row]) -> str:
    """A table in Markdown for each section, without columns of dashes alone, and the notes."""
    table = make_table(rows)
    parts = []
    for section, lines in table.sections:
        rule = ["---", "---", *("---:" for _ in table.header[2:])]
        used = [any(cell != "-" for cell in column) for column in zip(*lines, strict=True)]
        kept = (compress(line, used) for line in [table.header, rule, *lines])
        text = "\n".join("| " + " | ".join(line) + " |" for line in kept)
        parts.append(f"## {section}\n\n{text}")
    if table.notes:
        parts.append("\n".join(f"- {note}" for note in table.notes))
    return "\n\n".join(parts)


def as_json(rows: Sequence[Row]) -> list[dict[str, object]]:
    """Every sample, for other programs."""
    return [
        {
            "name": row.subject.name,
            "title": row.subject.title,
            "unit": row.subject.unit,
            "more_is_better": row.subject.more_is_better,
            "samples": row.samples,
            "failures": row.failures,
        }
        for row in rows
    ]
