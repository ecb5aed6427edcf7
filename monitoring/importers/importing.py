"""One import from files to rows, for shell, API and admin: read, check, compare, save."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db.models import Q

from monitoring.importers import telling
from monitoring.importers.document import Remark
from monitoring.importers.formats import Format, read
from monitoring.importers.saving import HAS_A_PROCESS, Change, save
from monitoring.importers.sources import Options, Source, read_file
from monitoring.models import Service


@dataclass(frozen=True, slots=True)
class Import:
    """What an import did or, in a dry run, would do."""

    changes: list[Change]
    remarks: list[Remark]
    """What is not taken over, and what is not quite as it was, in the order of the files' lines."""
    dry_run: bool

    @property
    def to_restart(self) -> list[str]:
        """Return the keys of running services that go on with old settings until they are restarted."""
        return [change.key for change in self.changes if change.restart]

    def public(self) -> dict[str, Any]:
        """Return the shape that the API answers with. Values of variables are masked."""
        return {
            "dry_run": self.dry_run,
            "services": [
                {
                    "key": change.key,
                    "what": change.what,
                    "running": change.running,
                    "restart": change.restart,
                    "fields": telling.fields(change),
                }
                for change in self.changes
            ],
            "not_mapped": [remark.public() for remark in self.remarks if not remark.mapped],
            "notes": [remark.public() for remark in self.remarks if remark.mapped],
            "to_restart": self.to_restart,
        }


def import_sources(
    sources: Sequence[Source],
    wanted: Format | None,
    options: Options,
    *,
    node: str,
    dry_run: bool = False,
) -> Import:
    """Import the sources, all of it or, when anything is wrong, nothing.

    ``wanted`` None guesses the format from names and texts. Raises ImportProblem with every fault found.
    One transaction; what is as it was is not written at all. Queries and writes the database.
    """
    document = read(sources, wanted, options)
    changes = save(document, node=node, dry_run=dry_run)
    remarks = sorted(document.remarks, key=lambda remark: (remark.place.file, remark.place.line))
    return Import(changes, remarks, dry_run)


def read_files(paths: Iterable[str]) -> list[Source]:
    """Read files of this machine. Raises ImportProblem where one cannot be read."""
    return [read_file(Path(path)) for path in paths]


def restarts(done: Import) -> list[tuple[list[Service], bool]]:
    """Return the services of which a process has to be restarted, in groups, and whether a group rolls.

    A service with further copies is a group that rolls; all others are one that does not. One query.
    """
    keys = done.to_restart
    services = (
        Service.objects.select_related("node", "status")
        .filter(Q(key__in=keys) | Q(instance_of__key__in=keys), status__state__in=HAS_A_PROCESS)
        .order_by("priority", "key")
    )
    groups: dict[int, list[Service]] = {}
    for service in services:
        groups.setdefault(service.instance_of_id or service.pk, []).append(service)
    single = [group[0] for group in groups.values() if len(group) == 1]
    rolls = [(group, True) for group in groups.values() if len(group) > 1]
    return [(single, False), *rolls] if single else rolls
