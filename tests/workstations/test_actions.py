"""One door for all that is asked of workstations and emulators: who may, on what, and what it comes to."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from operations import queues, registry, words
from operations.exceptions import BadParameters, NotPermitted, TargetBusy, UnknownKind
from operations.models import Operation
from operations.requester import Requester
from workstations import exceptions, handlers
from workstations.actions import (
    EMULATOR_VERBS,
    WORKSTATION_VERBS,
    Chosen,
    chosen_emulators,
    chosen_workstations,
    kind_of,
    request_action,
    request_actions,
)
from workstations.error_words import ENDS
from workstations.exceptions import UnknownWorkstation
from workstations.models import Emulator, Workstation

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]
ALICE = Requester("alice", "api")
PARAMETERS: dict[str, dict[str, Any]] = {
    "create-emulator": {"title": "shop"},
    "rename": {"title": "shop"},
    "clone": {"title": "shop"},
    "modify": {"cpu": 2},
    "install-app": {"package": "com.example.shop"},
}


def machine(name: str = "pc-1", emulators: int = 2, **more: Any) -> Workstation:
    made = Workstation.objects.create(name=name, host=f"{name}.example", **more)
    Emulator.objects.bulk_create(
        Emulator(workstation=made, index=index, title=f"{name}-{index}") for index in range(emulators)
    )
    return made


def chosen_all() -> Chosen[Emulator]:
    return chosen_emulators(workstation=Workstation.objects.get().pk)


def some_target(verb: str) -> Workstation | Emulator:
    workstation = machine()
    return workstation if verb in WORKSTATION_VERBS else workstation.emulators.first()  # type: ignore[return-value]


@pytest.mark.parametrize("verb", [*WORKSTATION_VERBS, *EMULATOR_VERBS])
def test_every_verb_is_an_operation_for_the_threads_of_workstations(verb: str) -> None:
    target = some_target(verb)
    asked = request_action(target, verb, ALICE, parameters=PARAMETERS.get(verb))  # type: ignore[arg-type]
    stored = Operation.objects.get(pk=asked.pk)
    assert (stored.queue, stored.target_key) == ("workstations", str(target.pk))
    assert stored.kind == kind_of(target, verb)
    assert "workstations" in queues.declared()


@pytest.mark.parametrize("verb", [*WORKSTATION_VERBS, *EMULATOR_VERBS])
def test_every_verb_takes_a_permission_of_its_own(verb: str, bob: User) -> None:
    target = some_target(verb)
    who = Requester("bob", "page", bob)
    wanted = registry.get(kind_of(target, verb)).verb
    with pytest.raises(NotPermitted, match=f"workstations.{wanted}_{target._meta.model_name}"):
        request_action(target, verb, who, parameters=PARAMETERS.get(verb))  # type: ignore[arg-type]
    assert not Operation.objects.exists()
    name = f"{wanted}_{target._meta.model_name}"
    bob.user_permissions.add(Permission.objects.get(codename=name, content_type__app_label="workstations"))
    person = User.objects.get(pk=bob.pk)
    request_action(target, verb, Requester("bob", "page", person), parameters=PARAMETERS.get(verb))  # type: ignore[arg-type]
    assert Operation.objects.get().requested_by == bob


def test_a_verb_of_emulators_is_none_of_workstations() -> None:
    with pytest.raises(UnknownKind, match=r"workstation\.start"):
        request_action(machine(), "start", ALICE)


@pytest.mark.parametrize("verb", EMULATOR_VERBS)
def test_what_changes_the_list_goes_alone_and_the_rest_beside_each_other(verb: str) -> None:
    workstation = machine(concurrency=3)
    emulator = Emulator.objects.get(workstation=workstation, index=0)
    asked = request_action(emulator, verb, ALICE, parameters=PARAMETERS.get(verb))  # type: ignore[arg-type]
    alone = verb in ("rename", "clone", "modify", "delete")
    assert (asked.lane, asked.lane_limit) == (f"workstation:{workstation.pk}", 1 if alone else 3)


def test_an_emulator_is_created_alone_and_looking_waits_for_nobody() -> None:
    workstation = machine()
    asked = request_action(workstation, "create-emulator", ALICE, parameters={"title": "shop"})
    assert (asked.lane, asked.lane_limit) == (f"workstation:{workstation.pk}", 1)
    for verb in ("test-connection", "check-host", "read-system", "scan"):
        assert request_action(machine(verb), verb, ALICE).lane == ""


def test_what_waits_for_its_lane_may_wait_longer_than_it_may_take() -> None:
    emulator = Emulator.objects.get(workstation=machine(), index=0)
    asked = request_action(emulator, "stop", ALICE)
    kind = registry.get("emulator.stop")
    assert (asked.deadline_at - asked.run_after).total_seconds() == kind.waiting_seconds > 20 * 60
    assert kind.deadline_seconds < kind.waiting_seconds
    assert f"within {kind.waiting_seconds:g} s" in words.timed_out(asked)


def test_the_newest_wish_replaces_what_still_waits_and_stop_ends_a_start_under_way() -> None:
    emulator = Emulator.objects.get(workstation=machine(), index=0)
    first = request_action(emulator, "start", ALICE)
    second = request_action(emulator, "stop", ALICE)
    third = request_action(emulator, "start", ALICE)
    Operation.objects.filter(pk=third.pk).update(status="RUNNING", started_at=third.created_at)
    with pytest.raises(TargetBusy):
        request_action(emulator, "rename", ALICE, parameters={"title": "other"})
    fourth = request_action(emulator, "stop", ALICE)
    codes = dict(Operation.objects.values_list("pk", "error_code"))
    assert codes == {first.pk: "superseded", second.pk: "superseded", third.pk: "superseded", fourth.pk: ""}


def test_many_are_asked_for_at_once_each_on_its_own_merits() -> None:
    machine(emulators=4)
    busy, *_, last = Emulator.objects.order_by("index")
    request_action(busy, "rename", ALICE, parameters={"title": "other"})
    chosen = chosen_emulators(ids=[busy.pk, str(last.pk), 999_999, "x", last.pk])
    asked = request_actions(chosen, "start", ALICE)
    assert [operation.target for operation in asked.operations] == [f"emulator:{last.pk}"]
    assert {(one.target, one.code) for one in asked.refused} == {
        (f"emulator:{busy.pk}", "target-busy"),
        ("emulator:999999", "unknown-emulator"),
        ("emulator:x", "unknown-emulator"),
    }
    assert asked.batch.total == 4


def test_many_workstations_are_read_as_one_batch() -> None:
    machines = [machine(f"pc-{number}") for number in range(3)]
    asked = request_actions(chosen_workstations(ids=[one.pk for one in machines]), "scan", ALICE)
    assert (len(asked.operations), asked.batch.kind) == (3, "workstation.scan")


def test_a_tag_means_every_emulator_on_its_workstations() -> None:
    machine("pc-1", tags=["farm", "hall-2"])
    machine("pc-2", tags=["farm"])
    machine("pc-3", tags=["farmers"])
    found = chosen_emulators(tag="farm")
    assert {(row.workstation.name, row.index) for row in found.rows} == {
        ("pc-1", 0),
        ("pc-1", 1),
        ("pc-2", 0),
        ("pc-2", 1),
    }
    assert [row.name for row in chosen_workstations(tag="hall-2").rows] == ["pc-1"]


def test_a_workstation_means_every_emulator_on_it() -> None:
    machine("pc-1")
    second = machine("pc-2")
    assert {row.workstation_id for row in chosen_emulators(workstation=second.pk).rows} == {second.pk}
    for stranger in (999_999, "x", "1\0", "²", 10**30):
        with pytest.raises(UnknownWorkstation):
            chosen_emulators(workstation=stranger)


@pytest.mark.parametrize(
    ("given", "fields"),
    [
        ({}, {"ids", "tag", "workstation"}),
        ({"ids": [], "tag": "farm"}, {"ids", "tag"}),
        ({"tag": "nobody's"}, {"tag"}),
        ({"tag": ""}, {"tag"}),
    ],
)
def test_a_selection_that_means_nothing_is_refused(given: dict[str, object], fields: set[str]) -> None:
    machine(tags=["farm"])
    with pytest.raises(BadParameters) as caught:
        chosen_emulators(**given)  # type: ignore[arg-type]
    assert set(caught.value.errors) == fields


def test_asking_for_two_hundred_takes_few_queries() -> None:
    machine(emulators=200)
    with CaptureQueriesContext(connection) as queries:
        asked = request_actions(chosen_all(), "start", ALICE)
    assert len(asked.operations) == 200
    assert len(queries) < 60, [query["sql"][:80] for query in queries]


def test_the_same_key_gives_the_same_operations_again() -> None:
    machine()
    first = request_actions(chosen_all(), "stop", ALICE, idempotency_key="k")
    again = request_actions(chosen_all(), "stop", ALICE, idempotency_key="k")
    assert [one.pk for one in first.operations] == [one.pk for one in again.operations]
    assert first.batch.pk == again.batch.pk


def test_every_failure_of_a_workstation_has_a_sentence() -> None:
    def all_below(kind: type[exceptions.RemoteFailure]) -> set[type[exceptions.RemoteFailure]]:
        return {one for below in kind.__subclasses__() for one in (below, *all_below(below))}

    assert set(ENDS) == all_below(exceptions.RemoteFailure)
    assert len(ENDS) > 15
    assert {kind.code: kind.meaning() for kind in ENDS}.items() <= words.error_sentences().items()


def test_looking_starting_and_stopping_are_repeated_where_their_worker_was_lost() -> None:
    ours = {
        name: kind for name, kind in registry.all_kinds().items() if kind.model in (Workstation, Emulator)
    }
    repeated = {name for name, kind in ours.items() if kind.repeatable}
    assert {kind.queue(None) for kind in ours.values()} == {handlers.QUEUE}
    assert repeated == {
        "workstation.test-connection",
        "workstation.check-host",
        "workstation.read-system",
        "workstation.scan",
        "emulator.start",
        "emulator.stop",
    }
