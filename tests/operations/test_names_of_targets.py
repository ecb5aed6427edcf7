"""An operation on a target whose key is a number says what people called it, also when that is gone."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from operations import lifecycle
from operations.exceptions import TargetBusy
from operations.models import Operation
from operations.registry import WORKER_QUEUE
from operations.repetition import repeat_lost
from operations.states import Status
from tests.operations.asking import ask, declare, fresh, service

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases, pytest.mark.usefixtures("kinds")]


@pytest.fixture
def operation() -> Operation:
    """Ask for something on a target that people call by its name."""
    declare(called=lambda target: f"{target.name} in hall 2", repeatable=1)
    return ask()


def test_it_is_kept_from_when_it_was_asked_for(operation: Operation) -> None:
    name = service().name
    service().delete()
    assert fresh(operation).target_words == f"{name} in hall 2"
    assert fresh(operation).target == "service:backend"


def test_without_a_name_it_is_called_by_its_key() -> None:
    declare()
    operation = ask()
    assert (operation.target_name, operation.target_words) == ("", "service:backend")


def test_pages_api_and_refusals_say_it(operation: Operation, alice: User, client: Client) -> None:
    client.force_login(alice)
    for address in ("/operations/", operation.get_absolute_url()):
        assert "in hall 2" in client.get(address).content.decode(), address
    assert client.get(f"/api/operations/{operation.pk}").json()["target_name"].endswith("in hall 2")
    with pytest.raises(TargetBusy, match="in hall 2 is busy"):
        ask()


def test_a_repetition_by_itself_has_it_too(operation: Operation) -> None:
    (taken,) = lifecycle.claim(WORKER_QUEUE, "w")
    Operation.objects.filter(pk=taken.pk).update(
        status=Status.FAILED, finished_at=taken.created_at, error_code="lease-lost"
    )
    (again,) = repeat_lost([fresh(operation)]).values()
    assert again.target_words == operation.target_words
