"""What every measured handler does: write down which operation it is, and when. Standard library alone."""

import functools
import os
import time

STARTS = "BENCH_STARTS"
"""The environment variable that names the file."""


def write_down(key: object) -> None:
    """Append ``key`` and CLOCK_MONOTONIC in nanoseconds to the file, in one write."""
    now = time.monotonic_ns()
    os.write(_file(os.environ[STARTS]), f"{key} {now}\n".encode())


@functools.cache
def _file(path: str) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
