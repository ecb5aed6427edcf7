"""Imports services from a TOML file: all of it or, when anything is wrong, nothing.

The file is the whole declaration of each service that it names: what it leaves out has its default.
Services that it does not name are left alone, and so are state and intent of those that it does; a
new service is wanted up or down as its ``autostart`` says. ``monitoring/demo/services.toml`` is the
annotated example. Its form is read in ``toml_reading``; the rules are ``Service.full_clean()``'s.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from django.core.exceptions import ValidationError
from django.db import transaction

from monitoring.declaration import cycle
from monitoring.importers.faults import ImportProblem
from monitoring.importers.toml_reading import (
    DEPENDS_ON,
    ENV_KEPT,
    FIELDS,
    TABLE,
    Document,
    Written,
    dotted,
    read,
)
from monitoring.models import Dependency, Node, Service

__all__ = ["Change", "ImportProblem", "import_services"]

FieldChanges = dict[str, tuple[Any, Any]]


@dataclass(frozen=True, slots=True)
class Change:
    """What the import does to one service."""

    key: str
    what: Literal["created", "changed", "unchanged"]
    fields: FieldChanges = field(default_factory=dict)
    """Old and new value by field. Of a created service: those that differ from the defaults."""


@dataclass(frozen=True, slots=True)
class _Plan:
    change: Change
    service: Service
    depends_on: Mapping[str, str]


def import_services(path: Path, *, node: str, dry_run: bool = False) -> list[Change]:
    """Declare the services of the file on ``node``; return what changed, in the file's order.

    Raises ImportProblem with every fault found, and then nothing was written. One transaction; a
    service that is as the file says is not written at all and makes no event. With ``dry_run`` the
    same is found out and nothing is written.
    """
    document = read(path)
    with transaction.atomic():
        if not dry_run:
            # Two imports at once take turns here. A node made for a file with faults goes with the rollback.
            Node.objects.get_or_create(name=node)
            Node.objects.select_for_update().get(name=node)
        existing = {
            service.key: service
            for service in Service.objects.select_related("node").prefetch_related("dependencies__needs")
        }
        plans = [_plan(document, written, existing, node) for written in document.services.values()]
        _check_together(document, plans, existing, node)
        if document.faults:
            raise ImportProblem(document.file, document.faults)
        if not dry_run:
            _write(plans, existing, node)
    return [plan.change for plan in plans]


def _plan(document: Document, written: Written, existing: Mapping[str, Service], node: str) -> _Plan:
    """Compare one service with the database, and check it by the model's rules."""
    known = existing.get(written.key)
    fields = dict(written.fields)
    _keep_variables(document, written, known, fields)
    if known and known.builtin:
        document.fault("This is one of medimgr's own processes. Choose another key.", TABLE, written.key)
    elif known and known.node.name != node:
        document.fault(
            f"It is declared on node {known.node.name!r}. Import it for that node, or choose another key.",
            TABLE,
            written.key,
        )
    before = {name: getattr(known, name) for name in FIELDS} if known else _defaults()
    service = known or Service(key=written.key)
    for name, value in fields.items():
        setattr(service, name, value)
    _check_alone(document, service)
    changes: FieldChanges = {
        name: (before[name], getattr(service, name))
        for name in FIELDS
        if _differ(name, before[name], getattr(service, name))
    }
    depends_on = {d.needs.key: d.condition for d in known.dependencies.all()} if known else {}
    if depends_on != written.depends_on:
        changes[DEPENDS_ON] = (depends_on, written.depends_on)
    what: Literal["created", "changed", "unchanged"] = "changed" if changes else "unchanged"
    return _Plan(Change(written.key, what if known else "created", changes), service, written.depends_on)


def _defaults() -> dict[str, Any]:
    return {name: model_field.get_default() for name, model_field in FIELDS.items()}


def _differ(name: str, old: Any, new: Any) -> bool:
    if name == "env" and isinstance(old, dict) and isinstance(new, dict):
        # A process gets texts: 8001 and "8001" are the same to it.
        return {n: str(v) for n, v in old.items()} != {n: str(v) for n, v in new.items()}
    return bool(old != new)


def _keep_variables(
    document: Document, written: Written, known: Service | None, fields: dict[str, Any]
) -> None:
    """Fill in the variables that ``env_kept`` names with what the database has."""
    present = known.env if known else {}
    for name in written.env_kept:
        if name in present:
            fields["env"] = {**fields["env"], name: present[name]}
        else:
            document.fault(
                f"There is no value of {name} to keep. Write it under env.", TABLE, written.key, ENV_KEPT
            )


def _check_alone(document: Document, service: Service) -> None:
    already = {fault.key for fault in document.faults}
    try:
        # The key's uniqueness is what the comparison rests on; the node is made when it is written.
        service.full_clean(exclude={"node"}, validate_unique=False)
    except ValidationError as error:
        for name, messages in error.message_dict.items():
            path = (TABLE, service.key) if name in {"key", "__all__"} else (TABLE, service.key, name)
            if dotted(path) in already:
                continue  # what has the wrong type breaks other rules too; one message is enough
            for message in dict.fromkeys(messages):
                document.fault(message, *path)


def _check_together(
    document: Document, plans: Iterable[_Plan], existing: Mapping[str, Service], node: str
) -> None:
    """Find what is wrong between services: unknown dependencies, cycles, a port for two."""
    in_file = {plan.service.key: plan for plan in plans}
    others = {
        key: service for key, service in existing.items() if key not in in_file and service.node.name == node
    }
    edges = {key: [d.needs.key for d in service.dependencies.all()] for key, service in others.items()}
    for key, plan in in_file.items():
        edges[key] = list(plan.depends_on)
        for needed in plan.depends_on:
            if needed not in in_file and needed not in others:
                document.fault(
                    f"There is no service {needed!r} in this file or on node {node!r}.",
                    *(TABLE, key, DEPENDS_ON, needed),
                )
    around = cycle(edges)
    if around:
        at = next((key for key in around if key in in_file), around[0])
        document.fault(
            f"The dependencies go round in a circle: {' → '.join(around)}. Remove one of them.",
            *(TABLE, at, DEPENDS_ON),
        )
    holders = {port: key for key, service in others.items() for port in _ports(service)}
    for key, plan in in_file.items():
        for port in _ports(plan.service):
            holder = holders.setdefault(port, key)
            if holder != key:
                where = "in this file" if holder in in_file else "in the database"
                document.fault(
                    f"Port {port} is declared by {holder!r} {where} already. Give one of them another port.",
                    *(TABLE, key, "ports"),
                )


def _ports(service: Service) -> list[int]:
    ports = service.ports if isinstance(service.ports, list) else []
    return [port for port in ports if isinstance(port, int)]


def _write(plans: Iterable[_Plan], existing: Mapping[str, Service], node: str) -> None:
    home = Node.objects.get(name=node)
    changed = [plan for plan in plans if plan.change.what != "unchanged"]
    for plan in changed:
        plan.service.node = home
        plan.service.save()
    services = {**existing, **{plan.service.key: plan.service for plan in changed}}
    for plan in changed:
        if DEPENDS_ON in plan.change.fields:
            Dependency.objects.filter(service=plan.service).delete()
            Dependency.objects.bulk_create(
                Dependency(service=plan.service, needs=services[needed], condition=condition)
                for needed, condition in plan.depends_on.items()
            )
