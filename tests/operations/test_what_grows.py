"""Every table that grows by itself is kept short by a chore."""

from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.apps import apps
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db.models import Model
from django.utils import timezone

from medimgr.accounts.models import TokenFamily
from medimgr.audit.models import AuditEntry
from medimgr.events import unseen_workers
from medimgr.events.models import Connection, Event, StreamWorker, Traffic
from medimgr.tallies.models import ProcessReport
from monitoring.models import Run, Transition
from monitoring.states import Reason, State
from operations import chores, lifecycle
from operations.job import Job
from operations.models import Batch, LogPart, Operation
from operations.purge_operation import carry_out
from operations.states import Status
from tests.operations.asking import service
from tests.operations.rows import made
from workstations.models import Change, Workstation

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]

LONG = timedelta(days=500)
KEPT = {
    "accounts.AccountScope": "declared",
    "accounts.MachineToken": "issued by administrators",
    "admin.LogEntry": "what was changed in the admin, by whom: an audit, written by people alone",
    "auth.Permission": "declared",
    "auth.Group": "declared",
    "auth.User": "declared",
    "axes.AccessAttemptExpiration": "never written",
    "axes.AccessFailureLog": "never written",
    "axes.AccessLog": "never written",
    "contenttypes.ContentType": "declared",
    "events.Tick": "one for each node",
    "events.DepartedFigures": "one",
    "monitoring.Node": "declared",
    "monitoring.Service": "declared",
    "monitoring.ServiceStatus": "one for each service",
    "monitoring.Dependency": "declared",
    "operations.ChoreRun": "one for each chore",
    "tallies.Tally": "one for each count and the values of its labels, which are all bounded",
    "workstations.Workstation": "declared",
    "workstations.Emulator": "one for each emulator that a workstation lists",
}


def wrong_login() -> AccessAttempt:
    row = AccessAttempt.objects.create(username="a", ip_address="192.0.2.1", failures_since_start=1)
    AccessAttempt.objects.update(attempt_time=timezone.now() - LONG)
    return row


def worker() -> StreamWorker:
    return StreamWorker.objects.get_or_create(
        node="elsewhere",
        pid=1,
        start_ticks=1,
        defaults={"started_at": timezone.now() - LONG, "seen_at": timezone.now() - LONG},
    )[0]


def operation(**fields: Any) -> Operation:
    return made(ago=LONG, **fields)


def batch() -> Batch:
    at = timezone.now() - LONG
    return Batch.objects.create(
        pk="old", kind="service.start", requester="a", source="api", created_at=at, finished_at=at, total=0
    )


def connection() -> Connection:
    at = timezone.now() - LONG
    user = User.objects.get_or_create(username="somebody")[0]
    return Connection.objects.create(worker=worker(), user=user, connected_at=at, last_ping_at=at)


def run() -> Run:
    at = timezone.now() - LONG
    return Run.objects.create(
        service=service(),
        service_key="backend",
        node="testnode",
        reason=Reason.OPERATOR,
        started_at=at,
        ended_at=at,
    )


def events() -> Event:
    # Two, since the newest always stays.
    at = timezone.now() - LONG
    old = Event.objects.create(topic="service", key="a", data={}, at=at)
    Event.objects.create(topic="service", key="b", data={}, at=timezone.now())
    return old


def login() -> TokenFamily:
    at = timezone.now() - LONG
    user = User.objects.get_or_create(username="somebody")[0]
    return TokenFamily.objects.create(
        user=user, refresh_id="x", created_at=at, refreshed_at=at, expires_at=at
    )


def silent_process() -> ProcessReport:
    at = timezone.now() - LONG
    return ProcessReport.objects.create(node="n", kind="web", pid=1, start_ticks=1, started_at=at, seen_at=at)


def audited() -> AuditEntry:
    return AuditEntry.objects.create(at=timezone.now() - LONG, who="a", source="page", action="login")


GROWING: dict[str, Callable[[], Model]] = {
    "axes.AccessAttempt": wrong_login,
    "accounts.TokenFamily": login,
    "audit.AuditEntry": audited,
    "events.Event": events,
    "events.Traffic": lambda: Traffic.objects.create(minute=timezone.now() - LONG),
    "events.StreamWorker": worker,
    "events.Connection": connection,
    "monitoring.Run": run,
    "monitoring.Transition": lambda: Transition.objects.create(
        service=service(), at=timezone.now() - LONG, from_state=State.STOPPED, to_state=State.STARTING
    ),
    "operations.Operation": operation,
    "operations.LogPart": lambda: LogPart.objects.create(operation=operation(), first=1, lines=[]),
    "operations.Batch": batch,
    "workstations.Change": lambda: Change.objects.create(
        workstation=Workstation.objects.create(name="w", host="w", polled=False),
        at=timezone.now() - LONG,
        what="status",
    ),
    "tallies.ProcessReport": silent_process,
    "sessions.Session": lambda: Session.objects.create(
        session_key="old", session_data="", expire_date=timezone.now() - LONG
    ),
}


def do_all_chores() -> None:
    """Do every chore once, and what they have asked for."""
    for chore in chores.all_chores().values():
        chore.run()
    for asked in lifecycle.claim("worker", "w"):
        carry_out(Job(asked))
        lifecycle.finish(asked, Status.SUCCESS)


def test_of_every_table_it_is_known_whether_it_grows() -> None:
    assert {model._meta.label for model in apps.get_models()} == KEPT.keys() | GROWING.keys()


@pytest.mark.parametrize("label", sorted(GROWING))
def test_what_is_old_enough_goes_with_the_chores(label: str, monkeypatch: pytest.MonkeyPatch) -> None:
    old = GROWING[label]()
    # A worker that was not seen for long is given time to come back, by this process's own clock.
    watch = unseen_workers.Watch()
    monkeypatch.setattr(unseen_workers, "of_this_process", watch)
    for look in range(4):
        monkeypatch.setattr(unseen_workers, "time", SimpleNamespace(monotonic=lambda at=look * 5.0: at))
        do_all_chores()
    assert not type(old)._default_manager.filter(pk=old.pk).exists()


def test_every_chore_says_what_it_does() -> None:
    for chore in chores.all_chores().values():
        assert chore.does.endswith("."), chore.name
        assert chore.every_seconds >= 1, chore.name
