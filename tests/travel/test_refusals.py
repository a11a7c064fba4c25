"""What users see where an object cannot travel, or is gone; and what the memory's limit says."""

from __future__ import annotations

import copy
import multiprocessing
import pickle

import kinds
import pytest
from support import assert_no_names, named_objects, run_script

import manyhands
from manyhands import _native, sharedctypes


@pytest.mark.parametrize("kind", kinds.KINDS, ids=repr)
def test_an_object_cannot_be_pickled_on_its_own(kind):
    text = "should only be shared between processes through inheritance|_Array_"
    with pytest.raises((RuntimeError, pickle.PicklingError), match=text):
        pickle.dumps(kind.make())


def test_nor_by_a_pool_of_multiprocessing():
    value = sharedctypes.RawValue("i")
    with (
        multiprocessing.get_context("spawn").Pool(1) as pool,
        pytest.raises(RuntimeError, match="a manyhands pool"),
    ):
        pool.apply(kinds.same, (value,))


def test_nor_as_a_deep_copy():
    with pytest.raises(RuntimeError, match="through inheritance"):
        copy.deepcopy(sharedctypes.RawValue("i"))


def test_what_is_gone_is_a_reference_error():
    memory = _native.Memory(8)
    name = memory._handle()
    del memory
    with pytest.raises(ReferenceError, match="every process that had it has dropped it"):
        _native.Memory._adopt(*name)


def test_a_stranger_says_so():
    with pytest.raises(RuntimeError, match="no relatives of this one"):
        _native.Memory._adopt(12345, 4294967297)


def test_a_collector_keeps_what_it_met():
    with _native.Collector() as met:
        data = multiprocessing.reduction.ForkingPickler.dumps(sharedctypes.RawValue("i", 5))
    assert len(met.names()) == 1
    assert pickle.loads(data).value == 5


def test_collectors_nest():
    with _native.Collector() as outer:
        with _native.Collector() as inner:
            multiprocessing.reduction.ForkingPickler.dumps(sharedctypes.RawValue("i"))
        assert _native.collecting()
    assert (len(outer.names()), len(inner.names())) == (0, 1)
    assert not _native.collecting()


def test_too_much_memory_is_a_memory_error_that_names_the_limit(tmp_path):
    script = """
        from manyhands import sharedctypes
        kept = sharedctypes.RawArray("b", 20 << 20)
        try:
            sharedctypes.RawArray("b", 100 << 20)
        except MemoryError as error:
            print(error)
        sharedctypes.RawArray("b", 20 << 20)
        """
    outcome = run_script(tmp_path, script, env={"MANYHANDS_MEMORY": "64M"})
    assert outcome.code == 0, outcome.err
    assert f"{64 << 20} bytes" in outcome.out
    assert "MANYHANDS_MEMORY" in outcome.out


def test_a_limit_that_is_none_is_said(tmp_path):
    script = "from manyhands import sharedctypes; sharedctypes.RawValue('i')"
    outcome = run_script(tmp_path, script, env={"MANYHANDS_MEMORY": "much"})
    assert outcome.code == 1
    assert "MANYHANDS_MEMORY is 'much'" in outcome.err


def test_the_limit_is_that_of_the_whole_family(tmp_path):
    script = """
        import manyhands as mp
        from manyhands import sharedctypes

        def fill(_):
            kept = [sharedctypes.RawArray("b", 8 << 20) for _ in range(100)]

        with mp.Pool(1) as pool:
            try:
                pool.apply(fill, (0,))
            except MemoryError as error:
                print("full")
        """
    outcome = run_script(tmp_path, script, env={"MANYHANDS_MEMORY": "64M"})
    assert (outcome.code, outcome.lines) == (0, ["full"]), outcome.err


def test_many_objects_need_few_descriptors_and_leave_nothing(tmp_path):
    script = """
        import os, resource
        import manyhands as mp
        from manyhands import sharedctypes

        def add(values):
            for value in values:
                value.value += 1
            return values

        if __name__ == "__main__":
            resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024))
            values = [sharedctypes.RawValue("i") for _ in range(10_000)]
            with mp.Pool(2) as pool:
                back = pool.apply(add, (values,))
                lazily = pool.map(add, [values[:10]] * 10)
            assert sum(v.value for v in values) == 10_100, sum(v.value for v in values)
            assert len(os.listdir("/proc/self/fd")) < 50
            print("done")
        """
    before, own = named_objects(), tmp_path / "tmp"
    own.mkdir()
    outcome = run_script(tmp_path, script, env={"TMPDIR": str(own)})
    assert (outcome.code, outcome.lines) == (0, ["done"]), outcome.err
    assert_no_names(before)
    assert list(own.iterdir()) == []


def test_ten_thousand_locks_go_to_a_process(tmp_path):
    script = """
        import os, resource
        import manyhands as mp

        def take(locks):
            for lock in locks:
                with lock:
                    pass
            locks[-1].acquire()

        if __name__ == "__main__":
            resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024))
            locks = [mp.Lock() for _ in range(10_000)]
            process = mp.Process(target=take, args=(locks,))
            process.start()
            process.join()
            print(process.exitcode, locks[0].acquire(False), locks[-1].acquire(False))
        """
    outcome = run_script(tmp_path, script)
    assert (outcome.code, outcome.lines) == (0, ["0 True False"]), outcome.err


def test_a_context_that_knows_nothing_of_us_still_has_pools():
    with manyhands.Pool(1, context=multiprocessing.get_context("spawn")) as pool:
        value = sharedctypes.RawValue("i")
        pool.apply(kinds.set_value, (value,))
    assert value.value == 7
