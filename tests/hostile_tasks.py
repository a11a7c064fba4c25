"""Tasks about the corpus of `hostile`, which they know by the names of its cases."""

from __future__ import annotations

import hostile
import tasks


def nothing(*args, **kwds):
    return None


def case(name):
    return next(c for c in [*hostile.VALUES, *hostile.EXCEPTIONS] if c.name == name)


def make_value(name):
    return case(name).make()


def raise_made(name):
    raise case(name).make()


def take_from(queue):
    return queue.get(timeout=20)


def same_as_made(name, value):
    return hostile.same(case(name).make(), value)


def state_is_as_made(name):
    return same_as_made(name, tasks.state)
