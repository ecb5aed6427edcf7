"""``services status``: the table, the sentence above it, and whether anything needs attention."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.management.color import Style
from django.utils import timezone

from medimgr.lib.text_columns import Paint, aligned
from monitoring import wording
from monitoring.attention import sentence, troubles
from monitoring.command_line.selection import named
from monitoring.snapshot import services_snapshot
from monitoring.states import State

NEEDS_ATTENTION = 3
"""The exit code where something needs attention; 0 is all well, 1 an error of the command itself."""

_RIGHT = {"PID", "CPU", "MEMORY", "RESTARTS"}


@dataclass(frozen=True, slots=True)
class Report:
    """What to print, and the exit code."""

    text: str
    exit_code: int


def report(keys: Sequence[str], *, node: str, as_json: bool, style: Style) -> Report:
    """Return the state of all services, of those with ``keys``, or of those on ``node``.

    Nine queries at most, however many services there are. Raises UnknownService.
    """
    wanted = {service.key for service in named(keys)} if keys else None
    snapshot = services_snapshot()
    # What a service waits for may be outside of the selection, so all of them are judged.
    wrong = troubles(snapshot["items"])
    items = [
        item
        for item in snapshot["items"]
        if (wanted is None or item["key"] in wanted) and node in {"", item["node"]}
    ]
    nodes = [found for found in snapshot["nodes"] if node in {"", found["name"]}]
    wrong = {key: words for key, words in wrong.items() if any(item["key"] == key for item in items)}
    said = sentence(items, nodes, wording.local_clock)
    calls = said.level in {"attention", "stale"} or bool(wrong)
    if as_json:
        text = json.dumps(
            {
                "summary": {"level": said.level, "text": said.text},
                "needs_attention": wrong,
                "services": items,
                "nodes": nodes,
            },
            indent=2,
        )
    else:
        paint = style.WARNING if calls else style.SUCCESS
        lines = [paint(said.text), *([""] if items else []), *_table(items, wrong, style)]
        text = "\n".join(lines)
    return Report(text, NEEDS_ATTENTION if calls else 0)


def _table(items: Sequence[Mapping[str, Any]], wrong: Mapping[str, str], style: Style) -> list[str]:
    if not items:
        return []
    now = timezone.now()
    several = len({item["node"] for item in items}) > 1
    rows: list[dict[str, str]] = []
    for item in items:
        texts = wording.row(item, wrong.get(item["key"], ""), now)
        row = {"SERVICE": item["key"]}
        if several:
            row["NODE"] = item["node"]
        rows.append(
            row
            | {
                "STATE": item["state"],
                "HEALTH": texts["health"],
                "SINCE": texts["since"],
                "PID": texts["pid"],
                "CPU": texts["cpu"],
                "MEMORY": texts["memory"],
                "RESTARTS": str(item["restarts"]),
                "": texts["explanation"] or wrong.get(item["key"], ""),
            }
        )
    headings = list(rows[0])

    def paint(row: int, column: int) -> Paint | None:
        if headings[column] != "STATE":
            return None
        if items[row]["key"] in wrong or items[row]["state"] == State.UNKNOWN:
            return style.ERROR
        return style.SUCCESS if items[row]["state"] == State.RUNNING else None

    return aligned(
        headings,
        [list(row.values()) for row in rows],
        right=frozenset(i for i, heading in enumerate(headings) if heading in _RIGHT),
        paint=paint,
    )
