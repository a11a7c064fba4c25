"""Every kind of large data: how it is made, compared, looked at and written to.

A sample is made anew for each use. `same` compares values and types; `writable` says whether the
data can be written in place (None: the type knows no such thing); `write` does it.
"""

from __future__ import annotations

import array
import dataclasses
import os
import pickle
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from usage import used

import manyhands
from manyhands import _shared

if TYPE_CHECKING:
    from collections.abc import Callable

COUNT = 50_000  # numbers of eight bytes: 400 KB


@dataclass(frozen=True)
class Sample:
    name: str
    make: Callable[[], Any]
    same: Callable[[Any, Any], bool]
    writable: Callable[[Any], bool] | None = None
    write: Callable[[Any], object] | None = None
    # The sample comes as a view of shared memory.
    view: bool = True

    def __repr__(self):
        return self.name


@dataclass
class Record:
    """A user's class that holds data."""

    label: str
    data: Any

    def sum(self, factor):
        return factor * float(self.data.sum())


def same_array(left, right):
    return (
        type(left) is type(right)
        and left.dtype == right.dtype
        and left.shape == right.shape
        and np.array_equal(np.asarray(left), np.asarray(right))
    )


def same_masked(left, right):
    return (
        type(left) is type(right)
        and np.array_equal(np.ma.getmaskarray(left), np.ma.getmaskarray(right))
        and np.array_equal(left.filled(), right.filled())
        and left.hardmask == right.hardmask
    )


def equal(left, right):
    return type(left) is type(right) and left == right


def same_record(left, right):
    return left.label == right.label and same_array(left.data, right.data)


def numbers():
    return np.arange(COUNT, dtype=float)


def matrix():
    return np.arange(COUNT, dtype=float).reshape(250, 200)


def masked():
    return np.ma.masked_greater(numbers(), 100)


def records():
    made = np.zeros(COUNT, [("a", "i4"), ("b", "f8")])
    made["a"] = range(COUNT)
    return made


def padded():
    kind = [("a", "i1"), ("b", ">f8"), ("c", "S5"), ("d", "(3,2)i4")]
    made = np.zeros(5_000, np.dtype(kind, align=True))
    made["a"], made["b"], made["c"] = 3, range(5_000), b"abc"
    return made


def record():
    return Record("r", numbers())


def stdlib_array():
    return array.array("d", range(COUNT))


def buffer_of_a_user():
    return Buffered(bytes(range(256)) * 200)


class Buffered:
    """A class of a user that hands out its buffer."""

    def __init__(self, data):
        self.data = data

    def __reduce_ex__(self, protocol):
        return Buffered, (pickle.PickleBuffer(self.data),)

    def __eq__(self, other):
        return bytes(self.data) == bytes(other.data)

    __hash__ = None


def flag(get):
    return lambda obj: bool(get(obj).flags.writeable)


def itself(obj):
    return obj


def set_first(obj):
    obj[0] = 7


def set_zeros(obj):
    obj[...] = np.zeros((), obj.dtype)


def set_data(obj):
    set_zeros(obj.data)


ARRAYS = {
    "vector": numbers,
    "matrix": matrix,
    "fortran": lambda: np.asfortranarray(matrix()),
    "columns": lambda: matrix()[:, 20:120],
    "every_third": lambda: numbers()[::3],
    "backwards": lambda: numbers()[::-1],
    "transposed_cube": lambda: numbers().reshape(10, 50, 100).transpose(2, 0, 1),
    "broadcast": lambda: np.broadcast_to(numbers()[:100], (60, 100)),
    "records": records,
    "dates": lambda: numbers().astype("M8[s]"),
    "bools": lambda: numbers() > 5,
    "complex": lambda: numbers() * 1j,
    "texts": lambda: np.array(["a", "bcd"] * 5_000),
    "swapped": lambda: numbers().astype(">f8"),
    "swapped_columns": lambda: matrix().astype(">i4")[:, ::2],
    "overlapping": lambda: np.lib.stride_tricks.sliding_window_view(numbers()[:600], 100),
    "padded_records": lambda: padded()[::2],
    "column_of_dates": lambda: matrix().astype("M8[s]")[:, ::2],
}

SAMPLES = [
    *(Sample(name, make, same_array, flag(itself), set_zeros) for name, make in ARRAYS.items()),
    Sample("bytes", lambda: bytes(range(256)) * 400, equal, view=False),
    Sample("bytearray", lambda: bytearray(range(256)) * 400, equal, None, set_first, view=False),
    Sample("str", lambda: "häuser" * 20_000, equal, view=False),
    Sample("tuple_of_bytes", lambda: (b"x" * 40_000, 1, "y" * 40_000), equal, view=False),
    Sample("stdlib_array", stdlib_array, equal, None, set_first, view=False),
    Sample("list", lambda: list(range(COUNT)), equal, None, set_first, view=False),
    Sample("masked", masked, same_masked, flag(lambda obj: obj.data), set_data),
    Sample("record", record, same_record, flag(lambda obj: obj.data), set_data),
    Sample("buffer", buffer_of_a_user, equal),
    Sample("objects", lambda: np.array([1, "a", None] * 9_000, object), same_array, view=False),
]

BY_NAME = {sample.name: sample for sample in SAMPLES}


def make(name):
    return BY_NAME[name].make()


def look(pair):
    """In a worker: whether what arrived has the right values, and whether it can be written."""
    name, obj = pair
    sample = BY_NAME[name]
    return sample.same(obj, sample.make()), sample.writable and sample.writable(obj)


def look_at_whole(obj, name):
    return look((name, obj))


def look_for(obj, name, _number):
    return look((name, obj))


def nothing(*_args, **_kwds):
    return None


def send_back(obj):
    return obj


def with_data(record, data):
    return dataclasses.replace(record, data=data)


kept = {}


def keep(name, obj):
    kept[name] = obj


def look_at_kept(name):
    return look((name, kept[name]))


def add_one(view):
    view += 1


def set_field(records, name="a"):
    setattr(records, name, 7)


def meet(barrier, view):
    barrier.wait(60)
    return float(view[0])


def add_one_and_total(view):
    view += 1
    return float(view.sum())


def first(view):
    return view.flat[0]


def total(view):
    return float(view.sum())


def twice(values):
    return values * 2


def answer(queue, name, obj):
    queue.put((look((name, obj)), make(name)))


def die(_):
    os.kill(os.getpid(), signal.SIGKILL)


def make_and_die(name):
    made = make(name)
    die(made)


def are_one(pair):
    return pair[0] is pair[1]


def twice_the_same(name):
    made = make(name)
    return made, made


def put_some_and_die(queue, name):
    for _ in range(3):
        queue.put(make(name))
    die(None)


def take_two_and_die(queue):
    taken = [queue.get(), queue.get()]
    die(taken)


def send_and_die(connection, name):
    connection.send(make(name))
    die(None)


def send_for_ever(connection, told):
    for number in range(1_000):
        connection.send(np.full(300_000, float(number)))
        told.send(number + 1)


def receive_and_die(connection):
    connection.recv()
    die(None)


def descriptors(_):
    return len(list(Path("/proc/self/fd").iterdir()))


def put_and_die(queue):
    for number in range(5):
        queue.put(np.arange(100_000.0) + number)
    die(None)


def take_and_die(queue):
    taken = [queue.get(), queue.get()]
    assert len(taken) == 2
    die(None)


def total_of_two(array, number):
    return float(array.sum()) + number


# What is shared


def add_one_within(holder):
    add_one(holder["deep"][0].data)


def add_one_to_kept(name):
    add_one(kept[name])


def add_one_from(queue):
    add_one(queue.get())


def make_shared(number):
    made = manyhands.zeros(4, int)
    made += number
    return made


def total_of_part(part):
    return float(part[0].sum())


def look_at_flags(array):
    return array.flags.writeable, array.flags.owndata


class Table:
    """An object without any buffer."""

    name = "table"

    def __init__(self, rows):
        self.rows = {str(key): text for key, text in rows.items()}

    def __getitem__(self, key):
        return self.rows[key]

    def __len__(self):
        return len(self.rows)

    def identity(self):
        return os.getpid(), id(self.rows)


def built_of(shared):
    """How many shared objects this process has built and keeps, this one among them."""
    assert len(shared)
    return len(_shared._kept)


def look_up(pair):
    table, number = pair
    return table[str(number)], table.identity()


def look_at_file(obj):
    array = obj.data if isinstance(obj, Record) else obj
    return type(array).__name__, float(array.sum()), array.flags.writeable


# Frames


def length_and_memory(pair):
    return len(pair[0]), used()


def same_as(one, other):
    return one.equals(other)


def height(frame):
    return frame.height


def first_of_frame(frame):
    return frame[0, 0]


def write_frame(frame):
    frame[0, "a"] = 99.0
    return frame[0, "a"]
