"""`empty`, `zeros`, `copy` and `share`: one memory for all, wherever its objects go."""

from __future__ import annotations

import copy
import gc
import pickle

import numpy as np
import pytest
import samples
import support
from usage import SLACK, used

import manyhands

METHODS = ["template", "fork", "spawn", "forkserver"]
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")

VIEWS = {
    "whole": lambda array: array,
    "a_row": lambda array: array[3],
    "a_column": lambda array: array[:, 2],
    "every_second": lambda array: array[::2, ::3],
    "turned": lambda array: array.T,
    "backwards": lambda array: array[::-1],
    "one_number": lambda array: array[2:3, 1:2],
    "no_dimension": lambda array: array[2:3, 1:2].reshape(()),
    "matrix": lambda array: array.view(np.matrix)[1:],
    "masked": lambda array: np.ma.array(array, copy=False),
}


@pytest.fixture(scope="module")
def workers():
    with manyhands.Pool(2) as pool:
        pool.map(samples.total, [np.ones(30_000)] * 50)
        yield pool


@pytest.mark.parametrize("shape", [(8, 6), (300, 200)], ids=["small", "large"])
@pytest.mark.parametrize("view", VIEWS)
def test_a_view_of_a_shared_array_is_the_same_memory(workers, view, shape):
    array = manyhands.zeros(shape)
    part = VIEWS[view](array)
    workers.apply(samples.add_one, (part,))
    workers.map(samples.add_one, [part])
    workers.apply(samples.add_one_within, ({"deep": [samples.Record("r", part)]},))
    assert (part == 3).all()
    assert array.sum() == 3 * part.size
    back = workers.apply(samples.send_back, (part,))
    back += 1
    assert (part == 4).all()


@pytest.mark.parametrize("method", METHODS)
def test_under_every_start_method_and_by_every_way(method):
    context = manyhands.get_context(method)
    array = manyhands.zeros((4, 5), int)
    with context.Pool(1, samples.keep, ("array", array)) as pool:
        pool.apply(samples.add_one_to_kept, ("array",))
    process = context.Process(target=samples.add_one, args=(array[:2],))
    process.start()
    process.join()
    process.close()
    queue = context.Queue()
    queue.put(array)
    process = context.Process(target=samples.add_one_from, args=(queue,))
    process.start()
    process.join()
    process.close()
    assert array.tolist() == [[3] * 5] * 2 + [[2] * 5] * 2


def test_a_record_array_is_the_same_memory(workers):
    array = manyhands.zeros(30, [("a", "f8"), ("b", "i4")])
    workers.apply(samples.set_field, (array.view(np.recarray),))
    workers.apply(samples.set_field, (array.view(np.recarray)[20:], "b"))
    assert (array["a"] == 7).all()
    assert array["b"].tolist() == [0] * 20 + [7] * 10


def test_a_view_that_cannot_be_written_stays_so(workers):
    array = manyhands.zeros((50, 60))
    for view in (array[:], array[:, ::2]):
        view.flags.writeable = False
        assert workers.apply(samples.look_at_flags, (view,)) == (False, False)
    assert workers.apply(samples.look_at_flags, (array,)) == (True, False)


def test_code_that_holds_a_shared_array(workers):
    array = manyhands.zeros(3)

    def add(number):
        array[number] += 1

    workers.map(add, range(3), chunksize=1)
    assert array.tolist() == [1, 1, 1]


def test_a_shared_array_through_a_queue_that_counts_bytes():
    queue = manyhands.Queue(max_bytes=10_000)
    array = manyhands.zeros((100, 100))
    queue.put(array)
    taken = queue.get()
    taken[5, 5] = 7
    assert array[5, 5] == 7


def test_a_shared_array_through_a_pipe():
    array = manyhands.copy(np.arange(10))
    here, there = manyhands.Pipe()
    with here, there:
        here.send([array, array[2:4]])
        whole, part = there.recv()
    part[:] = 0
    assert whole.tolist() == array.tolist() == [0, 1, 0, 0, 4, 5, 6, 7, 8, 9]


def test_what_is_made_in_a_worker_lives_on(workers):
    made = workers.map(samples.make_shared, range(5))
    assert [array.tolist() for array in made] == [[number] * 4 for number in range(5)]


def test_shared_memory_goes_with_the_last_array(workers):
    gc.collect()
    before = used()
    array = manyhands.empty(1_000_000)
    array[:] = 1
    part = array[10:20]
    assert workers.apply(samples.total, (array,)) == 1e6
    assert used() >= before + 8_000_000
    del array
    assert used() >= before + 8_000_000
    assert workers.apply(samples.total, (part,)) == 10
    del part

    def is_back():
        gc.collect()
        return used() <= before + SLACK

    support.wait_until(is_back, lambda: f"{used()} of {before}")


def test_plain_pickle_and_deepcopy_make_copies():
    array = manyhands.copy(np.arange(5))
    for other in (pickle.loads(pickle.dumps(array)), copy.deepcopy(array), array + 0):
        other[0] = 99
    assert array[0] == 0


def test_shapes_types_and_errors():
    assert manyhands.empty(3).shape == (3,)
    assert manyhands.zeros((2, 0)).shape == (2, 0)
    assert manyhands.zeros(()).shape == ()
    assert manyhands.zeros(2, "i2").dtype == np.int16
    assert manyhands.zeros(2, [("a", "i4"), ("b", "f8")])["b"].tolist() == [0, 0]
    assert manyhands.copy([[1, 2]]).tolist() == [[1, 2]]
    strided = manyhands.copy(np.arange(10)[::-2])
    assert strided.tolist() == [9, 7, 5, 3, 1]
    with pytest.raises(TypeError, match="references to objects"):
        manyhands.zeros(3, object)
    with pytest.raises(ValueError, match="negative"):
        manyhands.zeros((3, -1))
    with pytest.raises(MemoryError, match="MANYHANDS_MEMORY"):
        manyhands.empty(1 << 32)


# share


def test_a_shared_array_cannot_be_written_and_never_moves(workers):
    array = manyhands.share(np.arange(1_000_000.0))
    assert isinstance(array, np.ndarray)
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1
    gc.collect()
    before = used()
    expected = float(array.sum())
    assert workers.map(samples.total, [array] * 50) == [expected] * 50
    assert workers.map(samples.total_of_part, [(array[:500_000], 2)] * 4)
    assert used() <= before + SLACK
    assert workers.apply(samples.look_at_flags, (array,)) == (False, False)


@pytest.mark.parametrize(
    "sample", [s for s in samples.SAMPLES if s.view and s.name != "buffer"], ids=repr
)
def test_whatever_is_full_of_data_comes_back_as_itself(workers, sample):
    shared = manyhands.share(sample.make())
    assert sample.same(shared, sample.make())
    if sample.writable:
        assert not sample.writable(shared)
    assert all(same for same, _ in workers.map(samples.look, [(sample.name, shared)] * 3))


def test_any_other_object_is_built_once_in_each_process(workers):
    table = manyhands.share(samples.Table({number: str(number) for number in range(5_000)}))
    assert table["17"] == "17"
    assert table.name == "table"
    assert len(table) == 5_000
    found = workers.map(samples.look_up, [(table, number) for number in range(40)])
    assert [text for text, _ in found] == [str(number) for number in range(40)]
    # Each of the two workers has built one.
    assert len({identity for _, identity in found}) <= 2
    with pytest.raises(AttributeError, match="cannot be changed"):
        table.name = "other"


def test_what_is_no_longer_shared_is_dropped_where_it_was_built():
    with manyhands.Pool(1) as pool:
        for _ in range(5):
            table = manyhands.share({number: str(number) for number in range(5_000)})
            assert pool.map(len, [table] * 3) == [5_000] * 3
        other = manyhands.share({1: 2})
        assert pool.map(samples.built_of, [table, other]) == [1, 2]


def test_shared_things_of_main(tmp_path):
    outcome = support.run_script(
        tmp_path,
        """
        import manyhands as mp
        import numpy as np

        class Model:
            def __init__(self):
                self.weights = np.arange(100_000.0)
                self.names = ["a", "b"]

            def score(self, number):
                return self.names[number % 2] + str(self.weights[number])

        class Words:
            def __init__(self):
                self.words = [str(n) for n in range(10_000)]

            def find(self, number):
                return self.words[number]

        model, words = mp.share(Model()), mp.share(Words())

        def both(number):
            return model.score(number) + words.find(number)

        with mp.Pool(2) as pool:
            print(pool.map(model.score, [1, 2]), pool.map(words.find, [3]))
            print(pool.map(both, [1, 2]))
            print(pool.starmap(Model.score, [(model, 3)]))
        print(type(model).__name__, model.weights.flags.writeable)
        """,
    )
    assert outcome.lines == [
        "['b1.0', 'a2.0'] ['3']",
        "['b1.01', 'a2.02']",
        "['b3.0']",
        "Model False",
    ], outcome.err
