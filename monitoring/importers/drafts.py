"""Services as an importer of another program's files builds them up, line by line."""

import re
from dataclasses import dataclass, field
from typing import Any

from monitoring.importers.commands import Command
from monitoring.importers.document import TABLE, Document, Place, Written, defaults

_LONGEST_KEY = 63
_LONGEST_NAME = 100


@dataclass(slots=True)
class Draft:
    """A service in the making."""

    name: str
    """What it is called in its file."""
    key: str
    place: Place
    fields: dict[str, Any] = field(default_factory=dict)
    needs: dict[str, str] = field(default_factory=dict)
    runs_once: bool = False
    """Its end is what others wait for."""
    places: dict[str, Place] = field(default_factory=dict)
    """Where each field stands, so that a fault can be told there."""

    def put(self, name: str, value: Any, place: Place) -> None:
        """Set a field, remembering where it stands."""
        self.fields[name] = value
        self.places[name] = place

    @property
    def env(self) -> dict[str, str]:
        """Return its variables."""
        env: dict[str, str] = self.fields.setdefault("env", {})
        return env


class Drafts:
    """All services of a file (and of the files that it names), and the document that they become."""

    def __init__(self, file: str) -> None:
        """Begin a document for ``file``."""
        self.document = Document(file, self._find)
        self._drafts: dict[str, Draft] = {}
        self._refused: list[tuple[Place, str]] = []

    def __iter__(self) -> Any:
        """Go through the drafts in their order."""
        return iter(self._drafts.values())

    def begin(self, name: str, place: Place) -> Draft:
        """Begin a service; its key is made from its name, and a key that differs is told."""
        key = self._free(key_of(name))
        if key != name:
            self.document.remark(
                place,
                f"It is called {key} here: keys are of lower-case letters, digits, dots, dashes and "
                "underscores, and each is there once.",
                mapped=True,
            )
        draft = Draft(name, key, place)
        self._drafts[key] = draft
        draft.put("name", name[:_LONGEST_NAME], place)
        return draft

    def command(self, draft: Draft, name: str, command: Command, place: Place) -> None:
        """Set a field to a command, and tell what has to be said about it."""
        draft.put(name, command.arguments, place)
        for remark in command.remarks():
            self.document.remark(place, remark, mapped=True)

    def refuse(self, place: Place, why: str) -> None:
        """List something that is not taken over as a whole; where nothing else is left, that is the fault."""
        self.document.remark(place, why)
        self._refused.append((place, why))

    def finish(self) -> Document:
        """Return the document with all drafts as plain services."""
        for key, draft in self._drafts.items():
            self.document.services[key] = Written(key, defaults() | draft.fields, draft.needs)
        if not self._drafts and not self.document.faults:
            nothing = (Place(self.document.file, 0, ""), "No service is declared here.")
            for place, why in self._refused or [nothing]:
                self.document.fault_at(place, why)
        return self.document

    def _free(self, key: str) -> str:
        number, free = 2, key
        while free in self._drafts:
            free = f"{key[: _LONGEST_KEY - 4]}.{number}"
            number += 1
        return free

    def _find(self, path: tuple[str, ...]) -> Place:
        """Return where a field stands; for what stands nowhere, where its service begins."""
        draft = self._drafts.get(path[1]) if len(path) > 1 and path[0] == TABLE else None
        if draft is None:
            return Place(self.document.file, 0, ".".join(path))
        if len(path) == 2:
            return draft.place
        if place := draft.places.get(path[2]):
            return place
        return Place(draft.place.file, draft.place.line, f"{draft.place.key} ({'.'.join(path[2:])})")


def key_of(name: str) -> str:
    """Return a key that is as near to ``name`` as the rules for keys let it be. Pure."""
    plain = re.sub(r"[^a-z0-9._-]+", "-", name.lower())
    return re.sub(r"^[^a-z0-9]+", "", plain)[:_LONGEST_KEY].rstrip("-") or "service"
