"""What this process says of itself, for those who watch over medimgr's processes: what it uses, of what."""

import gc
import os
import resource
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
from django.conf import settings
from django.db.models.functions import Now

from medimgr.lib.process_identity import start_ticks
from medimgr.tallies.models import ProcessReport

WEB, SUPERVISOR, OPERATIONS = KINDS = ("web", "supervisor", "operations")
SILENT_AFTER = timedelta(seconds=60)
"""A process that has said nothing for so long is gone, or hangs: its figures are told no more."""
_KEPT = timedelta(hours=1)


def figures() -> dict[str, Any]:
    """Return what this process has used and holds now, in seconds, bytes and numbers. No query; 1 ms."""
    process = psutil.Process()
    with process.oneshot():
        used = time.process_time()
        memory = process.memory_info().rss
        threads = process.num_threads()
    collected = gc.get_stats()
    return {
        "cpu_seconds": round(used, 3),
        "rss_bytes": memory,
        "threads": threads,
        "open_fds": _open_fds(),
        "max_fds": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        "gc_collections": [generation["collections"] for generation in collected],
        "gc_collected": [generation["collected"] for generation in collected],
    }


def _open_fds() -> int:
    try:
        return len(list(Path("/proc/self/fd").iterdir()))
    except OSError:  # another system than Linux
        return psutil.Process().num_fds()


def report(kind: str, node: str = "") -> None:
    """Store what this process uses: one statement. ``node`` is MEDIMGR_NODE where nothing else is said."""
    now = Now()
    pid = os.getpid()
    ProcessReport.objects.bulk_create(
        [
            ProcessReport(
                node=node or settings.MEDIMGR_NODE,
                kind=kind,
                pid=pid,
                start_ticks=start_ticks(pid) or 0,
                started_at=datetime.fromtimestamp(psutil.Process().create_time(), UTC),
                seen_at=now,
                figures=figures(),
            )
        ],
        update_conflicts=True,
        unique_fields=["node", "pid", "start_ticks"],
        update_fields=["seen_at", "figures"],
    )


def withdraw(node: str = "") -> None:
    """Delete this process's row: it ends. One query."""
    pid = os.getpid()
    own = ProcessReport.objects.filter(
        node=node or settings.MEDIMGR_NODE, pid=pid, start_ticks=start_ticks(pid) or 0
    )
    own.delete()


def forget_silent() -> int:
    """Delete the rows of processes that have said nothing for an hour; return how many. One query."""
    return ProcessReport.objects.filter(seen_at__lt=Now() - _KEPT).delete()[0]
