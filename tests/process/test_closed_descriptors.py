"""A program closes all descriptors, as daemons do, and opens its own files under their numbers."""

from __future__ import annotations

from support import run_script

DAEMON = """
import os
import manyhands as mp

def add(x):
    return x + 1

def put(queue, value):
    queue.put(value)

queue, lock = mp.Queue(), mp.Lock()
with mp.Pool(2) as pool:
    pool.map(add, range(3))
child = os.fork()
if child:
    raise SystemExit(os.waitpid(child, 0)[1])

os.closerange(3, 1000)
files = [os.open("own", os.O_RDWR | os.O_CREAT) for _ in range(30)]
os.write(files[0], b"own" * 100_000)

with lock:
    queue.put(1)
print("what was there works on:", queue.get())
try:
    queue.put(bytes(64 << 20))
except MemoryError as error:
    print("it does not grow:", "closed the descriptor" in str(error))
try:
    mp.Process(target=put, args=(queue, 2)).start()
except mp.PicklingError as error:
    print("it does not travel:", "closed the descriptor" in str(error))

with mp.Pool(2) as pool:
    print(pool.map(add, range(3)))
    print(len(pool.apply(bytes, (5 << 20,))))
queue = mp.Queue()
queue.put(bytes(5 << 20))
print(len(queue.get()))
process = mp.Process(target=put, args=(queue, 3))
process.start()
process.join()
print(process.exitcode, queue.get(timeout=30))
here, there = mp.Pipe()
here.send(bytes(1 << 10))
print(len(there.recv()))

with open("own", "rb") as file:
    print("own files:", file.read() == b"own" * 100_000)
print(all(os.fstat(file).st_size == 300_000 for file in files), flush=True)
os._exit(0)
"""


def test_a_daemon_that_closes_all_files_goes_on_with_new_memory(tmp_path):
    outcome = run_script(tmp_path, DAEMON)
    assert outcome.lines == [
        "what was there works on: 1",
        "it does not grow: True",
        "it does not travel: True",
        "[1, 2, 3]",
        "5242880",
        "5242880",
        "0 3",
        "1024",
        "own files: True",
        "True",
    ], outcome.err
