"""The supervisor reads what is declared, and finds changes cheaply and completely."""

from typing import Any

import pytest
from django.db import transaction

from medimgr.events.log import publish
from monitoring.models import Dependency, Service, ServiceStatus
from monitoring.states import Condition
from monitoring.supervisor.declarations import Declarations
from monitoring.supervisor.records import Declared
from tests.factories import make_node, make_service

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]


def keys(declared: tuple[Declared, ...]) -> list[str]:
    return sorted(one.spec.key for one in declared)


def test_all_services_of_the_node_and_no_others() -> None:
    make_service("mine")
    make_service("theirs", node=make_node("othernode"))
    assert keys(Declarations("testnode").all()) == ["mine"]


def test_nothing_has_changed_unless_something_has() -> None:
    make_service("one")
    declarations = Declarations("testnode")
    declarations.all()
    assert not declarations.announced()
    assert declarations.changed() == ((), frozenset())


def test_an_announced_change_is_found_with_its_dependencies() -> None:
    one, two = make_service("one"), make_service("two")
    declarations = Declarations("testnode")
    declarations.all()
    Dependency.objects.create(service=two, needs=one, condition=Condition.HEALTHY)
    two.save()
    assert declarations.announced()
    declared, gone = declarations.changed()
    assert (keys(declared), gone) == (["two"], frozenset())
    assert [(n.service, n.condition) for n in declared[0].spec.needs] == [("one", "healthy")]
    assert not declarations.announced()


def test_status_events_announce_nothing() -> None:
    make_service("one")
    declarations = Declarations("testnode")
    declarations.all()
    with transaction.atomic():
        publish("service", "one", {"state": "RUNNING"})
        publish("operation", "1", {"declared": True})
    assert not declarations.announced()


@pytest.mark.parametrize(
    "change",
    [
        {"command": ["other"]},
        {"env": {"A": "1"}},
        {"priority": 3},
        {"health_interval_seconds": 9.5},
        {"ports": [8001]},
    ],
)
def test_a_change_that_no_event_tells_of_is_found(change: dict[str, Any]) -> None:
    one = make_service("one")
    make_service("two")
    declarations = Declarations("testnode")
    before = {d.spec.key: d.spec for d in declarations.all()}
    Service.objects.filter(pk=one.pk).update(**change)
    declared, _ = declarations.changed()
    assert keys(declared) == ["one"]
    assert declared[0].spec != before["one"]


def test_words_for_people_alone_are_no_change() -> None:
    one = make_service("one")
    declarations = Declarations("testnode")
    declarations.all()
    Service.objects.filter(pk=one.pk).update(description="New words", warning="Careful")
    assert declarations.changed() == ((), frozenset())


def test_deleted_moved_and_renamed_services_are_told_apart() -> None:
    deleted, moved, renamed = make_service("deleted"), make_service("moved"), make_service("renamed")
    declarations = Declarations("testnode")
    declarations.all()
    deleted_pk = deleted.pk
    deleted.delete()
    Service.objects.filter(pk=moved.pk).update(node=make_node("othernode"))
    Service.objects.filter(pk=renamed.pk).update(key="new-name")
    declared, gone = declarations.changed()
    assert (keys(declared), gone) == (["new-name"], frozenset({deleted_pk, moved.pk}))
    assert declarations.knows(["new-name"])
    assert not declarations.knows(["renamed"])


def test_a_service_without_a_status_gets_one() -> None:
    node = make_node()
    Service.objects.bulk_create([Service(key="bare", name="Bare", command=["x"], node=node)])
    declarations = Declarations("testnode")
    assert keys(declarations.all()) == ["bare"]
    Service.objects.bulk_create([Service(key="late", name="L", command=["x"], node=node, autostart=False)])
    declared, _ = declarations.changed()
    assert declared[0].status.intent == "down"
    assert ServiceStatus.objects.count() == 2


def test_looking_for_changes_takes_a_few_queries_however_many_services_there_are(
    django_assert_max_num_queries: Any,
) -> None:
    for number in range(20):
        make_service(f"s{number}")
    declarations = Declarations("testnode")
    with django_assert_max_num_queries(6):
        declarations.all()
    with django_assert_max_num_queries(2):
        declarations.changed()
    with django_assert_max_num_queries(1):
        declarations.announced()
