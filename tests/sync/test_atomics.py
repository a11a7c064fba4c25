"""Atomic: integers and floats without a lock."""

from __future__ import annotations

import math

import pytest
from children import family

from manyhands.synchronize import Atomic


def test_integers():
    number = Atomic()
    assert number.add(5) == 5
    assert number.sub(7) == -2
    assert number.fetch_add(3) == -2
    assert number.fetch_sub(1) == 1
    assert number.exchange(9) == 0
    assert number.compare_exchange(8, 1) is False
    assert number.compare_exchange(9, 1) is True
    number.store(4)
    number.value = number.value + 1
    assert number.load() == number.value == 5
    assert repr(number) == "<Atomic(5)>"


def test_integers_refuse_to_overflow():
    number = Atomic(2**63 - 1)
    for change in (lambda: number.add(1), lambda: number.sub(-1), lambda: number.sub(-(2**63))):
        with pytest.raises(OverflowError):
            change()
    assert number.load() == 2**63 - 1
    with pytest.raises(OverflowError):
        number.store(2**63)
    with pytest.raises(TypeError):
        number.add(1.5)


def test_floats():
    number = Atomic(1.5)
    assert number.add(1) == 2.5
    assert number.fetch_sub(0.5) == 2.5
    assert number.exchange(math.inf) == 2.0
    assert number.compare_exchange(math.inf, 0.25) is True
    assert repr(number) == "<Atomic(0.25)>"


def test_other_things_are_refused():
    with pytest.raises(TypeError, match="an int or a float"):
        Atomic("1")


@pytest.mark.parametrize("first", [0, 0.0])
def test_no_addition_is_lost(first):
    number = Atomic(first)

    def count():
        for _ in range(20_000):
            number.add(1)

    with family() as start:
        start(count)
        start(count)
        count()
    assert number.load() == 60_000
