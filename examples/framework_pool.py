"""A deep-learning framework in a `Pool`: the initializer imports it into globals that tasks use.

Each worker builds its model once; the parent never imports the framework. Runs with PyTorch, JAX or
TensorFlow, whichever is installed, on a GPU if there is one.

    python examples/framework_pool.py [how many tasks]
"""

import sys

from framework import FRAMEWORKS, NONE_INSTALLED, is_installed, load

import manyhands as mp

name = None
predict = None


def build():
    """Run once in each worker, before its first task."""
    global name, predict
    name, predict = load()


def ask(number):
    return name, predict([float(number), 1.0])


def main():
    if not any(map(is_installed, FRAMEWORKS)):
        raise SystemExit(NONE_INSTALLED)
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 8
    with mp.Pool(2, initializer=build) as pool:
        answers = pool.map(ask, range(count))
    print("answered by", *sorted({framework for framework, _ in answers}))
    print("answers:", *(round(answer, 3) for _, answer in answers))
    loaded = [module for module in FRAMEWORKS if module in sys.modules]
    print("imported by the parent:", *(loaded or ["none"]))


if __name__ == "__main__":
    main()
