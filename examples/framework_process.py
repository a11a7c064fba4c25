"""A deep-learning framework in a `Process`: the child imports it, the parent never does.

The target imports the framework, chooses a device, builds a model, and serves a queue of tasks into
a queue of results until it is terminated. So the parent has no GPU context that a fork could break,
and several such processes each have one of their own. Runs with PyTorch, JAX or TensorFlow,
whichever is installed, on a GPU if there is one.

    python examples/framework_process.py [how many tasks]
"""

import sys

from framework import FRAMEWORKS, NONE_INSTALLED, is_installed, load

import manyhands as mp


def serve(tasks, results):
    """Build the model, then answer each task: (index, input) -> (index, output)."""
    name, predict = load()
    results.put(name)
    while True:
        index, row = tasks.get()
        results.put((index, predict(row)))


def main():
    if not any(map(is_installed, FRAMEWORKS)):
        raise SystemExit(NONE_INSTALLED)
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 8
    tasks, results = mp.Queue(), mp.Queue()
    server = mp.Process(target=serve, args=(tasks, results), daemon=True)
    server.start()
    print("served by", results.get())
    for index in range(count):
        tasks.put((index, [float(index), 1.0]))
    answers = dict(results.get() for _ in range(count))
    server.terminate()
    server.join()
    print("answers:", *(round(answers[index], 3) for index in range(count)))
    loaded = [module for module in FRAMEWORKS if module in sys.modules]
    print("imported by the parent:", *(loaded or ["none"]))
    print("exit code:", server.exitcode)


if __name__ == "__main__":
    main()
