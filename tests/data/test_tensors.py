"""Tensors of torch, where it is installed: exact, of every type, in both directions."""

from __future__ import annotations

import os
from multiprocessing import resource_sharer
from typing import Any

import kills
import library_kinds
import numpy as np
import pytest
import samples

import manyhands
from manyhands import _native

torch: Any = None
pytestmark = pytest.mark.deep

KINDS = ["float64", "float32", "float16", "bfloat16", "complex64", "int64", "int8", "uint8", "bool"]
VIEWS = {
    "whole": lambda tensor: tensor,
    "columns": lambda tensor: tensor[:, 10:150],
    "every_second": lambda tensor: tensor[::2, ::3],
    "turned": lambda tensor: tensor.t(),
    "rows": lambda tensor: tensor[3:160],
    "expanded": lambda tensor: tensor[:1].expand(300, 200),
}


def same(one, other):
    return (
        type(one) is type(other)
        and one.dtype is other.dtype
        and one.shape == other.shape
        and one.requires_grad == other.requires_grad
        and torch.equal(one.detach(), other.detach())
    )


def numbers(kind):
    return library_kinds.tensor(kind)


@pytest.fixture(scope="module", autouse=True)
def library():
    """Imported late: it is heavy. Its variables are not the other tests'."""
    before = dict(os.environ)
    globals()["torch"] = pytest.importorskip("torch")
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="module")
def workers(library):
    with manyhands.Pool(2) as pool:
        pool.map(samples.total, [np.ones(30_000)] * 50)
        yield pool


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("view", VIEWS)
def test_there_and_back(workers, kind, view):
    tensor = VIEWS[view](numbers(kind))
    queue = manyhands.Queue()
    queue.put({"deep": [tensor]})
    here, there = manyhands.Pipe()
    with here, there:
        here.send(tensor)
        back = [there.recv(), queue.get()["deep"][0], *workers.map(samples.send_back, [tensor] * 2)]
    for other in back:
        assert same(other, tensor)


def test_not_a_number_and_the_sign_of_zero_stay():
    tensor = torch.tensor([float("nan"), -0.0, float("inf")] * 9_000, dtype=torch.bfloat16)
    queue = manyhands.Queue()
    queue.put(tensor)
    bits = queue.get().view(torch.int16)
    assert torch.equal(bits, tensor.view(torch.int16))


def test_what_arrives_can_be_written_and_is_not_what_was_sent(workers):
    tensor = torch.ones(300, 300)
    queue = manyhands.Queue()
    queue.put(tensor)
    taken = queue.get()
    taken += 1
    assert workers.apply(samples.add_one_and_total, (tensor,)) == 2 * 90_000
    assert float(tensor.sum()) == 90_000
    assert float(taken.sum()) == 180_000


def test_gradients_layers_and_small_ones(workers):
    leaf = torch.ones(100_000, requires_grad=True)
    back = workers.map(samples.send_back, [leaf])[0]
    assert back.requires_grad
    assert back.is_leaf
    layer = torch.nn.Linear(300, 300)
    other = workers.map(samples.send_back, [layer])[0]
    assert type(other.weight) is torch.nn.Parameter
    for name, values in layer.state_dict().items():
        assert same(other.state_dict()[name], values)
    for small in (torch.ones(3), torch.ones(20, 20)[:, ::7], torch.tensor(5), torch.ones(0, 3)):
        assert same(workers.apply(samples.send_back, (small,)), small)
    # torch sends a parameter's memory as a descriptor, by a server that goes on.
    resource_sharer.stop(timeout=20)


def test_channels_last_stays_so(workers):
    images = torch.rand(2, 3, 100, 100).contiguous(memory_format=torch.channels_last)
    back = workers.map(samples.send_back, [images])[0]
    assert back.is_contiguous(memory_format=torch.channels_last)
    assert same(back, images)


def test_a_tensor_in_shared_memory_is_sent_as_its_place(workers):
    array = manyhands.zeros((300, 200), "f4")
    tensor = torch.frombuffer(array, dtype=torch.float32).reshape(300, 200)
    workers.apply(samples.add_one, (tensor,))
    workers.apply(samples.add_one, (tensor[:, ::2],))
    assert array.sum() == 300 * 200 + 300 * 100
    shared = manyhands.share(tensor.clone())
    before = _native.usage()[0]
    assert workers.map(samples.total, [shared] * 20) == [float(array.sum())] * 20
    assert _native.usage()[0] - before < shared.nbytes


def test_a_part_of_a_large_tensor_brings_no_more_than_itself(workers):
    before = _native.usage()[0]
    large = torch.zeros(20_000_000)
    assert workers.apply(samples.total, (large[:10_000],)) == 0
    assert _native.usage()[0] - before < large.nbytes / 4


@pytest.mark.usefixtures("memory_comes_back")
@pytest.mark.parametrize("kind", ["float32", "bfloat16", "bool"])
@pytest.mark.parametrize("make", [library_kinds.tensor, library_kinds.columns_of_tensor])
def test_kills_on_either_side(workers, make, kind):
    kills.check_all(kills.ObjectKind(make, (kind,), same))
