"""The messages of the stream benchmarks. Standard library alone, since peers' environments run it too."""

import json
import random
import time
from typing import Any

_chosen = random.Random(4)
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
_OTHER_STATES = ("stopped", "starting", "failed")


def mark(number: int) -> str:
    """Return what the load client looks for: the number, and now."""
    return f"~{number}:{time.monotonic_ns()}~"


def payload(number: int, kind: str) -> dict[str, Any]:
    """Return a message of about ``kind`` bytes as a frame, or, for "status", of fifty services (5 KB)."""
    data: dict[str, Any] = {"mark": mark(number)}
    if kind == "status":
        return {**data, "services": [_service(index) for index in range(50)]}
    missing = max(0, int(kind) - 60 - len(json.dumps(data)))
    return {**data, "message": "".join(_chosen.choices(_LETTERS, k=missing))}


def _service(index: int) -> dict[str, Any]:
    """One service among fifty on a node: most run, were started together, and have little to do."""
    return {
        "key": f"service-{index:03}",
        "state": "running" if _chosen.random() < 0.9 else _chosen.choice(_OTHER_STATES),
        "pid": 4000 + 3 * index,
        "since": f"2026-11-23T08:15:{_chosen.randrange(60):02}Z",
        "cpu": 0.0 if _chosen.random() < 0.6 else round(_chosen.uniform(0, 30), 1),
        "mb": round(_chosen.uniform(20, 90), 1),
    }
