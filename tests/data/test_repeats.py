"""The same large argument again and again is worth a warning; different ones are not."""

from __future__ import annotations

import functools
import warnings

import numpy as np
import pytest
import samples

import manyhands
from manyhands.errors import LargeArgumentWarning

TIMES = 16


def vector():
    return np.ones(3_000_000)


def columns():
    return np.ones((3_000, 2_000))[:, ::2]


def masked():
    return np.ma.masked_less(vector(), 0)


def record():
    return samples.Record("r", vector())


def dictionary():
    return {number: str(number) * 500_000 for number in range(30)}


def texts():
    return list(dictionary().values())


REPEATED = {
    "ndarray": vector,
    "strided": columns,
    "masked": masked,
    "Record": record,
    "dict": dictionary,
    "list": texts,
    "bytes": lambda: bytes(20_000_000),
    "bytearray": lambda: bytearray(20_000_000),
    "str": lambda: "x" * 20_000_000,
}

CALLS = {
    "map": lambda pool, obj: pool.map(samples.nothing, [obj] * TIMES),
    "map_async": lambda pool, obj: pool.map_async(samples.nothing, [obj] * TIMES).get(),
    "starmap": lambda pool, obj: pool.starmap(samples.nothing, [(n, obj) for n in range(TIMES)]),
    "imap": lambda pool, obj: list(pool.imap(samples.nothing, [[obj]] * TIMES)),
    "imap_unordered": lambda pool, obj: list(pool.imap_unordered(samples.nothing, [obj] * TIMES)),
    "apply": lambda pool, obj: [pool.apply(samples.nothing, (obj, n)) for n in range(TIMES)],
    "keywords": lambda pool, obj: [
        pool.apply(samples.nothing, (n,), {"a": 1, "b": obj}) for n in range(TIMES)
    ],
    "apply_async": lambda pool, obj: [
        result.get()
        for result in [pool.apply_async(samples.nothing, (obj, n)) for n in range(TIMES)]
    ],
    "beside_another_large_one": lambda pool, obj: pool.starmap(
        samples.nothing, ((np.full(4_000_000, float(n)), obj) for n in range(TIMES))
    ),
}


def seen(act):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        act()
    return [one for one in caught if issubclass(one.category, LargeArgumentWarning)]


@pytest.mark.parametrize("kind", REPEATED)
def test_every_kind_is_noticed_once(workers, kind):
    obj = REPEATED[kind]()
    (warning,) = seen(lambda: workers.starmap(samples.nothing, [(obj, n) for n in range(20)]))
    text = str(warning.message)
    assert f"the same {type(obj).__name__} of " in text
    assert f"{size_of(obj) / 1e6:.0f}." in text or kind in ("dict", "list")
    assert "x = manyhands.share(x)" in text
    assert "functools.partial" in text
    assert warning.filename == __file__
    assert not seen(lambda: workers.map(samples.nothing, [obj] * 20))


def size_of(obj):
    data = getattr(obj, "data", obj)
    return data.nbytes if hasattr(data, "nbytes") else len(obj)


@pytest.mark.parametrize("call", CALLS)
def test_every_call_notices(workers, call):
    array = vector()
    (warning,) = seen(lambda: CALLS[call](workers, array))
    assert warning.filename == __file__


def test_a_few_times_are_enough_if_it_is_huge(workers):
    huge = np.ones(36_000_000)
    (warning,) = seen(lambda: workers.map(samples.nothing, [huge] * 4))
    assert "288.0 MB has been sent with 4 items" in str(warning.message)


def test_it_can_be_silenced_or_made_an_error(workers):
    array = vector()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LargeArgumentWarning)
        workers.map(samples.nothing, [array] * TIMES)
    array = vector()
    with warnings.catch_warnings():
        warnings.simplefilter("error", LargeArgumentWarning)
        with pytest.raises(LargeArgumentWarning):
            workers.map(samples.nothing, [array] * TIMES)
    assert workers.map(samples.total, [np.ones(10)]) == [10]


# Such as look alike: of the same size, perhaps at the same address. `shared` is always the same.
DIFFERENT = {
    "arrays": lambda n, _: np.full(3_000_000, float(n)),
    "rows": lambda n, _: np.ones((2_920, 1_000))[n : n + 2_900],
    "lists": lambda n, _: [str(n + k + 10) * 500_000 for k in range(20)],
    "dicts": lambda n, _: {k: str(n + k + 10) * 500_000 for k in range(20)},
    "bytearrays": lambda n, _: bytearray(n.to_bytes(4, "big")) * 4_000_000,
    "records": lambda n, _: samples.Record(str(n), np.full(3_000_000, float(n))),
    "beside_shared": lambda n, shared: (shared, np.full(3_000_000, float(n))),
    "beside_small": lambda n, _: (np.ones(3), np.full(3_000_000, float(n))),
    "shared": lambda _, shared: (shared, 1),
}


@pytest.mark.parametrize("kind", DIFFERENT)
def test_different_ones_are_not_worth_it(workers, kind):
    make, shared = DIFFERENT[kind], manyhands.share(vector())
    items = (make(n, shared) for n in range(TIMES + 2))
    assert not seen(lambda: list(workers.imap(samples.nothing, items)))


def test_what_the_function_holds_is_not_worth_it(workers):
    array = vector()
    assert not seen(lambda: workers.map(functools.partial(samples.nothing, array), range(50)))
    assert not seen(lambda: workers.map(samples.Record("r", array).sum, range(50)))
