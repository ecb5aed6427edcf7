"""The poll, for pages whose stream is held back: the same events for the same people as on a stream."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import DatabaseError, transaction
from django.test import Client

from medimgr.events import polling
from medimgr.events.log import last_event_id, publish, write_tick
from medimgr.events.models import Connection, Event
from medimgr.events.replay import MAX_REPLAY

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db]


def published(topic: str, key: str, count: int = 1) -> list[int]:
    ids = []
    with transaction.atomic():
        for number in range(count):
            publish(topic, key, {"n": number})
            ids.append(last_event_id())
    return ids


@pytest.fixture
def asker(client: Client) -> Client:
    """Somebody who may see services and nodes and nothing else."""
    user = User.objects.create_user("asker", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_service", "view_node"]))
    client.force_login(user)
    return client


def poll(client: Client, **query: Any) -> dict[str, Any]:
    answer = client.get("/events/poll/", query)
    assert answer.status_code == 200, answer.content
    assert answer["Cache-Control"] == "no-store"
    document: dict[str, Any] = answer.json()
    return document


def test_what_happened_after_the_last_event_comes_once_and_in_order(asker: Client) -> None:
    (before,) = published("service", "web")
    ids = published("service", "web", 3)
    (elsewhere,) = published("operation", "1")
    answer = poll(asker, topics="service", last_event_id=before)
    assert answer["events"] == [
        {"id": number, "topic": "service", "data": {"n": n, "key": "web"}} for n, number in enumerate(ids)
    ]
    assert (answer["last_event_id"], answer["reset"], answer["database"]) == (elsewhere, False, "ok")
    again = poll(asker, topics="service", last_event_id=answer["last_event_id"])
    assert (again["events"], again["last_event_id"]) == ([], elsewhere)


def test_a_first_poll_begins_now(asker: Client) -> None:
    (newest,) = published("service", "web")
    answer = poll(asker, topics="service,node")
    assert (answer["events"], answer["last_event_id"], answer["reset"]) == ([], newest, False)


@pytest.mark.parametrize("since", ["garbage", "-1", "99999999999999999999", "1000000"])
def test_an_id_that_the_log_does_not_reach_brings_a_reset(asker: Client, since: str) -> None:
    (newest,) = published("service", "web")
    answer = poll(asker, topics="service", last_event_id=since)
    assert (answer["events"], answer["last_event_id"], answer["reset"]) == ([], newest, True)


def test_who_missed_too_much_is_told_to_fetch_a_snapshot(asker: Client) -> None:
    (before,) = published("service", "web")
    published("service", "web", MAX_REPLAY + 1)
    assert poll(asker, topics="service", last_event_id=before)["reset"]


def test_measurements_come_to_those_who_see_services(asker: Client) -> None:
    write_tick("test-node", {"web": [1.5, 20.0]})
    (tick,) = poll(asker, topics="service")["ticks"]
    assert (tick["node"], tick["services"]) == ("test-node", {"web": [1.5, 20.0]})
    assert poll(asker, topics="node")["ticks"] == []


def test_a_topic_that_one_may_not_see_is_refused_by_name(asker: Client) -> None:
    published("operation", "1")
    answer = asker.get("/events/poll/", {"topics": "service,operation"})
    assert (answer.status_code, answer.json()["code"]) == (403, "not-permitted")
    assert "operations.view_operation" in answer.json()["detail"]


def test_without_topics_one_gets_what_one_may_see(asker: Client) -> None:
    (before,) = published("service", "web")
    published("operation", "1")
    (seen,) = published("node", "test-node")
    answer = poll(asker, last_event_id=before)
    assert [event["id"] for event in answer["events"]] == [seen]


@pytest.mark.parametrize("change", [{"is_active": False}, {"is_staff": False}])
def test_who_may_not_look_any_more_is_refused_at_the_next_poll(asker: Client, change: dict[str, Any]) -> None:
    poll(asker, topics="service")
    User.objects.filter(username="asker").update(**change)
    assert asker.get("/events/poll/", {"topics": "service"}).status_code in (401, 403)


def test_a_stranger_is_refused_without_a_redirect(client: Client) -> None:
    answer = client.get("/events/poll/", {"topics": "service"})
    assert (answer.status_code, answer["Content-Type"]) == (401, "application/problem+json")


@pytest.mark.parametrize("query", [{"topics": "nonsense"}, {"topics": "service,\0"}, {"topics": "x" * 9000}])
def test_an_unknown_topic_is_refused(asker: Client, query: dict[str, str]) -> None:
    answer = asker.get("/events/poll/", query)
    assert (answer.status_code, answer.json()["code"]) == (400, "unknown-topic")


def test_a_poll_changes_nothing_and_takes_no_place(asker: Client) -> None:
    events = Event.objects.count()
    poll(asker, topics="service")
    assert (Connection.objects.count(), Event.objects.count()) == (0, events)
    assert asker.post("/events/poll/").status_code == 405


def test_as_many_queries_however_much_happened(asker: Client, django_assert_max_num_queries: Any) -> None:
    (before,) = published("service", "web")
    published("service", "web", 200)
    # Session, user, two for permissions, one for the scope; newest, oldest, missed, measurements.
    with django_assert_max_num_queries(9):
        assert len(poll(asker, topics="service", last_event_id=before)["events"]) == 200


def test_a_database_that_is_away_is_said_so(asker: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any) -> None:
        raise DatabaseError("no connection")

    monkeypatch.setattr(polling, "read_missed", away)
    answer = asker.get("/events/poll/", {"topics": "service"})
    assert (answer.status_code, answer.json()["code"]) == (503, "database-away")
    assert int(answer["Retry-After"]) > 0
