"""A `Process` from `start` to the end of `join`: the target does nothing.

One process after the other; a sample is the median of many, after the first has warmed the start
method (a fork server or a template has to come up once). `launch` is each library's default where
manyhands' is the template; the other rows compare the same method with itself.
"""

import importlib
from functools import partial

import cli
import tasks
import timing
from harness import Scale, Subject
from rivals import Rival

PROCESSES = 60
SECTION = "Processes"


def measure(method: str | None, rival: Rival, scale: Scale) -> float:
    """Milliseconds of the median process."""
    context = importlib.import_module(rival.module).get_context(method)

    def launch() -> None:
        process = context.Process(target=tasks.noop)
        process.start()
        process.join()
        if process.exitcode != 0:
            raise RuntimeError(f"the process has ended with {process.exitcode}")

    launch()
    return timing.median_latency(launch, scale.count(PROCESSES)) * 1e3


def _subject(name: str, method: str | None) -> Subject:
    return Subject(
        name=name,
        title=f"`Process`: start and join, {method or 'the default method'}",
        unit="ms",
        measure=partial(measure, method),
        rivals=("multiprocessing", "manyhands"),
        section=SECTION,
    )


SUBJECTS = (
    _subject("launch", None),
    _subject("launch_fork", "fork"),
    _subject("launch_spawn", "spawn"),
    _subject("launch_forkserver", "forkserver"),
)

if __name__ == "__main__":
    cli.main(SUBJECTS)
