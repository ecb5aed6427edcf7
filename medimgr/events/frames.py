"""Server-Sent Events as bytes: the messages of a stream, encoded. Pure.

Format: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
A frame is fields, one a line, and an empty line. Only a line end could break it, so nothing that goes
into a field keeps one: text over several lines becomes several ``data`` fields, which the client joins.
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

_LINE_END = re.compile("\r\n|\r|\n")
# A client ignores an id that holds a NUL, and a line end would begin another field.
_NOT_IN_A_NAME = re.compile("[\r\n\0]")


def frame(name: str, text: str, *, event_id: int | str | None = None, retry_ms: int | None = None) -> bytes:
    """Return one event called ``name``, with ``text`` as its data. Never raises, whatever the text holds.

    Line ends in ``text`` reach the client as ``\\n``; in names and ids they become spaces.
    """
    lines = []
    if retry_ms is not None:
        lines.append(f"retry: {retry_ms:d}")
    if event_id is not None:
        lines.append(f"id: {_NOT_IN_A_NAME.sub(' ', str(event_id))}")
    lines.append(f"event: {_NOT_IN_A_NAME.sub(' ', name)}")
    lines.extend(f"data: {line}" for line in _LINE_END.split(text))
    return ("\n".join(lines) + "\n\n").encode("utf-8", errors="replace")


def message(
    name: str, data: Mapping[str, Any], *, event_id: int | None = None, retry_ms: int | None = None
) -> bytes:
    """Return one event with ``data`` as compact JSON. Raises TypeError for what JSON cannot hold."""
    return frame(name, json.dumps(data, separators=(",", ":")), event_id=event_id, retry_ms=retry_ms)


def hello(
    *,
    connection_id: str,
    connection: int,
    heartbeat_seconds: float,
    server_time: str,
    topics: Iterable[str],
    last_event_id: int,
    retry_ms: int,
) -> bytes:
    """Return the first message of every stream; ``last_event_id`` is where its events go on from.

    ``connection_id`` is the secret with which the client may end the stream; ``connection`` is the key
    under which everybody sees it.
    """
    data = {
        "connection_id": connection_id,
        "connection": connection,
        "heartbeat_seconds": heartbeat_seconds,
        "server_time": server_time,
        "topics": sorted(topics),
        "last_event_id": last_event_id,
    }
    return message("hello", data, retry_ms=retry_ms)


def event(event_id: int, topic: str, key: str, data: Mapping[str, Any]) -> bytes:
    """Return one row of the event log; its id is what the client reconnects with."""
    return message(topic, {**data, "key": key}, event_id=event_id)


def tick(node: str, at: str, services: Mapping[str, list[float]]) -> bytes:
    """Return measurements of one node: service key to [CPU percent, memory in MB]."""
    return message("tick", {"node": node, "at": at, "services": services})


def heartbeat(*, server_time: str, database_away: bool) -> bytes:
    """Return the sign of life; ``database`` is ``away`` while nothing new can be read."""
    return message("heartbeat", {"server_time": server_time, "database": "away" if database_away else "ok"})


def reset(last_event_id: int) -> bytes:
    """Return the order to fetch a snapshot: events were missed that cannot be replayed."""
    return message("reset", {"last_event_id": last_event_id})


def bye(reason: str, retry_ms: int) -> bytes:
    """Return the last message; ``retry`` makes the browser's own reconnect wait as long."""
    return message("bye", {"reason": reason, "retry_ms": retry_ms}, retry_ms=retry_ms)


def log(data: Mapping[str, Any]) -> bytes:
    """Return a piece of a service's log. Without an id, since it rides on a stream of events."""
    return message("log", data)
