"""How long this process has been running."""

import time
from functools import cache

import psutil


@cache
def _started_at() -> float:
    # The kernel's word, not the moment of the import: a worker may load its code late.
    return float(psutil.Process().create_time())


def process_uptime_seconds() -> float:
    """Return the seconds since this process was started."""
    return max(0.0, time.time() - _started_at())
