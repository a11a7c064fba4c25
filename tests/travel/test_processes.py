"""Shared objects as arguments of processes, ours and the standard library's, and over a fork."""

from __future__ import annotations

import multiprocessing
import os

import kinds
import pytest
from support import LIMIT

import manyhands
from manyhands import _native, sharedctypes

pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")

CONTEXTS = {
    "stdlib-fork": lambda: multiprocessing.get_context("fork"),
    "stdlib-spawn": lambda: multiprocessing.get_context("spawn"),
    "stdlib-forkserver": lambda: multiprocessing.get_context("forkserver"),
    "template": lambda: manyhands.get_context("template"),
    "fork": lambda: manyhands.get_context("fork"),
    "spawn": lambda: manyhands.get_context("spawn"),
    "forkserver": lambda: manyhands.get_context("forkserver"),
}


@pytest.fixture(params=CONTEXTS)
def context(request):
    return CONTEXTS[request.param]()


def run(context, target, *args):
    process = context.Process(target=target, args=args)
    process.start()
    process.join(LIMIT)
    assert process.exitcode == 0
    process.close()


@pytest.mark.parametrize("wrapper", kinds.WRAPPERS)
def test_an_argument_is_the_same_object(context, wrapper):
    wrap, _ = kinds.WRAPPERS[wrapper]
    objects = {kind.name: kind.make() for kind in kinds.KINDS}
    run(context, kinds.touch_all, wrapper, {name: wrap(obj) for name, obj in objects.items()})
    assert all(kinds.BY_NAME[name].touched(obj) for name, obj in objects.items())


def test_an_argument_that_nobody_else_holds_arrives(context):
    seen = sharedctypes.RawValue("i")
    process = context.Process(target=kinds.copy_value, args=(sharedctypes.RawValue("i", 5), seen))
    process.start()
    process.join(LIMIT)
    assert (process.exitcode, seen.value) == (0, 5)
    process.close()


def test_a_child_hands_it_on(context):
    value = sharedctypes.RawValue("i")
    run(context, kinds.hand_on, context.get_start_method(), value)
    assert value.value == 7


def test_over_a_fork_of_the_users_own():
    value, made = sharedctypes.RawValue("i"), sharedctypes.RawArray("i", 4)
    pid = os.fork()
    if pid == 0:
        value.value = 7
        made[3] = sharedctypes.RawValue("i", 9).value
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    assert (value.value, made[3]) == (7, 9)
    _native.sweep()


def test_what_a_forked_child_keeps_lives_on_when_the_parent_drops_it():
    reading, writing = os.pipe()
    value = sharedctypes.RawValue("i", 5)
    pid = os.fork()
    if pid == 0:
        os.close(writing)
        os.read(reading, 1)
        os._exit(value.value)
    os.close(reading)
    del value
    others = [sharedctypes.RawValue("i", 99) for _ in range(100)]
    os.close(writing)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 5
    del others
