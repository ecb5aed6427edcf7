"""What is published has the labels of what it is about, as they are at the commit, and those it has lost."""

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from medimgr.events.audience import Audience, audience_of
from medimgr.events.models import Event
from medimgr.lib.scope import group_label, tag_labels
from monitoring.models import Service
from monitoring.supervisor import lease as leases
from monitoring.supervisor.flush import Published, flush
from monitoring.supervisor.writes import Batch as Writes
from operations.batch_requests import Wanted, request_batch
from operations.cancelling import cancel_these
from operations.models import Operation
from operations.requester import Requester
from tests.events.limits import limit
from tests.factories import make_service
from tests.monitoring.supervision.test_flushing import status
from tests.workstations.fleet_rows import make_emulator, make_workstation

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db]


def last(topic: str) -> Audience:
    return audience_of(Event.objects.filter(topic=topic).latest("id").labels)


def test_a_service_is_told_of_with_its_group_and_with_the_one_it_has_left() -> None:
    service = make_service("web", group="Shop")
    assert last("service") == Audience(group_label("shop"))
    service.save()
    assert last("service") == Audience(group_label("shop"))
    service.group = "billing"
    service.save()
    assert last("service") == Audience(group_label("billing"), group_label("shop"))
    service.group = ""
    service.save()
    assert last("service") == Audience(frozenset(), group_label("billing"))


def test_what_it_has_left_is_what_is_stored_not_what_somebody_has_read_before() -> None:
    stale = make_service("web", group="a")
    Service.objects.filter(pk=stale.pk).update(group="b")
    stale.group = "c"
    stale.save()
    assert last("service") == Audience(group_label("c"), group_label("b"))


def test_a_deleted_service_is_told_of_to_those_who_had_it() -> None:
    make_service("web", group="a").delete()
    assert last("service") == Audience(group_label("a"))


def test_what_a_supervisor_tells_has_the_group_of_now_and_costs_no_query_more() -> None:
    service = make_service("web", group="a")
    lease = leases.take("testnode", lambda _: None)
    Service.objects.filter(pk=service.pk).update(group="b")
    batch = Writes(statuses={"web": status(service)})
    with CaptureQueriesContext(connection) as queries:
        flush(batch, lease, Published())
    assert last("service") == Audience(group_label("b"))
    asked = [query["sql"] for query in queries if "monitoring_service" in query["sql"]]
    assert len([sql for sql in asked if "monitoring_servicestatus" not in sql]) == 1


def test_a_workstation_is_told_of_with_its_tags_and_takes_its_emulators_along() -> None:
    workstation = make_workstation("pc", tags=["lab", "Hall"])
    emulator = make_emulator(workstation, 0)
    assert last("workstation") == Audience(tag_labels(["lab", "hall"]))
    events = Event.objects.count()
    workstation.save()
    assert Event.objects.count() == events + 1, "the emulators are where they were"
    workstation.tags = ["lab", "desk"]
    workstation.save()
    for topic in ("workstation", "emulator"):
        assert last(topic) == Audience(tag_labels(["lab", "desk"]), tag_labels(["hall"]))
    told = Event.objects.filter(topic="emulator").latest("id")
    assert (told.key, told.data) == (str(emulator.pk), emulator.public())


def test_an_operation_is_told_of_with_what_its_target_was_in_when_it_was_asked_for(alice: User) -> None:
    service = make_service("web", group="a")
    request_batch("service.restart", [Wanted("web", service)], requester=Requester("alice", "api", alice))
    service.group = "b"
    service.save()
    cancel_these([Operation.objects.get().pk], Requester("alice", "api", alice))
    assert last("operation") == Audience(group_label("a"))


def test_a_batch_has_the_labels_of_those_of_its_targets_that_its_requester_reaches(alice: User) -> None:
    targets = [Wanted(key, make_service(key, group=key)) for key in "abc"]
    limit(alice, "a", "b")
    asked = request_batch("service.restart", targets, requester=Requester("alice", "api", alice))
    labels = group_label("a") | group_label("b")
    assert asked.batch.scope_labels() == labels
    assert last("batch") == Audience(labels)
    everything = request_batch("service.stop", targets, requester=Requester("root", "command"))
    assert everything.batch.scope_labels() == labels | group_label("c")
