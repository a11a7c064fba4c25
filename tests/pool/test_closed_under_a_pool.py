"""A program closes all descriptors while it uses a pool, and opens its own files instead.

Nothing hangs, what waits gets an error that says why, the files of the program stay as they are,
and what is made anew works.
"""

from __future__ import annotations

import pytest
from support import run_script

BEGIN = """
import os, sys, time
import manyhands as mp

METHOD, OPENS = {method!r}, {opens!r}
context = mp.get_context(METHOD)

def work(seconds):
    time.sleep(seconds)
    return seconds

def close_all():
    global files
    os.closerange(3, 1000)
    files = [os.open("own", os.O_RDWR | os.O_CREAT) for _ in range(60 if OPENS else 0)]
    if files:
        os.write(files[0], b"own" * 1000)

def say(what, call):
    began = time.monotonic()
    try:
        outcome = call()
    except (mp.WorkerDied, mp.LaunchError) as error:
        outcome = f"lost {{'has closed descriptors' in str(error)}}"
    print(what, outcome, time.monotonic() - began < 30)

def new():
    with context.Pool(2) as pool:
        return pool.map(work, [0, 0, 0])

def whole():
    for file in files:
        assert os.fstat(file).st_size == 3000
    assert all(os.lseek(file, 0, os.SEEK_CUR) == 0 for file in files[1:])
    if files:
        assert os.pread(files[0], 4000, 0) == b"own" * 1000
    return "yes"

def main():
    pool = context.Pool(2)
    print(pool.map(work, [0] * 5))
{then}
    say("new", new)
    say("whole", whole)
    print("end", flush=True)

if __name__ == "__main__":
    main()
"""

END = ["new [0, 0, 0] True", "whole yes True", "end"]

each_way = pytest.mark.parametrize(
    ("method", "opens"),
    [("template", False), ("template", True), ("fork", False), ("fork", True)],
)


def lines(tmp_path, method, opens, then):
    then = "\n".join(f"    {line}" for line in then)
    outcome = run_script(tmp_path, BEGIN.format(method=method, opens=opens, then=then))
    assert outcome.lines[:1] == ["[0, 0, 0, 0, 0]"], outcome.err
    return outcome.lines[1:]


@each_way
@pytest.mark.parametrize("how", ["terminate", "close"])
def test_the_pool_can_be_ended(tmp_path, method, opens, how):
    then = ["close_all()", f'say("{how}", pool.{how})', 'say("join", pool.join)']
    assert lines(tmp_path, method, opens, then) == [f"{how} None True", "join None True", *END]


@each_way
def test_results_that_wait_come_or_say_what_has_happened(tmp_path, method, opens):
    then = [
        "long = pool.apply_async(work, (1,))",
        "more = [pool.apply_async(work, (0.5,)) for _ in range(6)]",
        "time.sleep(0.2)",
        "close_all()",
        "for each in [long, *more]:",
        '    say("result", each.get)',
        'say("terminate", pool.terminate)',
        'say("join", pool.join)',
    ]
    told = lines(tmp_path, method, opens, then)
    assert set(told[:7]) <= {"result 1 True", "result 0.5 True", "result lost True True"}
    assert told[7:] == ["terminate None True", "join None True", *END]


@each_way
def test_a_new_pool_beside_one_that_is_lost(tmp_path, method, opens):
    then = ["kept = pool.apply_async(work, (600,))", "time.sleep(0.2)", "close_all()"]
    then += ['say("new", new)', 'say("kept", kept.get)']
    told = lines(tmp_path, method, opens, then)
    assert told == ["new [0, 0, 0] True", "kept lost True True", *END]


BY_A_TASK = """
import os, sys
import manyhands as mp

def close_all(_):
    os.closerange(3, 1000)

def large(x):
    return b"x" * 200_000

def count(value, queue):
    with value.get_lock():
        value.value += 1
    queue.put(value.value)
    return value.value

def main():
    context = mp.get_context(METHOD)
    # Blocks whose numbers are those of the blocks that a world made by the worker has, too.
    values, queues = [mp.Value("i", n) for n in range(30)], [mp.Queue() for _ in range(30)]
    for n, queue in enumerate(queues):
        queue.put(n)
    for _ in range(6):
        with context.Pool(1) as pool:
            pool.apply(close_all, (1,))
            told = pool.map(large, range(6), errors="return")
            # What finds room in shared memory that is there already can be sent.
            print(all(one == large(0) or "closed the file" in str(one) for one in told))
            print(pool.apply(abs, (-3,)))
    print([value.value for value in values] == list(range(30)))
    print([queue.get(timeout=60) for queue in queues] == list(range(30)))
    with context.Pool(1) as pool:
        print(pool.apply(count, (values[0], queues[0])), queues[0].get(timeout=60))

if __name__ == "__main__":
    main()
"""


@pytest.mark.parametrize("method", ["template", "fork", "spawn", "forkserver"])
def test_a_task_closes_all_descriptors_of_its_worker(tmp_path, method):
    # What its worker makes then lies in a world that the program lacks, under numbers that it has.
    outcome = run_script(tmp_path, BY_A_TASK.replace("METHOD", repr(method)))
    assert outcome.lines == ["True", "3"] * 6 + ["True", "True", "1 1"], outcome.err


PROCESSES = """
import os, time
import manyhands as mp

METHOD, OPENS = {method!r}, {opens!r}
context = mp.get_context(METHOD)

def main():
    short, long = (context.Process(target=time.sleep, args=(n,)) for n in (0.1, 600))
    short.start()
    long.start()
    os.closerange(3, 1000)
    files = [os.open("own", os.O_RDWR | os.O_CREAT) for _ in range(60 if OPENS else 0)]
    if files:
        os.write(files[0], b"own" * 1000)
    long.kill()
    long.join()
    short.join()
    # What the template cannot tell any more nobody knows.
    print(long.exitcode in (-9, 255), short.exitcode in (0, -9, 255))
    for _ in range(2):
        process = context.Process(target=time.sleep, args=(0,))
        process.start()
        process.join()
        print(process.exitcode)
    print(all(os.fstat(file).st_size == 3000 for file in files))
    print("end", flush=True)

if __name__ == "__main__":
    main()
"""


@each_way
def test_processes_end_and_others_start(tmp_path, method, opens):
    outcome = run_script(tmp_path, PROCESSES.format(method=method, opens=opens))
    assert outcome.lines == ["True True", "0", "0", "True", "end"], outcome.err
