"""What a client asks of a stream: its query and headers, checked. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from medimgr.events import topics as known_topics
from medimgr.events.exceptions import UnknownTopic

IMPOSSIBLE = 2**63 - 1
"""An event id that no log reaches: whoever claims it is told to reset."""
_PAGE_LENGTH = 200
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Terms:
    """A request for a stream."""

    topics: frozenset[str] | None
    """None: whatever the user may see."""
    since: int | None
    """The last event that the client has, None for a first visit."""
    page: str
    """The page that asks, for the connection monitor."""


def read_terms(query: Mapping[str, str], last_event_id_header: str) -> Terms:
    """Return the terms. Raises UnknownTopic, naming every topic that does not exist.

    The header, which the browser sends when it reconnects by itself, is newer than the query of the
    page's first request, and wins. An id that is none (garbage, negative, too large) is not refused: a
    browser would give up for good. It counts as one that no log reaches, and so brings a reset.
    """
    return Terms(
        topics=_topics(query),
        since=_since(last_event_id_header.strip() or query.get("last_event_id", "").strip()),
        page=_UNPRINTABLE.sub("", query.get("page", ""))[:_PAGE_LENGTH],
    )


def _topics(query: Mapping[str, str]) -> frozenset[str] | None:
    if "topics" not in query:
        return None
    wanted = frozenset(name for part in query["topics"].split(",") if (name := part.strip()))
    unknown = sorted(wanted - known_topics.known())
    if unknown:
        raise UnknownTopic(
            f"Unknown: {', '.join(name[:40] for name in unknown[:10])}. "
            f"There are {', '.join(sorted(known_topics.known()))}.",
            errors={"topics": [f"{name[:40]} is no topic." for name in unknown[:10]]},
        )
    return wanted


def _since(text: str) -> int | None:
    if not text:
        return None
    # int() takes underscores, signs and other scripts' digits, and is slow on very long texts.
    if not (text.isascii() and text.isdecimal() and len(text) <= 19):
        return IMPOSSIBLE
    return min(int(text), IMPOSSIBLE)
