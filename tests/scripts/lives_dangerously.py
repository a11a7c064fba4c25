"""A program that is killed at some moment: it uses pools, processes and queues, for ever.

    python lives_dangerously.py FIRST

It prints a line when it begins something else: what it did when it was killed can be told by the
last one. FIRST is the number of what it begins with.
"""

import itertools
import subprocess
import sys
import time

print("import", flush=True)

import manyhands as mp  # noqa: E402 - its import is one of the things that are interrupted


def work(x):
    time.sleep(0.001)
    return x * x


def start_child(x):
    """What a worker starts ends with it."""
    child = subprocess.Popen(["sleep", "1000"])
    time.sleep(0.02)
    child.kill()
    child.wait()
    return x


def echo(inbox, outbox):
    for item in iter(inbox.get, None):
        outbox.put(item)


def use_pool(method):
    with mp.Pool(3, context=method) as pool:
        assert pool.map(work, range(12)) == [x * x for x in range(12)]
        assert list(pool.imap(work, range(12))) == [x * x for x in range(12)]
        results = [pool.apply_async(start_child, (x,)) for x in range(3)]
        assert [result.get() for result in results] == [0, 1, 2]


def use_processes(method):
    context = mp.get_context(method)
    inbox, outbox = context.Queue(), context.Queue(5)
    processes = [context.Process(target=echo, args=(inbox, outbox)) for _ in range(2)]
    for process in processes:
        process.start()
    inbox.put_many([bytes(10_000)] * 20)
    for _ in range(20):
        outbox.get()
    inbox.put_many([None, None])
    for process in processes:
        process.join()


def use_shared_things():
    lock, value, array = mp.Lock(), mp.Value("i", 0), mp.Array("d", 1000)
    first, second = mp.Pipe()
    with lock:
        value.value += 1
        array[0] = 1.0
        first.send(bytes(100))
        second.recv()
    time.sleep(0.02)


USES = {
    "pool by template": lambda: use_pool("template"),
    "pool by fork": lambda: use_pool("fork"),
    "processes by template": lambda: use_processes("template"),
    "processes by fork": lambda: use_processes("fork"),
    "locks, values, pipes": use_shared_things,
}

if __name__ == "__main__":
    for number in itertools.count(int(sys.argv[1])):
        name = list(USES)[number % len(USES)]
        print(name, flush=True)
        USES[name]()
