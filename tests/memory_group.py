"""A control group with a limit of memory, below the one that the tests run in.

There is one where the tests may make one: as root with a hierarchy of version 1, or of version 2
that hands the memory on. `possible` tries it, and leaves nothing behind.
"""

from __future__ import annotations

import contextlib
import uuid
from pathlib import Path

from support import wait_until


def possible():
    """Whether a group can be made here."""
    try:
        with limited(1 << 30):
            return True
    except OSError:
        return False


@contextlib.contextmanager
def limited(limit):
    """A new group with `limit` bytes; the file that a process writes its number to, to enter it."""
    parent, name = _place()
    group = parent / f"manyhands-test-{uuid.uuid4().hex}"
    group.mkdir()
    try:
        (group / name).write_text(str(limit))
        yield group / "cgroup.procs"
    finally:
        wait_until(lambda: _removed(group), f"{group} is still in use")


def _place():
    """The directory for the new group, and the name of its limit's file."""
    groups = dict(line.split(":", 2)[1:] for line in Path("/proc/self/cgroup").read_text().split())
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        mounted, point = before.split()[3:5]
        kind, _, options = after.split()
        if kind == "cgroup" and "memory" in options.split(",") and "memory" in groups:
            return _below(point, mounted, groups["memory"]), "memory.limit_in_bytes"
        if kind == "cgroup2" and "" in groups and "memory" not in groups:
            own = _below(point, mounted, groups[""])
            # A group with processes hands nothing on: only one beside it may have a limit.
            for place in (own, own.parent):
                handed_on = place / "cgroup.subtree_control"
                if handed_on.exists() and "memory" in handed_on.read_text().split():
                    return place, "memory.max"
    raise OSError("no control groups of memory are mounted")


def _below(point, mounted, group):
    """The directory of `group` in a hierarchy of which `mounted` can be seen at `point`."""
    return Path(point) / Path(group).relative_to(mounted)


def _removed(group):
    with contextlib.suppress(OSError):
        group.rmdir()
    return not group.exists()
