#!/usr/bin/env python3
"""The rules of this repository that no linter knows, as one command: `tools/check_house.py [ROOT]`.

It checks the ladder between the crates, rings of modules within a crate and within the Python
package, the limits of files and functions, and the texts that every file and every unsafe block
owes its reader. Each rule has a module in `house/`, which says what it demands and why.

Prints one line per finding, `path:line: what is wrong and what to do`, and ends with status 1 if
there is any. It reads files and changes nothing, and needs nothing but Python's standard library.
"""

from __future__ import annotations

import sys
from pathlib import Path

from house import files, ladder, limits, notes, python_rings, rust_rings

CHECKS = (ladder.check, rust_rings.check, python_rings.check, limits.check, notes.check)


def main(arguments: list[str]) -> int:
    """Check the tree below the first argument, by default the one this file is in."""
    root = Path(arguments[0]) if arguments else Path(__file__).resolve().parent.parent
    tree = files.Tree(root)
    findings = sorted(finding for check in CHECKS for finding in check(tree))
    for finding in findings:
        print(finding)
    print(f"house: {len(tree.sources)} files, {len(findings)} findings")
    return 1 if findings or not tree.sources else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
