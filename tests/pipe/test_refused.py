"""A connection that nobody can receive any more."""

from __future__ import annotations

import pytest

import manyhands


def put(queue, connection):
    queue.put(connection)


def test_a_connection_whose_sender_has_ended_says_so():
    queue = manyhands.Queue()
    ours, theirs = manyhands.Pipe()
    process = manyhands.Process(target=put, args=(queue, theirs))
    process.start()
    process.join()
    theirs.close()
    with pytest.raises(manyhands.UnpicklingError) as caught:
        queue.get(timeout=10)
    text = str(caught.value)
    assert "the process that sent this connection has ended" in text
    assert text.count("could not be rebuilt") == 1
    ours.close()
