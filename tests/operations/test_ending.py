"""An operation ends once, by whoever holds it, and never changes after that."""

import pytest

from medimgr.events.models import Event
from operations import lifecycle
from operations.exceptions import LeaseLost, NotCancellable
from operations.models import Operation
from operations.registry import WORKER_QUEUE
from operations.states import FINISHED, Status
from tests.operations.asking import ALICE, ask, fresh

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


def claimed() -> Operation:
    ask()
    [held] = lifecycle.claim(WORKER_QUEUE, "w")
    return held


def values(operation: Operation) -> dict[str, object]:
    row = fresh(operation)
    return {field.attname: getattr(row, field.attname) for field in Operation._meta.concrete_fields}


@pytest.mark.parametrize("status", sorted(FINISHED))
def test_the_end_is_stored_with_its_event(status: Status) -> None:
    held = claimed()
    lifecycle.finish(held, status, "no-disk" if status == Status.FAILED else "", "The disk is full.")
    row = fresh(held)
    assert row.status == status
    assert row.finished_at is not None
    assert row.lease_until is None
    assert held.public() == row.public()
    assert Event.objects.latest("id").data == row.public()


@pytest.mark.parametrize("status", sorted(FINISHED))
def test_an_ended_operation_never_changes(status: Status) -> None:
    held = claimed()
    stale = fresh(held)
    lifecycle.finish(held, status, "code", "detail")
    before, events = values(held), Event.objects.count()
    with pytest.raises(LeaseLost, match=status.lower()):
        lifecycle.finish(stale, Status.SUCCESS)
    with pytest.raises(LeaseLost, match=status.lower()):
        lifecycle.report(stale, 1, 1, "late")
    with pytest.raises(NotCancellable, match=status.lower()):
        lifecycle.request_cancel(stale, ALICE)
    assert lifecycle.renew([stale]) == set()
    assert lifecycle.fail_abandoned(WORKER_QUEUE, "somebody else") == 0
    assert values(held) == before
    assert Event.objects.count() == events


def test_an_older_token_has_no_say() -> None:
    held = claimed()
    Operation.objects.filter(pk=held.pk).update(lease_token=2, lease_owner="another")
    with pytest.raises(LeaseLost, match="held by another"):
        lifecycle.finish(held, Status.SUCCESS)
    with pytest.raises(LeaseLost, match="held by another"):
        lifecycle.report(held, 1, 1, "late")
    assert lifecycle.renew([held]) == set()
    assert fresh(held).status == Status.RUNNING


def test_a_waiting_operation_cannot_be_ended_by_a_holder() -> None:
    asked = ask()
    with pytest.raises(LeaseLost):
        lifecycle.finish(asked, Status.SUCCESS)
    assert fresh(asked).status == Status.PENDING


@pytest.mark.parametrize("status", ["PENDING", "RUNNING", "DONE"])
def test_only_an_end_is_an_end(status: str) -> None:
    held = claimed()
    with pytest.raises(ValueError, match=status):
        lifecycle.finish(held, status)


def test_progress_is_stored_and_published_and_stays_at_the_end() -> None:
    held = claimed()
    lifecycle.report(held, 3, 20, "chunk 3")
    assert fresh(held).public()["progress"] == {"done": 3, "total": 20, "message": "chunk 3"}
    assert Event.objects.latest("id").data["progress"]["done"] == 3
    lifecycle.finish(held, Status.SUCCESS)
    assert fresh(held).progress_done == 3


def test_a_renewed_lease_reaches_further() -> None:
    held = claimed()
    before = fresh(held).lease_until
    assert lifecycle.renew([held], lease_seconds=60.0) == {held.pk}
    after = fresh(held).lease_until
    assert before is not None
    assert after is not None
    assert after > before


def test_renewing_tells_the_held_from_the_lost() -> None:
    for key in ("a", "b", "c"):
        ask(key=key)
    held = lifecycle.claim(WORKER_QUEUE, "w")
    lifecycle.finish(held[1], Status.SUCCESS)
    assert lifecycle.renew(held) == {held[0].pk, held[2].pk}
    assert lifecycle.standing("w") == {held[0].pk: None, held[2].pk: None}
