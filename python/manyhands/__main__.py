"""`python -m manyhands`: what ails this machine, or a program that does not move.

Refuses: to change anything.
"""

from __future__ import annotations

import argparse
import sys


def main(arguments: list[str] | None = None) -> int:
    """Run a command; its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m manyhands", description="What ails this machine, or a program."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser(
        "doctor", help="cores, memory, limits, start method, threads, GPUs, versions"
    )
    stacks = commands.add_parser(
        "stacks", help="what the workers, locks and queues of a running program do and wait for"
    )
    stacks.add_argument("pid", type=int, help="the number of the program's process")
    chosen = parser.parse_args(arguments)
    if chosen.command == "doctor":
        from ._checkup import report

        print(report())  # noqa: T201 - that is what was asked for
        return 0
    from ._outside import diagnose

    try:
        print(diagnose(chosen.pid))  # noqa: T201 - the same
    except OSError as error:
        print(f"manyhands: {error}", file=sys.stderr)  # noqa: T201 - the same
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
