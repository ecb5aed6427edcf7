"""A repeated request with the same key is the same operation; a different one with that key is refused."""

import pytest
from pydantic import BaseModel

from medimgr.events.models import Event
from operations import lifecycle
from operations.exceptions import KeyReused
from operations.models import Operation
from operations.registry import WORKER_QUEUE
from operations.states import Status
from tests.operations.asking import ALICE, BERTA, ask, declare, service, together

pytestmark = pytest.mark.both_databases


class Size(BaseModel):
    size: int = 1


@pytest.mark.django_db
def test_the_same_key_and_body_return_the_same_operation() -> None:
    declare(parameters=Size)
    first = ask(idempotency_key="k1", parameters={})
    # A default that is spelled out is the same body.
    assert ask(idempotency_key="k1", parameters={"size": 1}).pk == first.pk
    assert Operation.objects.count() == 1
    assert Event.objects.filter(topic="operation").count() == 1


@pytest.mark.django_db
def test_the_same_key_returns_the_operation_after_its_end_too() -> None:
    first = ask(idempotency_key="k1")
    [held] = lifecycle.claim(WORKER_QUEUE, "me")
    lifecycle.finish(held, Status.SUCCESS)
    again = ask(idempotency_key="k1")
    assert (again.pk, again.status) == (first.pk, Status.SUCCESS)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "other", [{"kind": "service.stop"}, {"key": "frontend"}, {"parameters": {"size": 2}}]
)
def test_the_same_key_with_another_body_is_refused(other: dict[str, object]) -> None:
    declare(parameters=Size)
    first = ask(idempotency_key="k1")
    with pytest.raises(KeyReused, match=f"Operation {first.pk} "):
        ask(**{"idempotency_key": "k1", **other})  # type: ignore[arg-type]
    assert Operation.objects.count() == 1


@pytest.mark.django_db
def test_a_key_belongs_to_its_requester() -> None:
    first = ask(idempotency_key="k1", who=ALICE)
    assert ask(key="frontend", idempotency_key="k1", who=BERTA).pk != first.pk


@pytest.mark.django_db(transaction=True)
def test_a_double_click_makes_one_operation() -> None:
    service()
    for n in range(12):
        outcomes = together(*[lambda n=n: ask(idempotency_key=f"click-{n}") for _ in range(6)])
        assert [type(outcome) for outcome in outcomes] == [Operation] * 6, outcomes
        assert {outcome.pk for outcome in outcomes} == {Operation.objects.active().get().pk}
        lifecycle.request_cancel(outcomes[0], ALICE)
