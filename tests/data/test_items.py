"""Large data as arguments, results, initargs, code, queue items and messages."""

from __future__ import annotations

import functools
import pickle
import threading

import kills
import library_kinds
import numpy as np
import pytest
import samples
import support

import manyhands
from manyhands import _native

METHODS = ["template", "fork", "spawn", "forkserver"]
pytestmark = [
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded"),
    pytest.mark.usefixtures("memory_comes_back"),
]

every = pytest.mark.parametrize("sample", samples.SAMPLES, ids=repr)


@every
def test_an_argument_has_its_values_and_can_be_read(workers, sample):
    same, writable = workers.apply(samples.look, ((sample.name, sample.make()),))
    assert same
    if sample.writable and sample.view:
        assert not writable


@every
def test_a_whole_argument_of_map(workers, sample):
    looks = workers.starmap(samples.look_at_whole, [(sample.make(), sample.name)] * 5)
    assert all(same for same, _ in looks)


@every
def test_a_result_has_its_values_and_is_the_callers_own(workers, sample):
    made = workers.map(samples.make, [sample.name] * 3)
    expected = sample.make()
    for obj in made:
        assert sample.same(obj, expected)
        if sample.writable and sample.name != "broadcast":
            assert sample.writable(obj)


@every
def test_what_comes_back_as_it_went(workers, sample):
    assert sample.same(workers.map(samples.send_back, [sample.make()])[0], sample.make())


@every
def test_results_one_by_one(workers, sample):
    expected = sample.make()
    for obj in workers.imap(samples.make, [sample.name] * 10):
        assert sample.same(obj, expected)


@pytest.mark.parametrize("method", METHODS)
def test_initargs_under_every_start_method(method):
    context = manyhands.get_context(method)
    for sample in samples.SAMPLES[:: 1 if method == "template" else 6]:
        with context.Pool(1, samples.keep, (sample.name, sample.make())) as pool:
            same, writable = pool.apply(samples.look_at_kept, (sample.name,))
            assert same, sample
            if sample.writable and sample.view:
                assert not writable, sample


@every
def test_what_code_closes_over(workers, sample):
    look = functools.partial(samples.look_for, sample.make(), sample.name)
    assert all(same for same, _ in workers.map(look, range(4)))


def test_a_method_of_a_large_object_is_sent_once(workers):
    record = samples.Record("r", np.ones(1_000_000))
    before = _native.usage()[0]
    assert workers.map(record.sum, range(300)) == [1e6 * factor for factor in range(300)]
    assert _native.usage()[0] - before < 3 * record.data.nbytes
    huge = samples.Record("h", np.ones(3_000_000))  # no warning: it is no burden for each worker
    assert workers.map(huge.sum, [2]) == [6e6]


@every
def test_a_queue_item_is_the_takers_own(sample):
    queue = manyhands.Queue()
    queue.put(sample.make())
    queue.put([1, sample.make()])
    for obj in (queue.get(), queue.get()[1]):
        assert sample.same(obj, sample.make())
        if sample.writable and sample.name != "broadcast":
            assert sample.writable(obj)


@every
def test_a_queue_that_counts_bytes(sample):
    queue = manyhands.Queue(2, max_bytes=10_000_000)
    queue.put(sample.make())
    assert sample.same(queue.get(), sample.make())


@every
def test_a_message_is_the_receivers_own(sample):
    here, there = manyhands.Pipe()
    with here, there:
        for _ in range(2):
            sender = threading.Thread(target=here.send, args=(sample.make(),))
            sender.start()
            obj = there.recv()
            sender.join()
            assert sample.same(obj, sample.make())
            if sample.writable and sample.name != "broadcast":
                assert sample.writable(obj)


def test_a_message_as_bytes():
    here, there = manyhands.Pipe()
    with here, there:
        here.send(samples.numbers())
        assert np.array_equal(pickle.loads(there.recv_bytes()), samples.numbers())


@pytest.mark.parametrize("method", METHODS)
def test_arguments_of_a_process_and_items_from_it(method):
    context = manyhands.get_context(method)
    queue = context.Queue()
    for sample in samples.SAMPLES[:: 1 if method == "template" else 6]:
        process = context.Process(target=samples.answer, args=(queue, sample.name, sample.make()))
        process.start()
        (same, _), obj = queue.get(timeout=30)
        process.join()
        process.close()
        assert same, sample
        assert sample.same(obj, sample.make()), sample


# What dies


def test_a_worker_that_dies_leaves_nothing():
    with manyhands.Pool(2) as pool:
        for _ in range(3):
            with pytest.raises(manyhands.WorkerDied):
                pool.apply(samples.die, (samples.numbers(),))
        assert pool.map(samples.total, [np.ones(30_000)] * 4) == [3e4] * 4


def test_a_producer_that_dies_leaves_its_items():
    queue = manyhands.Queue()
    process = manyhands.Process(target=samples.put_and_die, args=(queue,))
    process.start()
    process.join()
    process.close()
    for number in range(5):
        assert queue.get(timeout=30)[5] == number + 5


def test_a_consumer_that_dies_leaves_nothing():
    queue = manyhands.Queue()
    for _ in range(3):
        queue.put(samples.numbers())
    process = manyhands.Process(target=samples.take_and_die, args=(queue,))
    process.start()
    process.join()
    process.close()
    assert np.array_equal(queue.get(timeout=30), samples.numbers())


def test_a_result_outlives_its_pool():
    with manyhands.Pool(2) as pool:
        made = pool.map(samples.make, ["vector"] * 3)
    pool.join()
    assert all(np.array_equal(obj, samples.numbers()) for obj in made)


def test_a_view_outlives_its_item_in_the_worker():
    with manyhands.Pool(1) as pool:
        pool.apply(samples.keep, ("vector", samples.numbers()))
        pool.map(samples.total, [np.full(50_000, 5.0)] * 20)
        assert pool.apply(samples.look_at_kept, ("vector",))[0]


def test_results_that_nobody_takes_cost_nothing(workers):
    iterator = workers.imap(samples.make, ["vector"] * 50)
    next(iterator)
    del iterator
    result = workers.map_async(samples.make, ["vector"] * 10)
    del result
    # What comes when nobody waits is read with the next call.
    assert workers.map(samples.total, [np.ones(30_000)] * 20) == [3e4] * 20


# Bounds


def test_descriptors_do_not_grow(workers):
    before = len(support.open_files())
    made = workers.map(samples.make, ["every_third"] * 300)
    assert len(support.open_files()) == before
    assert len(made) == 300


def test_a_stream_stays_within_its_bound(workers):
    """A gigabyte through 64 MiB; `make deep` sends a hundred."""
    stream(workers, 250)


@pytest.mark.deep
@pytest.mark.timeout(600)
def test_a_long_stream_stays_within_its_bound(workers):
    stream(workers, 25_000)


def stream(workers, count):
    size, bound = 4_000_000, 64 << 20
    start = _native.usage()[0]
    arrays = (np.full(size // 8, float(number)) for number in range(count))
    most = 0
    for number, result in enumerate(workers.imap(samples.twice, arrays)):
        assert result[0] == 2 * number
        most = max(most, _native.usage()[0] - start)
    print(f"{count} arrays of 4 MB: {most / 1e6:.0f} MB of shared memory at most")
    # What waits, what is being made, and what is kept warm.
    assert most <= 2 * bound + 8 * size, f"{most / 1e6:.0f} MB"


def test_past_the_budget_is_a_memory_error_that_names_it(tmp_path):
    outcome = support.run_script(
        tmp_path,
        """
        import manyhands, numpy

        def total(array):
            return array.sum()

        def make(size):
            return numpy.ones(size)

        with manyhands.Pool(2) as pool:
            # Smaller items than the budget go through it, however many.
            assert pool.map(total, [numpy.ones(500_000)] * 40) == [5e5] * 40
            for call in (lambda: pool.apply(total, (numpy.ones(10_000_000),)),
                         lambda: pool.apply(make, (10_000_000,))):
                try:
                    call()
                except MemoryError as error:
                    print("MANYHANDS_MEMORY" in str(error), "50331648" in str(error))
            print(pool.apply(total, (numpy.ones(1000),)))
        """,
        env={"MANYHANDS_MEMORY": "48M"},
    )
    assert outcome.lines == ["True True", "True True", "1000.0"], outcome.err


# Files


PARTS = {
    "whole": lambda array: array,
    "rows": lambda array: array[10:20],
    "column": lambda array: array[:, 3],
    "backwards": lambda array: array[::-2, ::3],
    "turned": lambda array: array.T,
    "one": lambda array: array[5:6, 5:6],
}


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("mode", ["r", "r+"])
def test_a_memmap_is_mapped_on_the_other_side(workers, tmp_path, part, mode):
    path = tmp_path / "numbers"
    np.arange(50_050.0).tofile(path)
    array = PARTS[part](np.memmap(path, float, mode, 400, (1_000, 50)))
    expected = np.array(array)
    for send in (array, samples.Record("deep", array)):
        found = workers.apply(samples.look_at_file, (send,))
        assert found == ("memmap", float(expected.sum()), mode == "r+")
    back = workers.apply(samples.send_back, (array,))
    assert type(back) is np.memmap
    assert np.array_equal(back, expected)
    if mode == "r+":
        workers.apply(samples.add_one, (array,))
        assert np.array_equal(array, expected + 1)


def test_a_memmap_that_was_changed_for_this_process_alone_goes_by_value(workers, tmp_path):
    path = tmp_path / "numbers"
    np.arange(50_000.0).tofile(path)
    array = np.memmap(path, float, "c", 0, (50_000,))
    array[0] = 99
    assert workers.apply(samples.total, (array,)) == float(array.sum())
    path.unlink()
    gone = np.memmap(tmp_path / "gone", float, "w+", 0, (50_000,))
    gone[:] = 1
    (tmp_path / "gone").unlink()
    assert workers.apply(samples.total, (gone,)) == 50_000


def test_a_memmap_of_a_file_that_another_took_the_name_of_goes_by_value(workers, tmp_path):
    path, other = tmp_path / "numbers", tmp_path / "other"
    np.ones(50_000).tofile(path)
    np.zeros(50_000).tofile(other)
    array = np.memmap(path, float, "r+")
    other.replace(path)
    for part in (array, array[10:]):
        assert workers.apply(samples.total, (part,)) == len(part)
    path.rename(other)
    assert workers.apply(samples.total, (array,)) == 50_000
    np.zeros(50_000).tofile(path)
    assert workers.apply(samples.total, (array[::2],)) == 25_000


@pytest.mark.parametrize("mode", ["r", "r+"])
def test_kills_on_either_side_of_a_memmap(workers, tmp_path, mode):
    path = tmp_path / "numbers"
    np.arange(50_050.0).tofile(path)
    kills.check_all(kills.ObjectKind(library_kinds.memmap, (str(path), mode), np.array_equal))
    assert np.array_equal(np.fromfile(path), np.arange(50_050.0))
