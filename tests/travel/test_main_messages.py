"""Objects that only `__main__` can define, through pipes, connections and managers.

A child of the template has an empty `__main__`: what it gets must bring its definition along.
"""

import pytest
import support

pytestmark = pytest.mark.timeout(90)
METHODS = ["template", "fork", "spawn", "forkserver"]

PIPE = """
import manyhands as mp

class Message:
    def __init__(self, value):
        self.value = value

def echo(connection):
    while (message := connection.recv()) is not None:
        connection.send(message)

if __name__ == "__main__":
    ours, theirs = mp.Pipe()
    child = mp.get_context("{method}").Process(target=echo, args=(theirs,))
    child.start()
    for value in range(3):
        ours.send([Message(value), lambda: value])
        message, function = ours.recv()
        assert type(message) is Message and message.value == value == function()
    ours.send(None)
    child.join()
    assert child.exitcode == 0
    print("well")
"""

MANAGER = """
import manyhands as mp

class Record:
    def __init__(self, value):
        self.value = value

def double(number):
    return 2 * number

def fill(shared, key):
    shared["of the child"] = Record(shared[key].value + 1)

if __name__ == "__main__":
    context = mp.get_context("{method}")
    with context.Manager() as manager:
        shared = manager.dict()
        shared["ours"] = Record(1)
        child = context.Process(target=fill, args=(shared, "ours"))
        child.start()
        child.join()
        assert child.exitcode == 0
        assert type(shared["ours"]) is Record
        assert shared["of the child"].value == 2
        with mp.Pool(1) as pool:
            pool.apply(fill, (shared, "of the child"))
        assert shared["of the child"].value == 3
        values, space, queue = manager.list([Record(4)]), manager.Namespace(), manager.Queue()
        space.record = Record(5)
        queue.put(Record(6))
        assert [r.value for r in (values[0], space.record, queue.get(timeout=30))] == [4, 5, 6]
        with manager.Pool(2) as pool:
            assert pool.map(double, [1, 2]) == [2, 4]
    print("well")
"""

LISTENER = """
import manyhands as mp
from manyhands.connection import Client, Listener

class Message:
    pass

def call(address):
    with Client(address, authkey=b"key") as connection:
        connection.send(connection.recv())

if __name__ == "__main__":
    with Listener(authkey=b"key") as listener:
        child = mp.Process(target=call, args=(listener.address,))
        child.start()
        with listener.accept() as connection:
            connection.send(Message())
            assert type(connection.recv()) is Message
        child.join()
        assert child.exitcode == 0
    print("well")
"""


def ends_well(tmp_path, source):
    outcome = support.run_script(tmp_path, source, limit=80)
    assert (outcome.out, outcome.err, outcome.code) == ("well\n", "", 0)


@pytest.mark.parametrize("method", METHODS)
def test_through_a_pipe_and_back(tmp_path, method):
    ends_well(tmp_path, PIPE.replace("{method}", method))


@pytest.mark.parametrize("method", METHODS)
def test_in_what_a_manager_holds(tmp_path, method):
    ends_well(tmp_path, MANAGER.replace("{method}", method))


def test_through_a_socket(tmp_path):
    ends_well(tmp_path, LISTENER)
