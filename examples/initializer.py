"""Load something heavy once in each worker: the initializer puts it into a global, tasks read it.

`model` is None in the parent for good. Each worker runs `load` once, before its first task, and
keeps what it loaded for all of them.

    python examples/initializer.py [entries of the model] [questions]
"""

import os
import sys

import manyhands as mp

model = None


def load(size):
    """Stand in for what takes seconds: weights from a file, an index, a connection."""
    global model  # noqa: PLW0603 - a global of the worker is the point of this example
    model = {"loaded by": os.getpid(), "table": {number: number**3 for number in range(size)}}


def ask(number):
    """Answer from the worker's model, and say who loaded it and who answers."""
    return model["table"][number % len(model["table"])], model["loaded by"], os.getpid()


def main():
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    questions = int(sys.argv[2]) if len(sys.argv) > 2 else 1_000
    with mp.Pool(initializer=load, initargs=(size,)) as pool:
        answers = pool.map(ask, range(questions))
    print("sum of answers:", sum(answer for answer, _, _ in answers))
    print("every worker used its own model:", all(loader == user for _, loader, user in answers))
    print("the parent's model is still:", model)


if __name__ == "__main__":
    main()
