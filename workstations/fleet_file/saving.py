"""Brings the database to what a fleet file says: all of it or, when anything is wrong, nothing."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.db import connection, transaction

from workstations import declaring
from workstations.fleet_file.reading import FIELDS, TABLE, Fleet, FleetProblem
from workstations.models import Workstation

_Listener = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Changed:
    """What the import does to one workstation."""

    name: str
    what: str
    """``created``, ``changed`` or ``unchanged``."""
    fields: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    """What differs: before and after. Of what is created, before is the default."""

    def public(self) -> dict[str, Any]:
        """Return the shape that the API shows."""
        differences = [
            {"field": name, "old": old if self.what == "changed" else None, "new": new}
            for name, (old, new) in self.fields.items()
        ]
        return {"name": self.name, "what": self.what, "fields": differences}


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did or, in a dry run, would do."""

    dry_run: bool
    changes: list[Changed]
    left_alone: list[str]
    """Declared, but not in the file: they stay as they are."""
    without_password: list[str]
    """Of those in the file."""

    def by_name(self) -> dict[str, str]:
        """Return what is done to each workstation in the file, by its name."""
        return {change.name: change.what for change in self.changes}


def import_fleet(
    fleet: Fleet, *, dry_run: bool = False, allow: Callable[[str], None] = lambda _verb: None
) -> Imported:
    """Declare what ``fleet`` holds, in one transaction; workstations that it does not name stay.

    Raises FleetProblem with every fault of form and meaning, and then nothing was written. ``allow`` is
    called with ``add`` and ``change`` where the import does that, and may raise to forbid it. Two queries,
    and a few for each workstation that changes.
    """
    with transaction.atomic():
        rows = Workstation.objects.all()
        if connection.features.has_select_for_update:
            rows = rows.select_for_update()
        present = {row.name: row for row in rows}
        _check(fleet, present)
        changes = [_compared(name, fields, present.get(name)) for name, fields in fleet.workstations.items()]
        for verb, what in (("add", "created"), ("change", "changed")):
            if any(change.what == what for change in changes):
                allow(verb)
        if not dry_run:
            _make_way(changes, present)
            for change in changes:
                _store(change, fleet, present)
    return Imported(
        dry_run,
        changes,
        sorted(present.keys() - fleet.workstations.keys()),
        [change.name for change in changes if _lacks_password(change, present.get(change.name))],
    )


def _lacks_password(change: Changed, row: Workstation | None) -> bool:
    """Return whether a workstation has no stored password once the change is made."""
    return row is None or not row.has_password or declaring.leads_elsewhere(change.fields)


def _check(fleet: Fleet, present: dict[str, Workstation]) -> None:
    faulty = frozenset(fleet.faulty)
    owners = {
        _listener(row.host, row.port): name for name, row in present.items() if name not in fleet.workstations
    }
    for name, fields in fleet.workstations.items():
        draft = Workstation(name=name, **fields)
        for key, texts in declaring.own_faults(draft).items():
            path = (TABLE, name) if key == "name" else (TABLE, name, key)
            if not (key == "host" and not fields["host"]) and path not in faulty:
                for text in texts:
                    fleet.fault(text, *path)
        listener = _listener(fields["host"], fields["port"])
        owner = owners.setdefault(listener, name)
        if owner != name and fields["host"]:
            fleet.fault(declaring.taken(draft, owner), TABLE, name, "host")
    if fleet.faults:
        raise FleetProblem(fleet.file, fleet.faults)


def _listener(host: str, port: int) -> _Listener:
    return host.lower(), port


def _compared(name: str, fields: dict[str, Any], row: Workstation | None) -> Changed:
    before = {key: getattr(row, key) if row else FIELDS[key].get_default() for key in fields}
    differing = {key: (before[key], value) for key, value in fields.items() if before[key] != value}
    if row is None:
        return Changed(name, "created", differing)
    return Changed(name, "changed" if differing else "unchanged", differing)


def _make_way(changes: list[Changed], present: dict[str, Workstation]) -> None:
    """Let those that move leave their listeners first: two may change places."""
    for change in changes:
        if change.what == "changed" and change.fields.keys() & {"host", "port"}:
            row = present[change.name]
            row.host = f"moving-{row.pk}.invalid"
            Workstation.objects.filter(pk=row.pk).update(host=row.host)


def _store(change: Changed, fleet: Fleet, present: dict[str, Workstation]) -> None:
    fields = fleet.workstations[change.name]
    if change.what == "created":
        declaring.declare({"name": change.name, **fields})
    elif change.what == "changed":
        declaring.apply(present[change.name], fields)
