"""A retry is a new operation that points at the old one, which stays as it was."""

import pytest
from django.contrib.auth.models import User

from monitoring.handlers import RESTART
from operations import lifecycle
from operations.exceptions import (
    NotPermitted,
    NotRetryable,
    OperationGone,
    TargetBusy,
    TargetGone,
    UnknownKind,
)
from operations.intake import retry
from operations.models import Operation
from operations.registry import node_queue, unregister
from operations.requester import Requester
from operations.states import Status
from tests.factories import make_node
from tests.operations.asking import BERTA, WORK, ask, fresh, service

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


def ended(status: Status, kind: str = RESTART) -> Operation:
    ask(kind, queue="q", reason="It leaks.", idempotency_key="k")
    [held] = lifecycle.claim("q", "w")
    lifecycle.finish(held, status, "code")
    return held


@pytest.mark.parametrize("status", [Status.FAILED, Status.CANCELLED, Status.TIMEOUT])
def test_what_did_not_succeed_can_be_asked_for_again(status: Status) -> None:
    old = ended(status)
    before = fresh(old).public()
    new = retry(old, BERTA)
    assert new.pk != old.pk
    assert (new.status, new.retry_of_id, new.requester) == (Status.PENDING, old.pk, "berta")
    assert (new.kind, new.target, new.reason) == (old.kind, old.target, "It leaks.")
    assert fresh(old).public() == before


def test_a_success_or_an_active_operation_cannot() -> None:
    with pytest.raises(NotRetryable, match="success"):
        retry(ended(Status.SUCCESS), BERTA)
    with pytest.raises(NotRetryable, match="pending"):
        retry(ask(), BERTA)


def test_the_retry_goes_to_where_the_service_is_now() -> None:
    old = ended(Status.FAILED)
    moved = service()
    moved.node = make_node("beta")
    moved.save()
    assert retry(old, BERTA).queue == node_queue("beta")


def test_a_retry_waits_its_turn_like_anything_else() -> None:
    old = ended(Status.FAILED)
    retry(old, BERTA)
    with pytest.raises(TargetBusy):
        retry(old, BERTA)


def test_a_target_that_is_gone_is_named() -> None:
    old = ended(Status.FAILED)
    service().delete()
    with pytest.raises(TargetGone, match="service:backend"):
        retry(old, BERTA)


def test_an_operation_that_was_purged_is_named() -> None:
    old = ended(Status.FAILED)
    Operation.objects.all().delete()
    with pytest.raises(OperationGone, match=str(old.pk)):
        retry(old, BERTA)


def test_a_kind_that_nobody_declares_any_more_is_named() -> None:
    old = ended(Status.FAILED, WORK)
    unregister(WORK)
    with pytest.raises(UnknownKind, match=WORK):
        retry(old, BERTA)


def test_it_takes_both_permissions(alice: User, bob: User) -> None:
    old = ended(Status.FAILED)
    with pytest.raises(NotPermitted, match="retry_operation"):
        retry(old, Requester("bob", "page", bob))
    assert retry(old, Requester("alice", "page", alice)).requested_by == alice
