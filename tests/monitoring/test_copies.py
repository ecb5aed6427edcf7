"""Further copies of a service: rows that follow the one that is declared."""

from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.test.utils import CaptureQueriesContext

from medimgr.events.models import Event
from monitoring.copies import faults
from monitoring.models import Dependency, Service, ServiceStatus
from tests.factories import make_service

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


def web(instances: int = 3, **fields: Any) -> Service:
    values: dict[str, Any] = {"ports": [8001], "name": "Web", **fields}
    return make_service("web", instances=instances, **values)


def keys() -> list[str]:
    return sorted(Service.objects.values_list("key", flat=True))


def copy(number: int) -> Service:
    return Service.objects.get(instance_of__key="web", instance=number)


def news_since(event: int) -> list[tuple[str, str]]:
    rows = Event.objects.filter(pk__gt=event, topic="service").order_by("id")
    return [(row.key, "deleted" if "deleted" in row.data else "declared") for row in rows]


def newest() -> int:
    return Event.objects.order_by("-id").values_list("id", flat=True).first() or 0


def test_each_further_copy_is_a_row_with_its_own_key_name_and_ports() -> None:
    web(
        3,
        port_step=10,
        ports=[8001, 9001],
        ready_kind="tcp",
        ready_port=8001,
        health_kind="tcp",
        health_port=9001,
        env={"A": "1"},
        group="front",
        warning="Careful.",
    )
    assert keys() == ["web", "web-2", "web-3"]
    last = copy(2)
    assert (last.name, last.ports, last.health_port, last.ready_port) == ("Web 3", [8021, 9021], 9021, 8021)
    assert (last.env, last.group, last.warning, last.instances) == ({"A": "1"}, "front", "Careful.", 1)
    assert last.public()["instance_of"] == "web"
    assert Service.objects.get(key="web").public()["instance_of"] is None


def test_what_changes_in_the_original_changes_in_the_copies_and_nothing_else_is_written() -> None:
    original = web(3)
    before = {row.pk: row.updated_at for row in Service.objects.all()}
    seen = newest()
    original.save()
    assert news_since(seen) == [("web", "declared")]
    assert {row.pk: row.updated_at for row in original.copies.all()}.items() <= before.items()
    original.command = ["sleep", "7"]
    original.ports = [9000]
    seen = newest()
    original.save()
    assert news_since(seen) == [("web", "declared"), ("web-2", "declared"), ("web-3", "declared")]
    assert [(row.command, row.ports) for row in original.copies.order_by("instance")] == [
        (["sleep", "7"], [9001]),
        (["sleep", "7"], [9002]),
    ]


def test_fewer_instances_remove_the_highest_copies_and_leave_the_others_alone() -> None:
    original = web(5)
    kept = {row.key: row.pk for row in Service.objects.filter(key__in=["web", "web-2"])}
    original.instances = 2
    seen = newest()
    original.save()
    assert {row.key: row.pk for row in Service.objects.all()} == kept
    assert news_since(seen) == [*[(f"web-{n}", "deleted") for n in (5, 4, 3)], ("web", "declared")]
    original.instances = 1
    original.save()
    assert keys() == ["web"]


@pytest.mark.parametrize("intent", ["up", "down"])
def test_a_new_copy_is_wanted_as_the_original_is_now(intent: str) -> None:
    original = web(1, autostart=intent == "down")
    ServiceStatus.objects.filter(service=original).update(intent=intent)
    original.instances = 2
    original.save()
    assert copy(1).status.intent == intent


def test_a_renamed_original_takes_its_copies_along() -> None:
    original = web(3)
    rows = set(original.copies.values_list("pk", flat=True))
    original.key, original.name = "site", "Site"
    original.save()
    assert keys() == ["site", "site-2", "site-3"]
    assert set(original.copies.values_list("pk", "name")) == {
        (pk, f"Site {number}") for number, pk in enumerate(sorted(rows), 2)
    }


def test_deleting_the_original_deletes_and_announces_its_copies() -> None:
    original = web(3)
    seen = newest()
    original.delete()
    assert keys() == []
    assert news_since(seen) == [("web-3", "deleted"), ("web-2", "deleted"), ("web", "deleted")]


def test_copies_need_what_the_original_needs() -> None:
    database, cache = make_service("database"), make_service("cache")
    original = web(3)

    def needs() -> set[tuple[str, str, str]]:
        rows = Dependency.objects.filter(service__instance_of=original)
        return set(rows.values_list("service__key", "needs__key", "condition"))

    first = Dependency.objects.create(service=original, needs=database)
    assert needs() == {("web-2", "database", "started"), ("web-3", "database", "started")}
    Dependency.objects.create(service=original, needs=cache, condition="healthy")
    first.delete()
    assert needs() == {("web-2", "cache", "healthy"), ("web-3", "cache", "healthy")}
    original.instances = 4
    original.save()
    assert ("web-4", "cache", "healthy") in needs()
    second = Dependency.objects.get(service=original)
    second.condition = "started"
    second.save()
    assert needs() == {(f"web-{n}", "cache", "started") for n in (2, 3, 4)}


def test_nothing_may_depend_on_a_copy_since_copies_come_and_go() -> None:
    web(2)
    dependency = Dependency(service=make_service("proxy"), needs=copy(1))
    with pytest.raises(ValidationError, match=r"web-2 is a copy of web\. Depend on that one"):
        dependency.full_clean()


def test_the_key_of_another_service_is_not_taken_for_a_copy() -> None:
    make_service("web-3")
    original = make_service("web", ports=[8001])
    original.instances = 4
    with pytest.raises(ValidationError) as caught:
        original.full_clean()
    assert caught.value.message_dict == {
        "instances": [
            "web-3, which a copy would be called, is a service of its own. Have fewer copies, or choose "
            "another key."
        ]
    }
    original.instances = 2
    original.full_clean()
    original.save()
    original.full_clean()


def test_a_key_that_would_become_too_long_is_a_fault_in_words() -> None:
    original = make_service("x" * 61)
    original.instances = 9
    original.full_clean()
    original.instances = 10
    with pytest.raises(ValidationError, match="has 64 characters; 63 are the most"):
        original.full_clean()


@pytest.mark.parametrize("field", ["key", "health_url", "ready_url", "stop_url", "ports", "name"])
@pytest.mark.parametrize("value", ["a\0b", "\ud800", 7, None, ["x"], {"x": 1}, "http://[", ""])
def test_whatever_is_in_a_field_is_a_fault_and_never_an_error(field: str, value: Any) -> None:
    original = web(1)
    original.instances = 3
    setattr(original, field, value)
    assert isinstance(faults(original), dict)


def test_a_long_name_makes_room_for_the_number_of_the_copy() -> None:
    web(2, name="n" * 100)
    assert copy(1).name == "n" * 98 + " 2"


def test_a_copy_is_not_edited_by_itself() -> None:
    web(2)
    with pytest.raises(ValidationError, match="web-2 is copy 2 of web"):
        copy(1).full_clean()


@pytest.mark.parametrize("field", ["health_url", "ready_url", "stop_url"])
def test_a_url_with_the_port_of_one_copy_is_refused(field: str) -> None:
    original = web(1, health_kind="http", health_url="http://127.0.0.1:{port}/health")
    original.instances = 2
    original.full_clean()
    setattr(original, field, "http://127.0.0.1:8001/health")
    with pytest.raises(ValidationError) as caught:
        original.full_clean()
    assert caught.value.message_dict[field] == [
        "Each copy has ports of its own: write {port} instead of 8001."
    ]


def test_every_copy_is_told_its_own_number_and_port() -> None:
    web(
        2,
        command=["serve", "--port={port}", "{instance}", "{other}"],
        env={"PORT": "{port}", "NAME": "web {instance}", "COUNT": 3},
        health_kind="http",
        health_url="http://127.0.0.1:{port}/health",
        stop_url="http://127.0.0.1:{port}/stop",
        pre_start_command=["prepare", "{instance}"],
        health_command=["check", "{port}"],
    )
    for number, spec in enumerate(row.spec() for row in Service.objects.order_by("instance")):
        port = 8001 + number
        assert spec.command == ("serve", f"--port={port}", str(number), "{other}")
        assert spec.env == (("COUNT", "3"), ("NAME", f"web {number}"), ("PORT", str(port)))
        assert spec.health.url == f"http://127.0.0.1:{port}/health"
        assert spec.stop_request.url == f"http://127.0.0.1:{port}/stop"
        assert spec.hooks[0][1] == ("prepare", str(number))
        assert spec.health.command == ("check", str(port))
        assert (spec.instance, spec.ports) == (number, (port,))


def test_without_further_copies_the_words_stay_as_they_are() -> None:
    assert web(1, command=["echo", "{port}"]).spec().command == ("echo", "{port}")


def test_a_service_without_copies_costs_one_query_more_to_save() -> None:
    original = web(1)
    with CaptureQueriesContext(
        connection,
    ) as seen:
        original.save()
    asked = [
        query["sql"] for query in seen if "instance_of_id" in query["sql"] and "SELECT" in query["sql"][:6]
    ]
    assert len(asked) == 1
