"""``workstations list`` and ``show``: what is known, as a table or as JSON."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from django.core.management.color import Style
from django.utils import timezone

from medimgr.lib.text_columns import Paint, aligned
from medimgr.lib.units import age
from workstations.models import Emulator, Workstation
from workstations.schemas import described
from workstations.states import EmulatorState, Reachability

NOTHING = "–"


def listed(rows: Sequence[Workstation], style: Style, *, as_json: bool) -> str:
    """Return the workstations with how many of their emulators run. One query."""
    states: dict[int, Counter[str]] = {row.pk: Counter() for row in rows}
    pairs = Emulator.objects.filter(workstation__in=states).values_list("workstation", "state")
    for owner, state in pairs:
        states[owner][state] += 1
    if as_json:
        told = [described(row) | {"emulators": dict(states[row.pk])} for row in rows]
        return json.dumps(told, indent=2, ensure_ascii=False)
    if not rows:
        return "No workstation is declared. See manage.py workstations import, or the admin."
    cells = []
    for row in rows:
        counted = states[row.pk]
        running = f"{counted[EmulatorState.RUNNING]}/{counted.total()}" if counted else NOTHING
        since = age((timezone.now() - row.status_since).total_seconds()) if row.status_since else NOTHING
        cells.append(
            [row.name, _address(row), row.status, since, running, ", ".join(row.tags), row.last_error]
        )

    def paint(number: int, column: int) -> Paint | None:
        colours = {Reachability.ONLINE: style.SUCCESS, Reachability.UNKNOWN: None}
        return colours.get(Reachability(rows[number].status), style.ERROR) if column == 2 else None

    headings = ["WORKSTATION", "ADDRESS", "STATUS", "SINCE", "RUNNING", "TAGS", ""]
    return "\n".join(aligned(headings, cells, right=frozenset({4}), paint=paint))


def shown(row: Workstation, *, as_json: bool) -> str:
    """Return one workstation with its emulators, never its password. One query."""
    emulators = list(row.emulators.all())
    if as_json:
        told = described(row) | {"emulators": [one.public() for one in emulators]}
        return json.dumps(told, indent=2, ensure_ascii=False)
    lines = [f"{name.replace('_', ' ')}: {text}" for name, text in _facts(row).items() if text]
    if not emulators:
        return "\n".join([*lines, "It has no emulators, as far as is known."])
    cells = [
        [
            str(one.index),
            one.title,
            one.state,
            f"{one.width}x{one.height}, {one.dpi} dpi" if one.width else NOTHING,
            str(one.cpu or NOTHING),
            f"{one.memory_mb} MB" if one.memory_mb else NOTHING,
        ]
        for one in emulators
    ]
    headings = ["INDEX", "EMULATOR", "STATE", "SCREEN", "CPU", "MEMORY"]
    return "\n".join([*lines, "", *aligned(headings, cells, right=frozenset({0, 4, 5}))])


def _facts(row: Workstation) -> dict[str, Any]:
    return {
        "name": row.name,
        "address": _address(row) + (" with TLS" if row.tls else ""),
        "status": f"{row.status}{f': {row.last_error}' if row.last_error else ''}",
        "user": row.username,
        "password": "stored, encrypted" if row.has_password else "none",
        "ldconsole": row.ldconsole_path,
        "tags": ", ".join(row.tags),
        "polled": "" if row.polled else "no",
    }


def _address(row: Workstation) -> str:
    return f"[{row.host}]:{row.port}" if ":" in row.host else f"{row.host}:{row.port}"
