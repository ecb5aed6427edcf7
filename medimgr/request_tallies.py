"""Counts the requests that a web worker has answered, and how long they took."""

from medimgr.tallies import gathering
from medimgr.tallies.counting import Count, Durations

REQUESTS = Count("medimgr_http_requests", "Requests that ended, streams included.", ("method", "status"))
TOOK = Durations(
    "medimgr_http_request_duration_seconds",
    "How long requests took, but streams.",
    (),
    (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def count(method: str, status: int | None, seconds: float, *, stream: bool) -> None:
    """Count one request; ``status`` is None where its client left before it was answered. No query."""
    # Anybody may send any method: each would be a line of the metrics for ever.
    known = method if method in _METHODS else "other"
    added = [REQUESTS.grown(known, "none" if status is None else str(status))]
    if not stream:
        added.append(TOOK.seen(seconds))
    gathering.of_this_process.add(*added)
