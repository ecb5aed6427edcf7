"""Ending other people's streams: who may, what the log says, and that nothing else is touched."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from medimgr.events.models import Connection, Event, StreamWorker
from tests.api import assert_problem, client_of, post
from tests.medimgr.test_api_events import make_worker, open_stream

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


@pytest.fixture
def worker() -> StreamWorker:
    return make_worker()


@pytest.fixture
def kicker(bob: User) -> Client:
    bob.user_permissions.add(Permission.objects.get(codename="kick_connection"))
    return client_of(bob)


def test_a_test_event_is_for_all_and_takes_a_permission(bob: User, alice: User) -> None:
    assert_problem(post(client_of(bob), "/api/events/test"), 403, "not-permitted")
    assert not Event.objects.exists()
    bob.user_permissions.add(Permission.objects.get(codename="probe_connection"))
    answer = post(client_of(bob), "/api/events/test")
    event = Event.objects.get()
    assert answer.json() == {"event_id": event.pk}
    assert (event.topic, event.key, event.data) == ("connection", "test", {"test": True, "by": "bob"})
    stats = client_of(bob).get("/api/events/stats").json()
    assert (stats["peak"], stats["disconnects"]) == (0, 0)


def last_fact() -> dict[str, Any]:
    return dict(Event.objects.filter(topic="connection").latest("id").data)


def test_one_stream_is_ended_and_the_log_says_by_whom(
    kicker: Client, alice: User, worker: StreamWorker
) -> None:
    row, other = open_stream(alice, worker), open_stream(alice, worker)
    answer = post(kicker, f"/api/events/connections/{row.pk}/kick")
    assert (answer.status_code, answer.json()) == (200, {"ended": 1})
    assert list(Connection.objects.all()) == [other]
    fact = last_fact()
    assert (fact["id"], fact["reason"], fact["by"], fact["total"]) == (row.pk, "kicked", "bob", 1)
    assert row.token not in str(fact)


def test_all_of_one_account_are_ended_and_nobody_else_s(
    kicker: Client, alice: User, bob: User, worker: StreamWorker
) -> None:
    open_stream(alice, worker), open_stream(alice, worker)
    mine = open_stream(bob, worker)
    assert post(kicker, "/api/events/kick", {"user": "alice"}).json() == {"ended": 2}
    assert list(Connection.objects.all()) == [mine]


def test_one_that_has_ended_meanwhile_is_no_error(kicker: Client) -> None:
    assert post(kicker, "/api/events/connections/4711/kick").json() == {"ended": 0}
    assert post(kicker, "/api/events/kick", {"user": "nobody"}).json() == {"ended": 0}
    assert not Event.objects.filter(topic="connection").exists()


@pytest.mark.parametrize(("path", "body"), [("connections/1/kick", None), ("kick", {"user": "alice"})])
def test_it_takes_a_permission_of_its_own(
    client: Client, bob: User, alice: User, worker: StreamWorker, path: str, body: Any
) -> None:
    open_stream(alice, worker)
    assert_problem(post(client_of(bob), f"/api/events/{path}", body), 403, "not-permitted")
    assert post(client, f"/api/events/{path}", body).status_code == 401
    assert Connection.objects.count() == 1


@pytest.mark.parametrize("body", [{}, {"user": ""}, {"user": 5}, {"user": "a", "all": True}, []])
def test_what_makes_no_sense_ends_nothing(
    kicker: Client, alice: User, worker: StreamWorker, body: Any
) -> None:
    open_stream(alice, worker)
    assert post(kicker, "/api/events/kick", body).status_code in {400, 422}
    assert Connection.objects.count() == 1


def test_looking_at_the_address_changes_nothing(kicker: Client, alice: User, worker: StreamWorker) -> None:
    row = open_stream(alice, worker)
    assert kicker.get(f"/api/events/connections/{row.pk}/kick").status_code == 405
    assert Connection.objects.count() == 1


def test_the_admin_ends_those_that_are_selected(
    admin_client: Client, alice: User, worker: StreamWorker
) -> None:
    chosen, other = open_stream(alice, worker), open_stream(alice, worker)
    answer = admin_client.post(
        "/admin/events/connection/",
        {"action": "end_streams", "_selected_action": [chosen.pk]},
        follow=True,
    )
    assert "One stream was ended." in answer.content.decode()
    assert list(Connection.objects.all()) == [other]
    assert last_fact()["by"] == "admin"
