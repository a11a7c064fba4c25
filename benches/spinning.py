"""What waiting costs: sides that still spin, sides that sleep, and more workers than cores.

An idle virtual core is slow to wake, so a figure without these three apart says little. All are
confined to 2 cores:

- spinning: calls follow each other at once with 1 worker, so that each side has a core of its own
  and finds the other awake;
- sleeping: the same after a rest of 20 ms, when both sides and both cores have gone to sleep;
- oversubscribed: 4 workers on the 2 cores, for single calls, for many and for the mapping calls.
"""

from functools import partial

import apply_async
import cli
import harness
import imap
import map as map_bench
import roundtrip
from harness import Measure, Scale, Subject
from rivals import Rival

CORES = 2
MANY = 4
REST_SECONDS = 0.02


def _on_two_cores(measure: Measure, rival: Rival, scale: Scale) -> float:
    harness.pin_to_cores(CORES)
    return measure(rival, scale)


def _subject(name: str, title: str, unit: str, measure: Measure) -> Subject:
    return Subject(
        name=name,
        title=title,
        unit=unit,
        measure=partial(_on_two_cores, measure),
        rivals=("multiprocessing", "manyhands", "manyhands-fork"),
        more_is_better=unit.endswith("/s"),
        section="Spinning, sleeping, oversubscribed (2 cores)",
    )


SUBJECTS = (
    _subject(
        "spinning",
        "round trip of `apply`, spinning, 1 worker",
        "µs",
        partial(roundtrip.measure, processes=1),
    ),
    _subject(
        "sleeping",
        "round trip of `apply`, sleeping, 1 worker, after 20 ms of rest",
        "µs",
        partial(roundtrip.measure, processes=1, calls=100, rest=REST_SECONDS),
    ),
    _subject(
        "over_roundtrip",
        "round trip of `apply`, 4 workers",
        "µs",
        partial(roundtrip.measure, processes=MANY),
    ),
    _subject(
        "over_apply_async",
        "50,000 `apply_async`, 4 workers",
        "calls/s",
        partial(apply_async.measure, processes=MANY),
    ),
    _subject(
        "over_imap", "`imap`, 4 workers", "items/s", partial(imap.measure_ordered, processes=MANY)
    ),
    _subject(
        "over_imap_unordered",
        "`imap_unordered`, 4 workers",
        "items/s",
        partial(imap.measure_unordered, processes=MANY),
    ),
    _subject("over_map", "`map`, 4 workers", "items/s", partial(map_bench.measure, processes=MANY)),
)

if __name__ == "__main__":
    cli.main(SUBJECTS)
