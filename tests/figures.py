"""What a process has: memory, descriptors, threads, children. To be compared before and after.

Long runs print these figures, and fail when one of them has grown; `count` says how long they are.
"""

from __future__ import annotations

import gc
import os
from dataclasses import dataclass, fields
from pathlib import Path

import support

from manyhands import _native

KIB = 1024


def count(name, otherwise):
    """The number in the environment variable `name`, with which a long run is made in slices."""
    return int(os.environ.get(name, otherwise))


def settled(before):
    """Wait until this process has no more than `before`, and say what it has then.

    What a child held that was killed while it was being forked is known to be nobody's after half a
    minute.
    """
    support.wait_until(
        lambda: not before.leaks(Figures.now()), lambda: f"{before}\n{Figures.now()}", limit=50
    )
    return Figures.now()


@dataclass(frozen=True)
class Figures:
    """This process at one moment; memory in KiB."""

    private: int  # resident memory of its own
    shared: int  # resident shared memory
    blocks: int  # locks, queues and the like in shared memory
    files: int
    threads: int
    processes: int
    mappings: int

    @classmethod
    def now(cls):
        gc.collect()
        _native.sweep()  # what is kept of dead processes is let go of
        lines = Path("/proc/self/status").read_text().splitlines()
        status = dict(line.split(":", 1) for line in lines)
        return cls(
            private=int(status["RssAnon"].split()[0]),
            shared=int(status["RssShmem"].split()[0]),
            blocks=_native.usage()[3],
            files=len(support.open_files()),
            threads=int(status["Threads"]),
            processes=len(support.descendants(os.getpid())),
            mappings=len(Path("/proc/self/maps").read_text().splitlines()),
        )

    def __str__(self):
        return ", ".join(f"{field.name} {getattr(self, field.name)}" for field in fields(self))

    def leaks(self, later, memory=32 * KIB):
        """The names of what `later` has more of; of memory, up to `memory` KiB is no leak."""
        # Blocks: the lists of what each process holds have their own, and keep them. Shared memory
        # that is free is kept for the next who needs it, up to 64 MiB.
        slack = {"private": memory, "shared": memory + 64 * KIB, "mappings": 64, "blocks": 24}
        names = [field.name for field in fields(self)]
        return [
            name
            for name in names
            if getattr(later, name) > getattr(self, name) + slack.get(name, 0)
        ]
