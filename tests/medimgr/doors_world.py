"""The people who try every door, and the rows that they try them on: one of each in reach, one out of it."""

import functools
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import Group, User
from django.db import transaction
from django.test import Client
from django.test.client import ClientHandler
from django.utils import timezone

from medimgr.accounts import machine_tokens
from medimgr.accounts.machine_tokens import Issuer
from medimgr.accounts.models import AccountScope
from medimgr.lib.roles import Role, permissions_of
from medimgr.lib.scope import stored
from monitoring.models import Run, Transition
from monitoring.states import Reason, State
from operations.models import Batch, Operation
from operations.states import Status
from tests.factories import make_service
from workstations.models import Change, Emulator, Workstation


@dataclass(frozen=True)
class Person:
    """Somebody who tries a door."""

    name: str
    role: Role | None = None
    logged_in: bool = True
    staff: bool = True
    superuser: bool = False
    limited: bool = False
    looks: bool = False
    """Whether somebody limited may look at the rest."""
    token: bool = False

    @property
    def rank(self) -> int:
        """Return how much the person may do; -1: nothing."""
        if not (self.logged_in and self.staff):
            return -1
        if self.superuser:
            return len(Role)
        return list(Role).index(self.role) if self.role is not None else -1


PEOPLE = (
    Person("stranger", logged_in=False),
    Person("outsider", Role.ADMINISTRATOR, staff=False),
    Person("newcomer"),
    Person("viewer", Role.VIEWER),
    Person("operator", Role.OPERATOR),
    Person("administrator", Role.ADMINISTRATOR),
    Person("superuser", superuser=True),
    Person("limited-viewer", Role.VIEWER, limited=True),
    Person("limited-operator", Role.OPERATOR, limited=True),
    Person("limited-administrator", Role.ADMINISTRATOR, limited=True),
    Person("looking-administrator", Role.ADMINISTRATOR, limited=True, looks=True),
    Person("viewer-token", Role.VIEWER, token=True),
    Person("limited-operator-token", Role.OPERATOR, limited=True, token=True),
)
SCOPE = {"service_groups": ["Payments"], "workstation_tags": ["hall-1"]}
"""What the limited ones are limited to; services write it in another case."""
FAR = "farrow"
"""In the name of everything that is out of reach."""
NEAR = "nearrow"


class World:
    """Rows near and far, and people to try doors."""

    def __init__(self) -> None:
        self.rows = {
            "near": _rows(NEAR, "payments", "hall-1", "10.0.0.1"),
            "far": _rows(FAR, "ledger", "hall-2", "10.0.0.2"),
        }
        self._secrets: dict[str, str] = {}
        for person in PEOPLE:
            if person.logged_in:
                self.add(person)

    def client(self, person: Person) -> Client:
        """Return a client that is logged in as ``person``, or comes with a token."""
        if person.token:
            client = Client(headers={"Authorization": f"Bearer {self._secrets[person.name]}"})
        else:
            client = Client()
        client.handler = _handler()
        if person.logged_in and not person.token:
            client.force_login(User.objects.get(username=person.name))
        return client

    def user(self, person: Person) -> User:
        """Return the account, as each request reads it anew."""
        return User.objects.get(username=person.name)

    def called(self, template: Any, side: str) -> Any:
        """Return an address or a body with the names of the rows on ``side``."""
        if isinstance(template, dict):
            return {name: self.called(value, side) for name, value in template.items()}
        if isinstance(template, list):
            return [self.called(value, side) for value in template]
        if not isinstance(template, str):
            return template
        names = self.rows[side]
        if template.startswith("{") and template[1:-1] in names:  # a number stays one
            return names[template[1:-1]]
        return template.format(**names)

    def add(self, person: Person) -> None:
        user = User.objects.create_user(person.name, is_staff=person.staff, is_superuser=person.superuser)
        if person.role is not None and not person.token:
            user.groups.add(Group.objects.get(name=person.role))
        if person.limited and not person.token:
            AccountScope.objects.create(user=user, sees_everything=person.looks, **SCOPE)
        if person.token and person.role is not None:
            user.groups.add(Group.objects.get(name=Role.ADMINISTRATOR))
            issued = machine_tokens.issue(
                person.name,
                user,
                Issuer("test", "command"),
                permissions=permissions_of(person.role),
                groups=SCOPE["service_groups"] if person.limited else [],
                tags=SCOPE["workstation_tags"] if person.limited else [],
                days=1,
            )
            self._secrets[person.name] = issued.token


@functools.cache
def _handler() -> ClientHandler:
    """Return one for all requests: each would make its own middleware, which looks for all static files."""
    return ClientHandler(enforce_csrf_checks=False)


def rolled_back(act: Any) -> Any:
    """Return what ``act`` returns, and leave the database as it was."""
    with transaction.atomic():
        result = act()
        transaction.set_rollback(True)
    return result


def _rows(name: str, group: str, tag: str, host: str) -> dict[str, Any]:
    """Make one row of everything."""
    now = timezone.now()
    service = make_service(f"{name}-service", name=f"{name} service", group=group)
    run = Run.objects.create(
        service=service,
        service_key=service.key,
        node=service.node.name,
        reason=Reason.OPERATOR,
        started_at=now,
    )
    transition = Transition.objects.create(
        service=service, at=now, from_state=State.STOPPED, to_state=State.STARTING, detail=f"{name} detail"
    )
    workstation = Workstation.objects.create(name=f"{name}-pc", host=host, tags=[tag])
    emulator = Emulator.objects.create(workstation=workstation, index=1, title=f"{name} emulator")
    change = Change.objects.create(workstation=workstation, at=now, what="title", after=f"{name} change")
    labels = stored(service.scope_labels())
    batch = Batch.objects.create(
        id=f"{name}-batch",
        kind="service.restart",
        labels=labels,
        requester=f"{name}-requester",
        source="api",
        created_at=now,
        total=2,
    )
    asked = {
        "kind": "service.restart",
        "target_type": "service",
        "target_name": f"{name} service",
        "labels": labels,
        "requester": f"{name}-requester",
        "source": "api",
        "reason": f"{name} reason",
        "batch": batch.pk,
        "created_at": now,
        "run_after": now,
        "deadline_at": now + timedelta(hours=1),
        "queue": "nobody",
    }
    # Of a copy of it, so that nothing stands in the way of a new one.
    waiting = Operation.objects.create(target_key=f"{name}-waiting", status=Status.PENDING, **asked)
    failed = Operation.objects.create(
        target_key=service.key, status=Status.FAILED, finished_at=now, error_code="refused", **asked
    )
    return {
        "service": service.key,
        "workstation": workstation.pk,
        "emulator": emulator.pk,
        "operation": waiting.pk,
        "failed": failed.pk,
        "batch": batch.pk,
        "tag": tag,
        "monitoring.service": service.pk,
        "monitoring.run": run.pk,
        "monitoring.transition": transition.pk,
        "workstations.workstation": workstation.pk,
        "workstations.emulator": emulator.pk,
        "workstations.change": change.pk,
        "operations.operation": failed.pk,
    }
