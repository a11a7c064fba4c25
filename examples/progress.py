"""A progress bar on a long run: `progress=` on any mapping call.

The bar counts items and goes to stderr. It is tqdm's when tqdm is installed (`pip install
manyhands[progress]`), else a plain line. `progress` also takes a dict of tqdm's options, or a
function that is called with what is done and the total.

    python examples/progress.py [how many]
"""

import sys

import manyhands as mp


def collatz_steps(start):
    """The number of steps from `start` to 1: halve the even, triple the odd and add one."""
    steps = 0
    while start != 1:
        start = start // 2 if start % 2 == 0 else 3 * start + 1
        steps += 1
    return steps


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    numbers = range(1, count + 1)
    with mp.Pool() as pool:
        steps = pool.map(collatz_steps, numbers, progress=True)
        print("longest path:", max(steps), "steps")

        # A generator has no length: `total` tells the bar. A dict is handed to tqdm.
        stream = pool.imap_unordered(
            collatz_steps, (n for n in numbers), total=count, progress={"desc": "again"}
        )
        print("all paths:", sum(stream), "steps")

        # A function of your own: here it keeps the last state to show that every item was seen.
        seen = []
        pool.map(collatz_steps, numbers, progress=lambda done, total: seen.append((done, total)))
        print("the last call said:", "{} of {}".format(*seen[-1]))


if __name__ == "__main__":
    main()
