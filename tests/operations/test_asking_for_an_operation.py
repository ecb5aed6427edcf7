"""A request becomes one PENDING row with its event, or one clear refusal and nothing at all."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from pydantic import BaseModel, Field

from medimgr.events.models import Event
from operations.exceptions import BadParameters, NotPermitted, UnknownKind
from operations.models import Operation
from operations.requester import Requester
from operations.states import Status
from tests.operations.asking import ALICE, WORK, ask, declare

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


def test_a_request_is_stored_with_who_where_from_and_why(alice: User) -> None:
    asked = ask(who=Requester("alice", "page", alice, "10.0.0.7"), reason="It leaks.", batch="b1")
    row = Operation.objects.get()
    assert row.pk == asked.pk
    assert row.status == Status.PENDING
    assert (row.requested_by, row.requester, row.source, row.address) == (alice, "alice", "page", "10.0.0.7")
    assert (row.reason, row.batch, row.target, row.queue) == ("It leaks.", "b1", "service:backend", "worker")


def test_the_request_and_its_event_are_one() -> None:
    asked = ask()
    event = Event.objects.filter(topic="operation").get()
    assert event.key == str(asked.pk)
    assert event.data == asked.public()

    with transaction.atomic():
        ask(key="frontend")
        transaction.set_rollback(True)
    assert Operation.objects.count() == 1
    assert Event.objects.filter(topic="operation").count() == 1


def test_the_deadline_counts_from_the_request() -> None:
    declare(deadline_seconds=42.0)
    asked = ask()
    assert asked.deadline_at - asked.created_at == timedelta(seconds=42)


def test_an_unknown_kind_is_refused_and_the_known_ones_are_named() -> None:
    with pytest.raises(UnknownKind, match=r"service\.fly.*service\.restart"):
        ask("service.fly")


def test_staff_without_the_permission_are_refused_and_nothing_is_stored(bob: User, charlie: User) -> None:
    for user in (bob, charlie):
        with pytest.raises(NotPermitted, match=r"monitoring\.start_service"):
            ask(who=Requester(user.username, "api", user))
    assert not Operation.objects.exists()


def test_commands_need_no_account() -> None:
    assert ask(who=Requester("root", "command")).requested_by is None


class Waves(BaseModel, extra="forbid"):
    count: int = Field(ge=1)
    gap_seconds: float = 0.5


def test_parameters_are_checked_and_completed() -> None:
    declare(parameters=Waves)
    assert ask(parameters={"count": 3}).parameters == {"count": 3, "gap_seconds": 0.5}


def test_bad_parameters_name_every_bad_field() -> None:
    declare(parameters=Waves)
    with pytest.raises(BadParameters) as caught:
        ask(parameters={"count": 0, "hieght": 1})
    assert set(caught.value.errors) == {"count", "hieght"}
    assert "count" in caught.value.detail
    assert not Operation.objects.exists()


@pytest.mark.parametrize(
    ("field", "value"),
    [("reason", "x" * 501), ("reason", "a\0b"), ("idempotency_key", "k" * 201), ("batch", "b" * 41)],
)
def test_a_text_that_does_not_fit_its_column_is_refused_by_name(field: str, value: str) -> None:
    with pytest.raises(BadParameters) as caught:
        ask(WORK, "backend", who=ALICE, **{field: value})
    assert list(caught.value.errors) == [field]


def test_an_account_that_goes_leaves_its_name(alice: User) -> None:
    asked = ask(who=Requester("alice", "page", alice))
    alice.delete()
    row = Operation.objects.get(pk=asked.pk)
    assert (row.requested_by, row.requester) == (None, "alice")
