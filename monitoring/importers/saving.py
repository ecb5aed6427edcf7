"""Checks a Document against the rules and the database, finds what it changes, and saves that.

The document is the whole declaration of each service that it names: what it leaves out has its default.
Services that it does not name are left alone, and so are state and intent of those that it does; a
new service is wanted up or down as its ``autostart`` says. The rules are ``Service.full_clean()``'s.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from django.core.exceptions import ValidationError
from django.db import transaction

from monitoring import per_copy
from monitoring.copies import follow_dependencies
from monitoring.declaration import cycle, dependency_faults
from monitoring.importers.differences import Difference, differences
from monitoring.importers.document import DEPENDS_ON, FIELDS, TABLE, Document, Written, defaults
from monitoring.importers.faults import ImportProblem
from monitoring.models import Dependency, Node, Service, ServiceStatus
from monitoring.states import State

ENV_KEPT = "env_kept"
_MOST_INSTANCES = 100
HAS_A_PROCESS = frozenset({State.STARTING, State.RUNNING})
"""States of a service whose process was started by an earlier declaration and goes on."""


@dataclass(frozen=True, slots=True)
class Change:
    """What the import does to one service."""

    key: str
    what: Literal["created", "changed", "unchanged"]
    fields: dict[str, Difference] = field(default_factory=dict)
    """What differs, by field. Of a created service: what differs from the defaults."""
    running: bool = False
    """A process of it (or of one of its copies) is there, as far as its supervisor has reported."""

    @property
    def restart(self) -> bool:
        """Whether a process that runs goes on with old settings until it is restarted."""
        return self.running and any(difference.restart for difference in self.fields.values())


@dataclass(frozen=True, slots=True)
class _Plan:
    change: Change
    service: Service
    depends_on: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Present:
    """What the database has: declared services, and the further copies of theirs."""

    declared: dict[str, Service]
    copies: dict[str, Service]
    running: frozenset[str]
    """Keys of the declared services of which a process is there."""


def save(document: Document, *, node: str, dry_run: bool = False) -> list[Change]:
    """Declare the services of the document on ``node``; return what changed, in the document's order.

    Raises ImportProblem with every fault found, and then nothing was written. One transaction; a
    service that is as the document says is not written at all and makes no event. With ``dry_run`` the
    same is found out and nothing is written.
    """
    with transaction.atomic():
        if not dry_run:
            # Two imports at once take turns here. A node made for a file with faults goes with the rollback.
            Node.objects.get_or_create(name=node)
            Node.objects.select_for_update().get(name=node)
        present = _present()
        plans = [_plan(document, written, present, node) for written in document.services.values()]
        _check_together(document, plans, present, node)
        if document.faults:
            raise ImportProblem(document.file, document.faults)
        if not dry_run:
            _write(plans, present.declared, node)
    return [plan.change for plan in plans]


def _present() -> _Present:
    """Three queries."""
    rows = list(Service.objects.select_related("node", "instance_of").prefetch_related("dependencies__needs"))
    alive = ServiceStatus.objects.filter(state__in=HAS_A_PROCESS)
    running = {
        original or key for key, original in alive.values_list("service__key", "service__instance_of__key")
    }
    return _Present(
        {row.key: row for row in rows if row.instance_of is None},
        {row.key: row for row in rows if row.instance_of is not None},
        frozenset(running),
    )


def _plan(document: Document, written: Written, present: _Present, node: str) -> _Plan:
    """Compare one service with the database, and check it by the model's rules."""
    known = present.declared.get(written.key)
    fields = dict(written.fields)
    _keep_variables(document, written, known, fields)
    _check_key(document, written.key, present, node)
    before = {name: getattr(known, name) for name in FIELDS} if known else defaults()
    needed_before = {d.needs.key: d.condition for d in known.dependencies.all()} if known else {}
    service = known or Service(key=written.key)
    found = differences(
        known, before | {DEPENDS_ON: needed_before}, fields | {DEPENDS_ON: written.depends_on}
    )
    for name, value in fields.items():
        setattr(service, name, value)
    _check_alone(document, service)
    what: Literal["created", "changed", "unchanged"] = "changed" if found else "unchanged"
    change = Change(written.key, what if known else "created", found, written.key in present.running)
    return _Plan(change, service, written.depends_on)


def _check_key(document: Document, key: str, present: _Present, node: str) -> None:
    """Find out whether the key is taken by something that this import may not change."""
    known = present.declared.get(key)
    copy = present.copies.get(key)
    if copy is not None and copy.instance_of is not None:
        document.fault(
            f"It is copy {copy.instance + 1} of {copy.instance_of.key!r} and follows that one's declaration. "
            "Choose another key.",
            *(TABLE, key),
        )
    elif known and known.builtin:
        document.fault("This is one of medimgr's own processes. Choose another key.", TABLE, key)
    elif known and known.node.name != node:
        document.fault(
            f"It is declared on node {known.node.name!r}. Import it for that node, or choose another key.",
            *(TABLE, key),
        )


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
    already = {(fault.file, fault.key) for fault in document.faults}
    try:
        # The key's uniqueness is what the comparison rests on; the node is made when it is written.
        service.full_clean(exclude={"node", "instance_of"}, validate_unique=False)
    except ValidationError as error:
        for name, messages in error.message_dict.items():
            path = (TABLE, service.key) if name in {"key", "__all__"} else (TABLE, service.key, name)
            place = document.find(path)
            if (place.file, place.key) in already:
                continue  # what has the wrong type breaks other rules too; one message is enough
            for message in dict.fromkeys(messages):
                document.fault_at(place, message)


def _check_together(document: Document, plans: Iterable[_Plan], present: _Present, node: str) -> None:
    """Find what is wrong between services: unknown dependencies, cycles, a port or a key for two."""
    in_file = {plan.service.key: plan for plan in plans}
    others = {
        key: service
        for key, service in present.declared.items()
        if key not in in_file and service.node.name == node
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
    scheduled = [key for key, service in others.items() if service.schedule]
    scheduled += [key for key, plan in in_file.items() if plan.service.schedule]
    for key, plan in in_file.items():
        for needed, message in dependency_faults(plan.depends_on, scheduled).items():
            document.fault(message, *(TABLE, key, DEPENDS_ON, needed))
    around = cycle(edges)
    if around:
        at = next((key for key in around if key in in_file), around[0])
        document.fault(
            f"The dependencies go round in a circle: {' → '.join(around)}. Remove one of them.",
            *(TABLE, at, DEPENDS_ON),
        )
    _check_copies(document, in_file)
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


def _check_copies(document: Document, in_file: Mapping[str, _Plan]) -> None:
    """Find copies that would be called as another service of the file is."""
    for key, plan in in_file.items():
        for number in range(1, _instances(plan.service)):
            taken = per_copy.key_of(key, number)
            if taken in in_file:
                document.fault(
                    f"Its copy {number + 1} would be called {taken}, as another service of this file is. "
                    "Have fewer copies, or choose another key.",
                    *(TABLE, key, "instances"),
                )


def _instances(service: Service) -> int:
    """Return how many there are of it; what breaks the rules counts as one."""
    count: Any = service.instances
    return count if isinstance(count, int) and 1 <= count <= _MOST_INSTANCES else 1


def _ports(service: Service) -> list[int]:
    """Return the ports of a service and of its further copies."""
    ports: Any = service.ports
    step: Any = service.port_step
    whole = [port for port in ports if isinstance(port, int)] if isinstance(ports, list) else []
    shift = step if isinstance(step, int) else 0
    found = (per_copy.ports_of(whole, number, shift) for number in range(_instances(service)))
    return list(dict.fromkeys(port for ports in found for port in ports))


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
            follow_dependencies(plan.service)
