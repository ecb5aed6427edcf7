"""Waiting operations are taken up oldest first, each by exactly one."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from medimgr.events.models import Event
from operations import lifecycle
from operations.models import Operation
from operations.registry import WORKER_QUEUE
from operations.states import Status
from tests.operations.asking import ask, declare, fresh, service, together

pytestmark = pytest.mark.both_databases


@pytest.mark.django_db
def test_the_oldest_are_taken_first_and_no_more_than_wanted() -> None:
    asked = [ask(key=key) for key in ("a", "b", "c")]
    first = lifecycle.claim(WORKER_QUEUE, "w", limit=2)
    assert [operation.pk for operation in first] == [asked[0].pk, asked[1].pk]
    assert [operation.pk for operation in lifecycle.claim(WORKER_QUEUE, "w")] == [asked[2].pk]
    assert lifecycle.claim(WORKER_QUEUE, "w") == []


@pytest.mark.django_db
def test_a_claim_gives_a_lease_a_token_and_a_new_deadline() -> None:
    declare(deadline_seconds=7.0)
    asked = ask()
    [held] = lifecycle.claim(WORKER_QUEUE, "worker:1", lease_seconds=30.0)
    row = fresh(asked)
    assert (row.status, row.lease_owner, row.lease_token) == (Status.RUNNING, "worker:1", 1)
    assert row.started_at is not None
    assert row.lease_until == row.started_at + timedelta(seconds=30)
    assert row.deadline_at == row.started_at + timedelta(seconds=7)
    # What the caller holds is what the database has.
    assert {f.attname: getattr(held, f.attname) for f in Operation._meta.concrete_fields} == {
        f.attname: getattr(row, f.attname) for f in Operation._meta.concrete_fields
    }
    assert Event.objects.latest("id").data == row.public()


@pytest.mark.django_db
def test_each_queue_is_served_apart() -> None:
    ask(key="a", queue="node:alpha")
    assert lifecycle.claim("node:beta", "w") == []
    assert len(lifecycle.claim("node:alpha", "w")) == 1


@pytest.mark.django_db
def test_kinds_with_different_deadlines_are_taken_in_one_go() -> None:
    declare("service.brief", deadline_seconds=1.0)
    ask(key="a")
    ask("service.brief", key="b")
    held = lifecycle.claim(WORKER_QUEUE, "w")
    allowed = [operation.deadline_at - (operation.started_at or timezone.now()) for operation in held]
    assert allowed == [timedelta(seconds=300), timedelta(seconds=1)]


@pytest.mark.django_db
def test_what_nobody_took_in_time_is_not_begun_late() -> None:
    asked = ask()
    Operation.objects.filter(pk=asked.pk).update(deadline_at=timezone.now() - timedelta(seconds=1))
    assert lifecycle.claim(WORKER_QUEUE, "w") == []
    assert fresh(asked).status == Status.PENDING


@pytest.mark.django_db
def test_an_empty_queue_costs_one_query_and_no_lock() -> None:
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert lifecycle.claim(WORKER_QUEUE, "w") == []
    assert len(queries) == 1


@pytest.mark.django_db(transaction=True)
def test_no_two_claimers_get_the_same_operation() -> None:
    asked = {ask(key=f"s{n}").pk for n in range(40)}

    def take_all(name: str) -> list[int]:
        taken: list[int] = []
        while held := lifecycle.claim(WORKER_QUEUE, name, limit=3):
            taken += [operation.pk for operation in held]
        return taken

    service()
    hauls = together(*[lambda n=n: take_all(f"w{n}") for n in range(4)])
    everything = [pk for haul in hauls for pk in haul]
    assert len(everything) == len(set(everything))
    # A claimer may leave early while others hold the rows that it could have had; nothing stays behind.
    everything += [operation.pk for operation in lifecycle.claim(WORKER_QUEUE, "last", limit=100)]
    assert set(everything) == asked
    assert set(Operation.objects.values_list("lease_token", flat=True)) == {1}
