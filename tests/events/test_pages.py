"""How many pages a stream feeds: told by the page that has it, for the connection monitor."""

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from medimgr.events.models import Connection, Event, StreamWorker

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db]


@pytest.fixture
def row(alice: User) -> Connection:
    """An open stream."""
    now = timezone.now()
    worker = StreamWorker.objects.create(node="here", pid=1, start_ticks=1, started_at=now, seen_at=now)
    return Connection.objects.create(
        worker=worker, user=alice, address="192.0.2.1", connected_at=now, last_ping_at=now
    )


def tell(token: str, pages: object) -> None:
    # Without a session, and with the check for a CSRF token that tests usually leave out.
    client = Client(enforce_csrf_checks=True)
    answer = client.post("/events/pages/", {"connection_id": token, "pages": pages})
    assert (answer.status_code, answer.content) == (204, b"")


def facts() -> list[dict[str, object]]:
    return list(Event.objects.filter(topic="connection").order_by("id").values_list("data", flat=True))


def test_the_row_and_an_event_tell_how_many_pages_a_stream_feeds(row: Connection) -> None:
    tell(row.token, 4)
    row.refresh_from_db()
    assert row.pages == 4
    assert facts() == [{"id": row.pk, "pages": 4}]
    assert Event.objects.latest("id").key == str(row.pk)


def test_the_same_number_again_is_no_news(row: Connection) -> None:
    for pages in (4, 4, 1, 1):
        tell(row.token, pages)
    assert [fact["pages"] for fact in facts()] == [4, 1]


@pytest.mark.parametrize("pages", ["0", "101", "-1", "", "x", "1e1", "٣", "1" * 5000, "3.0", " 3"])
def test_a_number_that_makes_no_sense_changes_nothing(row: Connection, pages: str) -> None:
    tell(row.token, pages)
    row.refresh_from_db()
    assert (row.pages, facts()) == (1, [])


@pytest.mark.parametrize(
    "token", ["", "unknown", "x" * 5000, "\0", "\ud83d".encode("utf-8", "replace").decode()]
)
def test_whoever_does_not_know_the_connection_changes_nothing(row: Connection, token: str) -> None:
    tell(token, 4)
    row.refresh_from_db()
    assert (row.pages, facts()) == (1, [])


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"\xff\xfe", "application/x-www-form-urlencoded"),
        (b"--x\r\nnonsense", "multipart/form-data; boundary=x"),
        (b"nonsense", "multipart/form-data"),
        (b"{}", "application/json"),
        (b"a=" + b"x" * 3_000_000, "application/x-www-form-urlencoded"),
        (b"&".join(b"a%d=1" % n for n in range(2000)), "application/x-www-form-urlencoded"),
        (b"connection_id=x", "text/html; charset=nonsense"),
    ],
)
def test_garbage_is_answered_as_everything_is(row: Connection, body: bytes, content_type: str) -> None:
    answer = Client().generic("POST", "/events/pages/", body, content_type)
    assert answer.status_code == 204
    assert facts() == []


def test_only_a_post_tells_it(row: Connection) -> None:
    answer = Client().get("/events/pages/", {"connection_id": str(row.token), "pages": "4"})
    assert answer.status_code == 405
    assert facts() == []
