"""What a set of processes uses: CPU, memory and open files, read from /proc."""

import os
import time
from collections.abc import Iterable
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pids: Iterable[int]) -> float:
    """Return the CPU time that the processes themselves have used so far (nanosecond accounting)."""
    total = 0.0
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            try:
                total += int((task / "schedstat").read_text().split()[0]) / 1e9
            except (OSError, ValueError, IndexError):
                continue
    return total


def cpu_percent(pids: list[int], seconds: float) -> float:
    """Return the share of one core that the processes use over the next ``seconds``."""
    before, began = cpu_seconds(pids), time.monotonic()
    time.sleep(seconds)
    return 100.0 * (cpu_seconds(pids) - before) / (time.monotonic() - began)


def pss_mb(pids: Iterable[int]) -> float:
    """Return the processes' proportional set size in MB (10^6 bytes)."""
    return _rolled_up(pids, "Pss:")


def anonymous_mb(pids: Iterable[int]) -> float:
    """Return the part that is in no file, in MB: that of libraries depends on who else has them open."""
    return _rolled_up(pids, "Pss_Anon:")


def _rolled_up(pids: Iterable[int], word: str) -> float:
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith(word):
                total += int(line.split()[1]) * 1024
    return total / 1e6


def rss_mb(pids: Iterable[int]) -> float:
    """Return the processes' resident set size in MB (10^6 bytes)."""
    page = os.sysconf("SC_PAGE_SIZE")
    return sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * page for pid in pids) / 1e6


def open_files(pid: int) -> int:
    """Return how many descriptors the process has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def threads(pids: Iterable[int]) -> int:
    """Return how many threads the processes have together."""
    return sum(len(os.listdir(f"/proc/{pid}/task")) for pid in pids)
