"""Searches a log by a regular expression, in a process that can be killed: ``python -m`` with JSON on stdin.

Python's expressions can take for ever on a line of a few dozen characters ("catastrophic backtracking"),
and nothing in the process can stop them. So whoever asks for one gets a process with limits of its own.
"""

import json
import re
import resource
import sys
import warnings
from dataclasses import asdict
from pathlib import Path

from monitoring.log_search import matching, search

MEMORY_BYTES = 1024 * 1024 * 1024


def main() -> None:
    """Read what is wanted, write what was found."""
    wanted = json.load(sys.stdin)
    seconds = int(wanted["most_seconds"]) + 2
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    warnings.simplefilter("ignore")
    pattern = re.compile(wanted["pattern"], 0 if wanted["case"] else re.IGNORECASE)
    found = search(
        Path(wanted["path"]),
        matching(pattern.search),
        before=wanted["before"],
        limit=wanted["limit"],
        most_bytes=wanted["most_bytes"],
        most_seconds=wanted["most_seconds"],
    )
    json.dump(asdict(found), sys.stdout)


if __name__ == "__main__":
    main()
