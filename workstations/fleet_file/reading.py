"""Reads a fleet file into plain data and finds every fault of its form. Touches no database."""

import difflib
from dataclasses import dataclass, field
from typing import Any

from django.db import models

from medimgr.lib.file_faults import Fault, FileProblem
from medimgr.lib.redact import looks_secret
from medimgr.lib.toml_lines import Lines
from medimgr.lib.toml_text import dotted, parsed
from workstations.declaring import DECLARED
from workstations.models import Workstation

TABLE = "workstations"
LARGEST_FILE = 4 * 1024 * 1024
FIELDS: dict[str, "models.Field[Any, Any]"] = {
    one.name: one for one in Workstation._meta.concrete_fields if one.name in DECLARED and one.name != "name"
}
"""What a file may say of a workstation, by the name that model, admin and file share."""


class FleetProblem(FileProblem):
    """The file declares workstations wrongly; nothing of it was imported."""


@dataclass(slots=True)
class Fleet:
    """What a file declares: every field of each workstation, defaults where it says nothing."""

    file: str
    lines: Lines
    workstations: dict[str, dict[str, Any]] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    faulty: set[tuple[str, ...]] = field(default_factory=set)
    """The paths that have a fault already."""

    def fault(self, message: str, *path: str) -> None:
        """Add a fault at the line where ``path`` stands."""
        self.faulty.add(path)
        self.faults.append(Fault(self.file, self.lines.of(*path), dotted(path) if path else "", message))


def decoded(file: str, content: bytes) -> str:
    """Return the text of a file. Raises FleetProblem where it is too large or no text. Pure."""
    if len(content) > LARGEST_FILE:
        message = f"It is larger than {LARGEST_FILE // 1024 // 1024} MiB, which no fleet file is."
        raise FleetProblem(file, [Fault(file, 0, "", message)])
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise FleetProblem(file, [Fault(file, line, "", "This is no UTF-8. Save it as UTF-8.")]) from None


def read(file: str, text: str) -> Fleet:
    """Read a text, collecting faults. Raises FleetProblem where it is no TOML. Pure."""
    content = parsed(file, text)
    if isinstance(content, Fault):
        raise FleetProblem(file, [content])
    fleet = Fleet(file, Lines(text))
    for name in content:
        if name != TABLE:
            fleet.fault(f"Unknown key. Write [{TABLE}.NAME] for each workstation.", name)
    tables = content.get(TABLE, {})
    if not isinstance(tables, dict):
        fleet.fault(f"This has to be a table: write [{TABLE}.NAME] for each workstation.", TABLE)
    elif not tables:
        fleet.fault(f"No workstation is declared here. Write [{TABLE}.NAME] for each.")
    else:
        for name, table in tables.items():
            _read_workstation(fleet, name, table)
    return fleet


def _read_workstation(fleet: Fleet, name: str, table: Any) -> None:
    if not isinstance(table, dict):
        fleet.fault(f"This has to be a table: write {dotted((TABLE, name))} in brackets.", TABLE, name)
        return
    fields = {key: model_field.get_default() for key, model_field in FIELDS.items()}
    for key, value in table.items():
        fault = _fault(key, value)
        if fault:
            fleet.fault(fault, TABLE, name, key)
        else:
            fields[key] = sorted(set(value)) if key == "tags" else value
    if "host" not in table:
        fleet.fault('host is missing. Write one such as host = "10.0.0.12".', TABLE, name, "host")
        fields["host"] = ""
    fleet.workstations[name] = fields


def _fault(name: str, value: Any) -> str:
    """Return what is wrong with the type of a value, never with the value; empty where nothing is."""
    model_field = FIELDS.get(name)
    if model_field is None:
        if looks_secret(name):
            return (
                "No secret belongs into this file. Take it out, and give the password with "
                "manage.py workstations set-password NAME."
            )
        near = difflib.get_close_matches(name, FIELDS, n=1)
        return "Unknown key. " + (f"Did you mean {near[0]}?" if near else f"Known: {', '.join(FIELDS)}.")
    if isinstance(model_field, models.BooleanField):
        return "" if isinstance(value, bool) else "Write true or false."
    if isinstance(model_field, models.IntegerField):
        whole = isinstance(value, int) and not isinstance(value, bool)
        return "" if whole else "Write a whole number."
    if isinstance(model_field, models.JSONField):
        fine = isinstance(value, list) and all(isinstance(item, str) for item in value)
        return "" if fine else 'Write a list of words, such as ["hall-2"].'
    if not isinstance(value, str) or "\0" in value:
        return 'Write a text in quotes, such as "pc-12".'
    choices = [f'"{key}"' for key, _ in model_field.flatchoices]
    return f"Write {' or '.join(choices)}." if choices and f'"{value}"' not in choices else ""
