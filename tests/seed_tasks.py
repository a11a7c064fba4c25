"""Tasks that draw random numbers, in each of the ways that a program has."""

from __future__ import annotations

import os
import random
import signal

import manyhands


def draw(x):
    """A number of each kind, and what it was drawn for."""
    import numpy as np  # loaded by the item: its global state must be the item's all the same

    own = manyhands.rng()
    assert own is manyhands.rng()
    return x, random.random(), int(np.random.randint(1 << 30)), own.random(), manyhands.item_seed()


def draw_own(x):
    """What is not shared with other threads."""
    return x, manyhands.rng().random(), manyhands.item_seed()


def draw_two(x, y):
    return x + y, random.random()


def draw_twice(x):
    return x, random.random(), random.random()


def draw_or_die(path, x):
    """Dies on the first attempt at some items."""
    if x % 5 == 0:
        try:
            os.close(os.open(f"{path}/{x}", os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            pass
        else:
            os.kill(os.getpid(), signal.SIGKILL)
    return draw(x)


def state(_x):
    """Numbers that no other process may draw as well."""
    import numpy as np

    return os.getpid(), random.random(), float(np.random.random()), manyhands.rng().random()
