"""What children of the tests of pipes run: a module that they can import."""

from __future__ import annotations


def echo(connection):
    """Answer with what comes, until None comes or the end."""
    try:
        while (value := connection.recv()) is not None:
            connection.send(value)
    except EOFError:
        pass
    connection.close()
