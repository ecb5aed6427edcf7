"""The settings of one section of a unit, as they are read one by one; what is left at the end is listed."""

from collections.abc import Callable
from typing import Any

from monitoring.importers import systemd_text as text
from monitoring.importers.document import Document, Place
from monitoring.importers.systemd_lines import Setting, Unit
from monitoring.importers.systemd_text import BadValue

SERVICE = "Service"


class Settings:
    """Reads settings of ``[Service]``; each that is read is taken off the list of those left."""

    def __init__(self, unit: Unit, document: Document) -> None:
        """Begin with all settings left."""
        self.unit = unit
        self.document = document
        self.known = text.specifiers(unit.name, unit.path)
        """What the letters behind % stand for."""
        self.left = [s for s in unit.settings if s.section == SERVICE]

    def all(self, name: str) -> list[Setting]:
        """Return all of a setting that makes a list."""
        self.drop(name)
        return self.unit.values(SERVICE, name)

    def last(self, name: str) -> Setting | None:
        """Return the setting that counts; None for none or an empty one."""
        self.drop(name)
        return self.unit.last(SERVICE, name)

    def one(self, name: str, read: Callable[[str], Any], default: Any, section: str = SERVICE) -> Any:
        """Return a setting as ``read`` takes it, or the default where it is absent, empty or wrong."""
        if section == SERVICE:
            self.drop(name)
        setting = self.unit.last(section, name)
        return default if setting is None else self.attempt(setting, lambda s: read(s.value), default)

    def span(self, *names: str, default: float, section: str = SERVICE) -> float:
        """Return the first of several times, in seconds."""
        found = [s for s in (self.unit.last(section, name) for name in names) if s is not None]
        if section == SERVICE:
            self.drop(*names)
        span: float = self.attempt(found[0], lambda s: text.seconds(s.value), default) if found else default
        return span

    def timeout(self, *names: str, default: float) -> float:
        """Return the first of several time limits, in seconds; 0 is for none, as infinity is."""
        return self.span(*names, default=default) or text.INFINITE

    def resolved(self, value: str) -> str:
        """Return a value with its specifiers resolved. Raises BadValue."""
        return text.resolve(value, self.known)

    def place(self, *names: str, section: str = SERVICE) -> Place:
        """Return where the first of these settings stands; where the unit begins for none."""
        found = [s for s in (self.unit.last(section, name) for name in names) if s is not None]
        return found[0].place if found else self.unit.place

    def drop(self, *names: str) -> None:
        """Note that settings have been read."""
        self.left = [s for s in self.left if s.name not in names]

    def attempt(self, setting: Setting, read: Callable[[Setting], Any], default: Any) -> Any:
        """Read a setting; what is wrong with it becomes a fault at its line, once."""
        try:
            return read(setting)
        except BadValue as wrong:
            fault = str(wrong)
            faults = self.document.faults
            if not any(f.line == setting.place.line and f.message == fault for f in faults):
                self.document.fault_at(setting.place, fault)
            return default
