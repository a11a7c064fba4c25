"""Where /dev/shm is small and full, as in a container: all of it works, for none of it lies there.

The program runs in a mount namespace of its own with 64 MB on /dev/shm, all taken, where this
machine allows that, and looks whether anything there has another size or name afterwards. Elsewhere
too it looks whether any of its processes has opened or mapped anything in /dev/shm.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import textwrap

import pytest

PROGRAM = textwrap.dedent("""
    import os
    from pathlib import Path
    import sys
    import numpy as np
    import manyhands as mp

    SHM = Path("/dev/shm")

    def content():
        return sorted((path.name, path.stat().st_size) for path in SHM.iterdir())

    def opened(pid):
        links = [os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir() if link.exists()]
        lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
        return [name for name in [*links, *lines] if "/dev/shm/" in name]

    def double(array):
        assert not opened(os.getpid())
        return array * 2

    def put(queue, connection, lock, counter, shared):
        with lock:
            counter.value += 1
        shared += 1
        queue.put(np.full(1_000_000, 3.0))
        connection.send((np.full(1_000_000, 4.0), opened(os.getpid())))

    def main():
        if sys.argv[1] == "full":
            file = open("/dev/shm/filler", "wb", buffering=0)
            try:
                while True:
                    file.write(bytes(1 << 20))
            except OSError as error:
                print(error.strerror, file.tell() >> 20)
            file.close()
        before = content()
        with mp.Pool(2) as pool:
            # Five times as much as there is in a small /dev/shm.
            kept = pool.map(double, [np.full(1_000_000, float(n)) for n in range(40)])
            assert all((array == 2 * n).all() for n, array in enumerate(kept))
            table = mp.share(np.ones(10_000_000))
            assert pool.map(len, [table] * 4) == [10_000_000] * 4
        shared, queue = mp.zeros(10_000_000), mp.Queue()
        here, there = mp.Pipe()
        lock, counter = mp.Lock(), mp.Value("i", 0)
        process = mp.Process(target=put, args=(queue, there, lock, counter, shared))
        process.start()
        assert queue.get().sum() == 3e6
        array, names = here.recv()
        assert array.sum() == 4e6 and not names and shared.sum() == 1e7 and counter.value == 1
        process.join()
        assert not opened(os.getpid())
        print(sys.argv[1] != "full" or content() == before)

    if __name__ == "__main__":
        main()
""")

SMALL = "mount -t tmpfs -o size=64M,mode=1777 tmpfs /dev/shm"


def namespaces():
    """The commands that may begin a program with a mount table of its own."""
    unshare = shutil.which("unshare")
    if unshare:
        yield [unshare, "--mount"]
        yield [unshare, "--user", "--map-root-user", "--mount"]


def little_shm():
    """The beginning of a command that runs with a small /dev/shm; empty if that is not allowed."""
    for namespace in namespaces():
        command = [*namespace, "sh", "-c"]
        tried = subprocess.run([*command, SMALL], capture_output=True, timeout=20, check=False)
        if tried.returncode == 0:
            return [*command, f'{SMALL} && exec "$@"', "sh"]
    return []


@pytest.mark.parametrize("method", ["template", "fork", "spawn", "forkserver"])
def test_it_is_not_used(tmp_path, method):
    small = little_shm()
    program = tmp_path / "program.py"
    start = f'mp.set_start_method("{method}")\n    main()'
    program.write_text(PROGRAM.replace("\n    main()", "\n    " + start))
    outcome = subprocess.run(
        [*small, sys.executable, "-W", "ignore", program, "full" if small else "as it is"],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    lines = outcome.stdout.splitlines()
    assert lines[-1:] == ["True"], outcome.stderr
    assert lines[:-1] == (["No space left on device 64"] if small else [])
