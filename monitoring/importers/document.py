"""What every importer makes of a file: services in one plain form, faults, and what could not be taken over.

From here on all formats are alike: ``saving`` checks, compares and saves a Document.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.db import models

from monitoring.importers.faults import Fault
from monitoring.models import Service

TABLE = "services"
DEPENDS_ON = "depends_on"
_NOT_IN_FILES = {"id", "key", "node", "builtin", "instance_of", "instance", "created_at", "updated_at"}

FIELDS: dict[str, "models.Field[Any, Any]"] = {
    field.name: field for field in Service._meta.concrete_fields if field.name not in _NOT_IN_FILES
}
"""What a file may say about a service, by the name that model, admin and file share."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands: a line of a file, and what it is called there."""

    file: str
    line: int
    key: str


@dataclass(frozen=True, slots=True)
class Remark:
    """Something of the file that is not taken over, or not as it was. Never holds a variable's value."""

    place: Place
    message: str
    """Why, and what to do instead."""
    mapped: bool = False
    """It is taken over, but is not quite the same here."""

    def __str__(self) -> str:
        where = f"{self.place.file}, line {self.place.line}" if self.place.line else self.place.file
        return ": ".join(part for part in (where, self.place.key, self.message) if part)

    def public(self) -> dict[str, Any]:
        """Return the shape that the API shows."""
        return {
            "file": self.place.file,
            "line": self.place.line,
            "key": self.place.key,
            "message": self.message,
            "mapped": self.mapped,
        }


@dataclass(frozen=True, slots=True)
class Written:
    """A service as the file has it: every field, defaults where it says nothing."""

    key: str
    fields: dict[str, Any]
    depends_on: dict[str, str] = field(default_factory=dict)
    """Condition by the key of the service that is needed."""
    env_kept: tuple[str, ...] = ()
    """Variables whose values stay as the database has them."""


Find = Callable[[tuple[str, ...]], Place]


@dataclass(slots=True)
class Document:
    """One or more files with their services, the faults found so far, and what is not taken over."""

    file: str
    find: Find
    """Where a path such as ("services", "web", "command") stands."""
    services: dict[str, Written] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)

    def fault(self, message: str, *path: str) -> None:
        """Add a fault at the line where ``path`` stands."""
        self.fault_at(self.find(path), message)

    def fault_at(self, place: Place, message: str) -> None:
        """Add a fault at ``place``."""
        self.faults.append(Fault(place.file, place.line, place.key, message))

    def remark(self, place: Place, message: str, *, mapped: bool = False) -> None:
        """Tell that something is not taken over or, with ``mapped``, not quite as it was; once for each."""
        remark = Remark(place, message, mapped)
        if remark not in self.remarks:
            self.remarks.append(remark)


def defaults() -> dict[str, Any]:
    """Return a value for every field, as a service has it whose file says nothing."""
    return {name: model_field.get_default() for name, model_field in FIELDS.items()}
