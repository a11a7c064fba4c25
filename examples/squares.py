"""Squares three ways: `map` gives a list, `imap` streams in order, `imap_unordered` as they come.

python examples/squares.py [how many]
"""

import sys

import manyhands as mp


def square(number):
    return number * number


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    numbers = range(count)
    with mp.Pool() as pool:
        print("map:            ", *pool.map(square, numbers))

        # Each result as soon as it and those before it are ready; the input may be endless.
        print("imap:           ", end="")
        for result in pool.imap(square, numbers):
            print("", result, end="", flush=True)
        print()

        # Whatever is ready first: the fastest way when the order does not matter.
        print("imap_unordered:  sum", sum(pool.imap_unordered(square, numbers)))


if __name__ == "__main__":
    main()
