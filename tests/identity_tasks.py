"""What workers are asked about who they are."""

from __future__ import annotations

import os

import manyhands


def who(_=None):
    current, parent = manyhands.current_process(), manyhands.parent_process()
    assert current.name == manyhands.worker().name
    assert parent.is_alive()
    return current.name, current._identity[0], parent.pid, parent.name


def children():
    return [child.pid for child in manyhands.active_children()]


def who_is_below():
    with manyhands.Pool(1) as pool:
        return os.getpid(), pool.apply(who)
