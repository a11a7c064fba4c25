"""Tasks that take memory, one way or another."""

from __future__ import annotations

import os
import resource
from pathlib import Path

MIB = 1 << 20
kept = []


def take(mib):
    """Take memory, and give it back."""
    block = bytearray(mib * MIB)
    return len(block), os.getpid()


def keep(mib):
    """Take memory, and keep it."""
    kept.append(b"x" * (mib * MIB))
    return os.getpid()


def grow_for_ever(_x):
    blocks = []
    while True:
        blocks.append(b"x" * (10 * MIB))


def grow_first(log, times):
    """Has too much so many times, then answers how often it ran."""
    with Path(log).open("a", encoding="ascii") as journal:
        journal.write(f"{os.getpid()}\n")
    ran = len(Path(log).read_text(encoding="ascii").splitlines())
    return grow_for_ever(0) if ran <= times else ran


def grow_in_one_call(_x):
    """One long call of C code, which holds the interpreter's lock."""
    return len(list(range(10**9)))


def grow_or_not(x):
    return grow_for_ever(x) if x == 5 else (x, os.getpid())


def address_space():
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def allocate_beyond_an_rlimit(_x):
    """What a program does that limits itself: the limit is of address space."""
    size = address_space()
    resource.setrlimit(resource.RLIMIT_AS, (size + 64 * MIB, -1))
    try:
        return len(bytearray(1 << 30))
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (-1, -1))


def allocate_all_of_an_rlimit(_x):
    """The same, and nothing is given back: not even for the exception to be told."""
    size = address_space()
    resource.setrlimit(resource.RLIMIT_AS, (size + 32 * MIB, -1))
    size = 16 * MIB
    while size > 64:
        try:
            while True:
                kept.append(bytearray(size))
        except MemoryError:
            size //= 2
    kept.append(bytearray(MIB))
