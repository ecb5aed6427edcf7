"""The lines of a systemd unit: sections and settings as systemd.syntax(7) reads them, with line numbers."""

import re
from dataclasses import dataclass, field

from monitoring.importers.document import Document, Place

_HEADER = re.compile(r"\[([^\]]*)\]")


@dataclass(frozen=True, slots=True)
class Setting:
    """One line ``Name=value``, continued lines joined."""

    section: str
    name: str
    value: str
    place: Place


@dataclass(slots=True)
class Unit:
    """A unit with the settings of its file and of its drop-ins, in their order."""

    name: str
    """As in ``web@1.service``."""
    place: Place
    path: str = ""
    settings: list[Setting] = field(default_factory=list)

    def values(self, section: str, *names: str) -> list[Setting]:
        """Return what counts of settings that make a list: an empty one clears what stood before."""
        found: list[Setting] = []
        for setting in self.settings:
            if setting.section == section and setting.name in names:
                found = [*found, setting] if setting.value else []
        return found

    def last(self, section: str, *names: str) -> Setting | None:
        """Return the setting that counts, of those that have one value; None for none or an empty one."""
        found = [s for s in self.settings if s.section == section and s.name in names]
        return found[-1] if found and found[-1].value else None


def read_lines(file: str, text: str, unit: Unit, document: Document) -> None:
    """Add the settings of ``text`` to ``unit``; what is no setting becomes a fault."""
    section = ""
    for number, line in _logical_lines(text):
        place = Place(file, number, unit.name)
        if header := _HEADER.fullmatch(line):
            section = header[1]
            continue
        name, equals, value = line.partition("=")
        if not equals:
            document.fault_at(place, "It is no setting: write Name=value.")
        elif not section:
            document.fault_at(place, "It stands before the first [Section].")
        else:
            label = f"{unit.name} [{section}] {name.strip()}"
            unit.settings.append(Setting(section, name.strip(), value.strip(), Place(file, number, label)))


def _logical_lines(text: str) -> list[tuple[int, str]]:
    """Return lines with their numbers: comments left out, continued lines joined by a blank."""
    found: list[tuple[int, str]] = []
    begun, parts = 0, ""
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        stripped = line.strip()
        if stripped[:1] in ("#", ";") or (not stripped and not begun):
            continue  # comments may stand between continued lines, too
        if stripped.endswith("\\"):
            begun = begun or number
            parts += stripped[:-1] + " "
            continue
        whole = (parts + stripped).strip()
        if whole:
            found.append((begun or number, whole))
        begun, parts = 0, ""
    if begun and parts.strip():
        found.append((begun, parts.strip()))
    return found
