"""Parse the whole standard library of this Python on every core, and compare the ways to do it.

Each file is parsed with `ast` and its nodes are counted by type: serial, by threads, by
`multiprocessing.Pool` and by manyhands with its progress bar. All ways must give the same totals.
Some files do not parse, because they test the parser: they are counted as such.

    python examples/demo.py [at most so many files]
"""

import ast
import multiprocessing
import sys
import sysconfig
import time
import warnings
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import manyhands as mp

UNPARSED = "file that does not parse"


def library_files():
    """The paths of all Python files of the standard library, tests included, packages not."""
    root = Path(sysconfig.get_path("stdlib"))
    installed = {"site-packages", "dist-packages"}
    return sorted(
        str(path)
        for path in root.rglob("*.py")
        if installed.isdisjoint(path.relative_to(root).parts)
    )


def count_nodes(path):
    """How often each type of node occurs in a file."""
    try:
        tree = ast.parse(Path(path).read_bytes())
    except (SyntaxError, ValueError, RecursionError):
        return Counter({UNPARSED: 1})
    return Counter(type(node).__name__ for node in ast.walk(tree))


def silence():
    """Old files hold escapes that the parser warns of; here nobody wants to know."""
    warnings.simplefilter("ignore")


def by_threads(files, workers):
    with ThreadPoolExecutor(workers) as threads:
        return total(threads.map(count_nodes, files))


def by_multiprocessing(files, workers):
    with multiprocessing.Pool(workers, initializer=silence) as pool:
        return total(pool.map(count_nodes, files))


def by_manyhands(files, workers):
    with mp.Pool(workers, initializer=silence) as pool:
        return total(pool.map(count_nodes, files, progress={"unit": "file"}))


def total(counts):
    """The sum of many counters."""
    result = Counter()
    for count in counts:
        result.update(count)
    return result


def ways(files):
    """What is compared: a name and a function for each, threads in doubling numbers."""
    cores = mp.cpu_count()
    threads = sorted({*(2**power for power in range(1, cores.bit_length())), max(2, cores)})
    yield "serial", lambda: total(map(count_nodes, files))
    for count in threads:
        yield f"{count} threads", lambda count=count: by_threads(files, count)
    yield f"multiprocessing.Pool({cores})", lambda: by_multiprocessing(files, cores)
    yield f"manyhands.Pool({cores})", lambda: by_manyhands(files, cores)


def measure(files):
    """Run every way; give the totals and the seconds of each, or stop if two ways differ."""
    expected, seconds = None, {}
    for name, run in ways(files):
        print(f"{name} ...", file=sys.stderr, flush=True)
        begin = time.perf_counter()
        found = run()
        seconds[name] = time.perf_counter() - begin
        expected = expected or found
        if found != expected:
            sys.exit(f"{name} counted other nodes than serial did")
    return expected, seconds


def main():
    silence()
    files = library_files()[: int(sys.argv[1]) if len(sys.argv) > 1 else None]
    if not files:
        sys.exit("this Python has no source files of its standard library")
    counts, seconds = measure(files)
    unparsed = counts.pop(UNPARSED, 0)
    print(f"\n{len(files)} files, {unparsed} of which do not parse; {counts.total():,} nodes")
    print("most frequent:", ", ".join(f"{name} {n:,}" for name, n in counts.most_common(4)))
    print(f"\n{'way':28}{'time':>10}{'speed-up':>12}")
    for name, value in seconds.items():
        print(f"{name:28}{value:8.2f} s{seconds['serial'] / value:10.2f} x")


if __name__ == "__main__":
    main()
