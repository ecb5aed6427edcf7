"""``workstations import``: what changes, in words."""

import json
from typing import Any

from workstations.fleet_file.saving import Changed, Imported

_LONGEST = 70


def told(done: Imported, *, diff: bool) -> list[str]:
    """Return the lines that say what an import does; with ``diff`` also the fields of what is new. Pure."""
    width = max(len(change.name) for change in done.changes)
    lines: list[str] = []
    for change in done.changes:
        lines.append(f"{change.name.ljust(width)}  {change.what}")
        if change.what == "changed" or diff:
            lines += [f"    {line}" for line in _fields(change)]
    lines.append(_summary(done))
    if done.left_alone:
        lines.append(f"Not in the file and left as they are: {', '.join(done.left_alone)}.")
    if done.without_password:
        them = ", ".join(done.without_password)
        lines.append(f"Without a password: {them}. Give it with manage.py workstations set-password NAME.")
    if done.dry_run:
        lines.append("This was a dry run: nothing was written.")
    return lines


def _summary(done: Imported) -> str:
    counts = [
        f"{count} {'would be ' * (done.dry_run and what != 'unchanged')}{what}"
        for what in ("created", "changed", "unchanged")
        if (count := sum(change.what == what for change in done.changes))
    ]
    return f"{len(done.changes)} workstation{'s' * (len(done.changes) != 1)}: {', '.join(counts)}."


def _fields(change: Changed) -> list[str]:
    return [
        f"{name}: {f'{_short(old)} → ' if change.what == 'changed' else ''}{_short(new)}"
        for name, (old, new) in change.fields.items()
    ]


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
