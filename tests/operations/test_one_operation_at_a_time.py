"""One active operation per target, and who gives way to whom."""

import pytest

from medimgr.events.models import Event
from monitoring.handlers import AUTO_RECOVERY_OFF, AUTO_RECOVERY_ON, RESTART, START, STOP
from operations import lifecycle, registry, words
from operations.exceptions import LeaseLost, TargetBusy
from operations.models import Operation
from operations.registry import WORKER_QUEUE, Kind
from operations.requester import Requester
from operations.states import Status
from tests.operations.asking import ALICE, BERTA, ask, fresh, service, together

pytestmark = pytest.mark.both_databases

P, R = Status.PENDING, Status.RUNNING
# (new, what is active, its status) where the new one takes the active one's place. All else is refused.
GIVES_WAY = {
    (START, STOP, P),
    (START, STOP, R),
    (STOP, START, P),
    (STOP, START, R),
    (STOP, RESTART, P),
    (STOP, RESTART, R),
    (STOP, STOP, P),
    (STOP, STOP, R),
    (RESTART, START, P),
    (RESTART, START, R),
    (RESTART, STOP, P),
    (AUTO_RECOVERY_ON, AUTO_RECOVERY_OFF, P),
    (AUTO_RECOVERY_OFF, AUTO_RECOVERY_ON, P),
}
KINDS = [START, STOP, RESTART, AUTO_RECOVERY_ON, AUTO_RECOVERY_OFF]


def test_the_rule_is_decided_without_a_database() -> None:
    decided = {
        (new, active, status)
        for new in KINDS
        for active in KINDS
        for status in (P, R)
        if registry.get(new).replaces(active, status)
    }
    assert decided == GIVES_WAY


@pytest.mark.django_db
@pytest.mark.parametrize("status", [P, R])
@pytest.mark.parametrize("active", [START, STOP, RESTART])
@pytest.mark.parametrize("new", [START, STOP, RESTART])
def test_a_request_replaces_what_is_active_or_is_refused(new: str, active: str, status: Status) -> None:
    old = ask(active, who=BERTA)
    if status == R:
        [old] = lifecycle.claim(WORKER_QUEUE, "supervisor")
    if (new, active, status) in GIVES_WAY:
        asked = ask(new)
        assert asked.status == P
        ended = fresh(old)
        assert (ended.status, ended.error_code) == (Status.CANCELLED, "superseded")
        assert new in ended.error_detail
        assert "alice" in ended.error_detail
        events = list(Event.objects.filter(topic="operation").order_by("-id")[:2])
        assert [(event.data["id"], event.data["status"]) for event in events] == [
            (asked.pk, "PENDING"),
            (old.pk, "CANCELLED"),
        ]
    else:
        with pytest.raises(TargetBusy):
            ask(new)
        assert Operation.objects.count() == 1
        assert fresh(old).status == status


@pytest.mark.django_db
def test_the_refusal_names_what_is_in_the_way() -> None:
    old = ask(RESTART, who=BERTA, queue="node:alpha")
    with pytest.raises(TargetBusy) as caught:
        ask(RESTART)
    for word in (
        f"operation {old.pk}",
        "Restart",
        "berta",
        "waiting",
        "node alpha",
        "UTC",
        "service:backend",
    ):
        assert word in caught.value.detail


@pytest.mark.django_db
def test_whoever_carries_out_a_replaced_operation_is_told_to_stop() -> None:
    ask(START)
    [held] = lifecycle.claim(WORKER_QUEUE, "supervisor")
    ask(STOP)
    assert lifecycle.renew([held]) == set()
    with pytest.raises(LeaseLost, match="superseded"):
        lifecycle.report(held, 1, 2, "still starting")
    with pytest.raises(LeaseLost):
        lifecycle.finish(held, Status.SUCCESS)


@pytest.mark.django_db
def test_other_targets_are_not_in_the_way() -> None:
    ask(key="backend")
    ask(key="frontend")
    assert Operation.objects.active().count() == 2


@pytest.mark.django_db
def test_what_is_claimed_at_the_last_moment_is_not_replaced_as_if_it_still_waited(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ask(STOP, who=BERTA)
    say = words.superseded

    def claimed_meanwhile(successor: Kind, requester: Requester) -> str:
        """Put a claim between the look at the waiting stop and its replacement by the restart."""
        lifecycle.claim(WORKER_QUEUE, "supervisor")
        return say(successor, requester)

    monkeypatch.setattr(words, "superseded", claimed_meanwhile)
    with pytest.raises(TargetBusy, match="is running"):
        ask(RESTART)


@pytest.mark.django_db(transaction=True)
def test_of_many_requests_at_the_same_moment_one_wins() -> None:
    service()
    outcomes = together(*[lambda: ask(RESTART) for _ in range(6)])
    assert sum(isinstance(outcome, Operation) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, TargetBusy) for outcome in outcomes) == 5
    assert Operation.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_request_that_replaces_races_with_the_claim_and_nothing_is_lost() -> None:
    service()
    for _ in range(8):
        waiting = ask(STOP, who=BERTA)
        asked, claimed = together(lambda: ask(RESTART, who=ALICE), lambda: lifecycle.claim(WORKER_QUEUE, "w"))
        if isinstance(asked, TargetBusy):  # the stop was taken first: a restart does not end it
            assert [operation.pk for operation in claimed] == [waiting.pk]
            assert fresh(waiting).status == R
        else:
            assert isinstance(asked, Operation), asked
            assert fresh(waiting).error_code == "superseded"
            assert waiting.pk not in {operation.pk for operation in claimed}
        assert Operation.objects.active().count() == 1
        for operation in Operation.objects.active():
            held = claimed if operation.status == R else lifecycle.claim(WORKER_QUEUE, "w")
            lifecycle.finish(next(o for o in held if o.pk == operation.pk), Status.SUCCESS)
