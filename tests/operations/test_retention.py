"""The chores that keep tables short delete what is old, in batches, and nothing else."""

from datetime import timedelta

import pytest
from django.conf import LazySettings
from django.db import transaction
from django.utils import timezone

from medimgr.events.log import last_event_id, publish
from medimgr.events.models import Event
from medimgr.events.retention import prune
from monitoring.chores import prune_history
from monitoring.models import Run, Transition
from monitoring.states import Reason, State
from operations import housekeeping, lifecycle
from operations.states import Status
from tests.operations.asking import ask, fresh, service

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


def publish_some(count: int, hours_ago: float) -> None:
    with transaction.atomic():
        for _ in range(count):
            publish("service", "a", {})
    newest = Event.objects.order_by("-id").values_list("id", flat=True)[:count]
    Event.objects.filter(id__in=list(newest)).update(at=timezone.now() - timedelta(hours=hours_ago))


def test_old_events_go_in_batches_and_young_ones_stay() -> None:
    publish_some(7, hours_ago=3)
    publish_some(2, hours_ago=0)
    assert prune(timezone.now() - timedelta(hours=1), batch=3) == 7
    assert Event.objects.count() == 2
    assert prune(timezone.now() - timedelta(hours=1)) == 0


def test_the_newest_event_stays_however_old() -> None:
    publish_some(3, hours_ago=100)
    newest = last_event_id()
    assert prune(timezone.now()) == 2
    assert last_event_id() == newest


def test_an_empty_log_is_left_alone() -> None:
    assert prune(timezone.now()) == 0


def test_old_history_goes_and_a_live_run_stays(settings: LazySettings) -> None:
    backend = service()
    now = timezone.now()
    for days in (1, 29, 31, 400):
        at = now - timedelta(days=days)
        Transition.objects.create(service=backend, at=at, from_state=State.STOPPED, to_state=State.STARTING)
        Run.objects.create(
            service=backend,
            service_key=backend.key,
            node="testnode",
            reason=Reason.OPERATOR,
            started_at=at,
            ended_at=at,
        )
    living = Run.objects.create(
        service=backend,
        service_key=backend.key,
        node="testnode",
        reason=Reason.OPERATOR,
        started_at=now - timedelta(days=500),
    )
    settings.MEDIMGR_HISTORY_KEEP_DAYS = 30
    assert prune_history(batch=1) == "deleted 2 transition(s) and 2 run(s)"
    assert Transition.objects.count() == 2
    assert Run.objects.count() == 3
    assert Run.objects.filter(pk=living.pk).exists()
    assert prune_history() == ""


def test_the_reaper_says_what_it_did() -> None:
    asked = ask()
    lifecycle.claim("worker", "w", lease_seconds=-1)
    assert housekeeping.reap() == "ended 1 operation(s) that nobody carries out"
    assert fresh(asked).status == Status.FAILED
    assert housekeeping.reap() == ""
