"""Take one figure in this process and print it as JSON: `python benches/sample.py SUBJECT RIVAL`.

The harness starts this program anew for every sample; by hand it is useful under a profiler.
"""

import argparse
import json

import catalogue
import rivals
from harness import Scale


def main() -> None:
    """Answer with a figure, or with the reason why the rival has none."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("subject", choices=[subject.name for subject in catalogue.SUBJECTS])
    parser.add_argument("rival", choices=list(rivals.BY_NAME))
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    (subject,) = (s for s in catalogue.SUBJECTS if s.name == options.subject)
    try:
        figure = subject.measure(rivals.BY_NAME[options.rival], Scale(quick=options.quick))
    except rivals.Unsupported as reason:
        print(json.dumps({"unsupported": str(reason)}))
    else:
        print(json.dumps({"figure": figure}))


if __name__ == "__main__":
    main()
