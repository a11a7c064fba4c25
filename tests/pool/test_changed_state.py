"""What a callable holds is what it was at the call, however often the pool has seen it before."""

from __future__ import annotations

import pytest
from support import run_script

SCRIPT = """
import functools
import manyhands as mp

class Model:
    def __init__(self):
        self.weight = 0
    def predict(self, x):
        return self.weight + x

class Holder:
    def __init__(self, held):
        self.held = held
    def read(self, x):
        return self.held["k"] + x

def scaled(held, x):
    return held["k"] * x

model, settings = Model(), {{"k": 0}}
holder = Holder(settings)

with mp.Pool(2, context={method!r}) as pool:
    for step in range(3):
        model.weight = settings["k"] = step
        print(
            *pool.map(model.predict, [1, 2]),
            *pool.map(functools.partial(scaled, settings), [1]),
            *pool.map(Holder(settings).read, [0]),
            *pool.map(holder.read, [0]),
        )
"""


@pytest.mark.parametrize("method", ["template", "fork"])
def test_a_changed_object_is_sent_anew(tmp_path, method):
    outcome = run_script(tmp_path, SCRIPT.format(method=method))
    assert outcome.err == ""
    assert outcome.lines == ["1 2 0 0 0", "2 3 1 1 1", "3 4 2 2 2"]


READ = """
import manyhands as mp

class Model:
    weight = 0

model = Model()

def predict(x):
    return model.weight + x

with mp.Pool(2) as pool:
    for step in range(3):
        model.weight = step
        print(*pool.map(predict, [1]), *pool.map(lambda x: predict(x), [1]))
"""


def test_a_changed_object_that_is_only_read_is_sent_anew(tmp_path):
    assert run_script(tmp_path, READ).lines == ["1 1", "2 2", "3 3"]


LOCKED = """
import threading
import manyhands as mp

class Tool:
    def __init__(self):
        self.lock = threading.Lock()
    def run(self, x):
        with self.lock:
            return x + 1

tool = Tool()
with mp.Pool(2, context="fork") as pool:
    print(*pool.map(tool.run, [1, 2]))
"""


def test_what_cannot_be_sent_is_what_a_forked_worker_has(tmp_path):
    assert run_script(tmp_path, LOCKED).lines == ["2 3"]
