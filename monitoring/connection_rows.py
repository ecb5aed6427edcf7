"""What the page of connections shows of each stream, and the names of its figures."""

from datetime import datetime
from typing import Any

from django.utils import timezone

from medimgr.events.stats import kind_of, open_streams, shown
from monitoring import wording

COLUMNS = (
    ("user", "User", False),
    ("page", "Page", False),
    ("address", "Address", False),
    ("duration", "Open for", True),
    ("ping", "Last ping", True),
    ("events", "Events", True),
    ("bytes", "Sent", True),
    ("queued", "Waits", True),
    ("pages", "Pages", True),
    ("worker", "Worker", False),
)
"""Name, heading, and whether it holds figures."""
FACTS = (
    ("places", "Places taken"),
    ("pages", "Pages kept up to date"),
    ("peak", "Most at a time lately"),
    ("delay", "Delay, p50 / p95 / p99"),
    ("failed", "Failed within 5 minutes"),
    ("sent", "Sent within the hour"),
    ("saved", "Saved by compression"),
    ("queued", "Waits for slow clients"),
    ("missed", "Missed events sent again"),
    ("behind", "Behind the event log"),
)
BREAKDOWNS = (
    ("user", "By user"),
    ("worker", "By web worker"),
    ("address", "By address"),
    ("reason", "Ended lately"),
)
KINDS = {
    "monitoring:services": "Services",
    "monitoring:service": "Service",
    "monitoring:connections": "Connections",
    "operations:list": "Operations",
    "operations:operation": "Operation",
    "": "No page",
}
"""What each kind of page is called; ``medimgr.events.stats.kind_of`` names the kinds."""
OTHER_KIND = "Page"
BLANK: dict[str, Any] = {"id": 0, "page": "", "topics": "", "pages": 1, "queued": 0}


def rows(now: datetime) -> list[dict[str, Any]]:
    """Return a row for each open stream. One query, whatever their number."""
    return [
        {
            **shown(row, now),
            "for": wording.age(row.duration_seconds(now)),
            "topics": ", ".join(row.topics),
            "since": f"{timezone.localtime(row.connected_at):%H:%M:%S}",
            "ping": f"{timezone.localtime(row.last_ping_at):%H:%M:%S}",
            "kind_words": kind_words(row.page),
        }
        for row in open_streams()
    ]


def kind_words(page: str) -> str:
    """Return what the page at this address is called."""
    return KINDS.get(kind_of(page), OTHER_KIND)
