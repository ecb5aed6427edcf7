"""What was lost with its worker is asked for again by itself, where its kind says so, and never otherwise."""

from datetime import timedelta

import pytest
from django.utils import timezone

from medimgr.events.models import Event
from operations import lifecycle
from operations.lifecycle import End
from operations.models import Batch, Operation
from operations.registry import WORKER_QUEUE
from operations.states import Status
from tests.operations.asking import ALICE, BERTA, WORK, ask, declare, fresh, service

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


@pytest.fixture(autouse=True)
def repeatable() -> None:
    declare(repeatable=2)


def held() -> Operation:
    [operation] = lifecycle.claim(WORKER_QUEUE, "w")
    return operation


def lose() -> int:
    return lifecycle.reap(timezone.now() + timedelta(seconds=31))


def repetition_of(operation: Operation) -> Operation | None:
    return Operation.objects.filter(retry_of=operation).first()


def test_what_was_lost_is_asked_for_again_by_the_system() -> None:
    old = ask(reason="It leaks.", priority=7, idempotency_key="k")
    held()
    assert lose() == 1
    assert (fresh(old).status, fresh(old).error_code) == (Status.FAILED, "lease-lost")
    new = repetition_of(old)
    assert new is not None
    assert (new.status, new.attempt, new.kind, new.target, new.queue) == (
        "PENDING",
        2,
        old.kind,
        old.target,
        old.queue,
    )
    assert (new.requester, new.source, new.requested_by) == ("system, for alice", "system", None)
    assert (new.reason, new.priority, new.idempotency_key) == ("It leaks.", 7, "")
    told = {event.key: event.data for event in Event.objects.filter(topic="operation").order_by("id")}
    assert told[str(new.pk)] == new.public()
    assert held().pk == new.pk


def test_so_many_times_and_no_more() -> None:
    ask()
    for _ in range(3):
        held()
        lose()
    rows = Operation.objects.order_by("id")
    assert [(row.attempt, row.status) for row in rows] == [(1, "FAILED"), (2, "FAILED"), (3, "FAILED")]
    assert [row.requester for row in rows] == ["alice", "system, for alice", "system, for alice"]


@pytest.mark.parametrize("code", ["lease-lost", "worker-stopped", "handed-over"])
def test_whoever_ends_it_as_lost(code: str) -> None:
    ask()
    old = held()
    lifecycle.finish(old, Status.FAILED, code, "gone")
    assert repetition_of(old) is not None


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (Status.FAILED, "no-disk"),
        (Status.FAILED, "internal-error"),
        (Status.TIMEOUT, "timeout"),
        (Status.CANCELLED, "cancelled"),
        (Status.SUCCESS, ""),
    ],
)
def test_an_end_that_says_something_of_the_work_is_the_end(status: Status, code: str) -> None:
    ask()
    old = held()
    lifecycle.finish(old, status, code)
    assert Operation.objects.count() == 1


def test_a_dead_supervisor_counts_too() -> None:
    old = ask(queue="node:alpha")
    lifecycle.claim("node:alpha", "old life")
    assert lifecycle.fail_abandoned("node:alpha", "new life") == 1
    assert repetition_of(old) is not None


def test_what_was_asked_to_stop_is_not_begun_again() -> None:
    old = ask()
    held()
    lifecycle.request_cancel(fresh(old), BERTA)
    lose()
    assert Operation.objects.count() == 1


def test_no_other_kind_is_ever_repeated() -> None:
    declare()
    ask()
    held()
    assert lose() == 1
    assert Operation.objects.count() == 1


def test_a_target_that_is_gone_is_not_worked_on_again() -> None:
    ask()
    held()
    service().delete()
    assert lose() == 1
    assert Operation.objects.count() == 1


def test_a_kind_whose_own_code_fails_still_ends(caplog: pytest.LogCaptureFixture) -> None:
    old = ask()
    held()

    def broken(target: object) -> str:
        raise RuntimeError("no queue today")

    declare(repeatable=2, queue=broken)
    assert lose() == 1
    assert fresh(old).error_code == "lease-lost"
    assert "could not be asked for again" in caplog.text


def test_a_batch_counts_the_last_try_alone() -> None:
    Batch.objects.create(
        id="b", kind=WORK, requester="alice", source="api", created_at=timezone.now(), total=2
    )
    ask(key="a", batch="b", who=ALICE)
    ask(key="b", batch="b", who=ALICE)
    first, second = lifecycle.claim(WORKER_QUEUE, "w")
    lifecycle.finish_all([End(first, Status.FAILED, "worker-stopped"), End(second, Status.FAILED, "no-disk")])
    batch = Batch.objects.get()
    assert (batch.failed, batch.done, batch.finished_at) == (1, 1, None)
    again = held()
    assert again.batch == "b"
    lifecycle.finish(again, Status.SUCCESS)
    batch = Batch.objects.get()
    assert (batch.succeeded, batch.failed, batch.done) == (1, 1, 2)
    assert batch.finished_at is not None
