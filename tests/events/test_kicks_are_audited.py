"""Whoever ends somebody's stream, or sends a test to all, is in the audit; who has ended none is not."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from medimgr.audit.models import AuditEntry
from medimgr.events.connections import Arrival, take_places
from medimgr.events.models import Connection, new_token
from medimgr.lib.request_source import PAGE_HEADER
from tests.events.limits import machine_token

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db]


@pytest.fixture
def page(client: Client, alice: User) -> Client:
    """A browser in which alice is logged in."""
    client.force_login(alice, "django.contrib.auth.backends.ModelBackend")
    return client


def streams_of(user: User, count: int) -> list[int]:
    arrivals = [Arrival(new_token(), user, "192.0.2.1", "/", ["service"]) for _ in range(count)]
    return [place for place in take_places(arrivals) if isinstance(place, int)]


def entries() -> list[tuple[str, str, str, str, str]]:
    return [
        (row.who, row.source, row.action, row.target, row.detail)
        for row in AuditEntry.objects.filter(action__startswith="stream.").order_by("id")
    ]


def test_one_stream_that_is_ended_is_one_entry(page: Client, alice: User, bob: User) -> None:
    (key,) = streams_of(bob, 1)
    kicking = f"/api/events/connections/{key}/kick"
    assert page.post(kicking, headers={PAGE_HEADER: "/monitoring/connections/"}).json() == {"ended": 1}
    assert page.post(kicking).json() == {"ended": 0}
    assert entries() == [("alice", "page", "stream.kick", "account:bob", f"stream {key}")]
    entry = AuditEntry.objects.get(action="stream.kick")
    assert (entry.user, entry.address, entry.outcome) == (alice, "127.0.0.1", "done")


def test_all_streams_of_an_account_are_one_entry(page: Client, bob: User, charlie: User) -> None:
    keys = streams_of(bob, 3)
    streams_of(charlie, 1)
    body = {"user": "bob"}
    assert page.post("/api/events/kick", body, content_type="application/json").json() == {"ended": 3}
    numbers = ", ".join(map(str, keys))
    assert entries() == [("alice", "api", "stream.kick", "account:bob", f"streams {numbers}")]


def test_streams_that_are_ended_in_the_admin_are_entries_by_account(
    client: Client, bob: User, charlie: User
) -> None:
    root = User.objects.create_superuser("root", password="root-password")
    client.force_login(root, "django.contrib.auth.backends.ModelBackend")
    keys = streams_of(bob, 2) + streams_of(charlie, 1)
    client.post("/admin/events/connection/", {"action": "end_streams", "_selected_action": keys})
    assert not Connection.objects.exists()
    assert [(who, source, target) for who, source, _, target, _ in entries()] == [
        ("root", "admin", "account:bob"),
        ("root", "admin", "account:charlie"),
    ]


def test_a_test_event_is_an_entry_that_names_the_token_it_came_with(alice: User) -> None:
    token = machine_token(alice, "events.probe_connection", name="prober")
    answer = Client().post("/api/events/test", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200, answer.content
    assert entries() == [("alice", "api", "stream.test", "", "")]
    assert AuditEntry.objects.get(action="stream.test").token == "prober"


def test_who_may_not_is_refused_and_ends_nothing(client: Client, bob: User) -> None:
    client.force_login(bob, "django.contrib.auth.backends.ModelBackend")
    (key,) = streams_of(bob, 1)
    assert client.post(f"/api/events/connections/{key}/kick").status_code == 403
    assert Connection.objects.filter(pk=key).exists()
    assert not AuditEntry.objects.filter(action="stream.kick").exists()
