"""Writes the fleet in the format that ``reading`` reads: importing an export changes nothing."""

from collections.abc import Iterable

from medimgr.lib.toml_text import dotted, quoted, written
from workstations.fleet_file.reading import FIELDS, TABLE
from workstations.models import Workstation

HEADING = (
    "# Workstations as manage.py workstations export wrote them; manage.py workstations import reads them.\n"
    "# Passwords are not in it: manage.py workstations set-password NAME.\n"
)


def export_fleet(workstations: Iterable[Workstation]) -> str:
    """Return the declarations as TOML, by name, what differs from the defaults alone. No query of its own."""
    tables = [_table(workstation) for workstation in sorted(workstations, key=lambda one: one.name)]
    return "\n".join([HEADING, *tables])


def _table(workstation: Workstation) -> str:
    lines = [f"[{dotted((TABLE, workstation.name))}]"]
    for name, field in FIELDS.items():
        value = getattr(workstation, name)
        if name == "host" or value != field.get_default():
            lines.append(f"{name} = {_lines(value) if name == 'ca_certificates' else written(value)}")
    return "\n".join(lines) + "\n"


def _lines(text: str) -> str:
    """Return a text of several lines as people read it, where TOML can take it so."""
    plain = text.isascii() and not set(text) & {'"', "\\"} and text.replace("\n", "").isprintable()
    # The line break after the opening quotes is not part of the text.
    return f'"""\n{text}"""' if plain and "\n" in text else quoted(text)
