"""A login at the page ends by its age, by idleness, and at once when the account changes."""

from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from medimgr.accounts.sessions import SessionStore

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]

HOUR = 3600
NOON = datetime.fromisoformat("2026-11-23T12:00:00+00:00")
ALICE = {"username": "alice", "password": "alice-password"}


@pytest.fixture(autouse=True)
def ends(settings: Settings) -> None:
    settings.SESSION_COOKIE_AGE = 10 * HOUR
    settings.MEDIMGR_SESSION_IDLE_SECONDS = HOUR


@pytest.fixture
def clock() -> Any:
    with time_machine.travel(NOON, tick=False) as clock:
        yield clock


def is_in(client: Client) -> bool:
    return bool(client.get("/monitoring/").status_code == 200)


def logged_in(client: Client) -> Client:
    assert client.post("/login/", ALICE).status_code == 302
    return client


def test_it_ends_when_nothing_is_done_for_so_long(client: Client, alice: User, clock: Any) -> None:
    logged_in(client)
    clock.shift(timedelta(minutes=59))
    assert is_in(client)
    clock.shift(timedelta(minutes=59))
    assert is_in(client), "it was in use meanwhile"
    clock.shift(timedelta(minutes=61))
    assert not is_in(client)


def test_it_ends_by_its_age_whatever_is_done(client: Client, alice: User, clock: Any) -> None:
    logged_in(client)
    for _ in range(19):
        clock.shift(timedelta(minutes=30))
        assert is_in(client)
    clock.shift(timedelta(minutes=29))
    assert is_in(client)
    assert Session.objects.get().expire_date <= NOON + timedelta(hours=10)
    clock.shift(timedelta(minutes=2))
    assert not is_in(client)


def test_without_an_idle_time_only_the_age_counts(
    client: Client, alice: User, clock: Any, settings: Settings
) -> None:
    settings.MEDIMGR_SESSION_IDLE_SECONDS = 0
    logged_in(client)
    clock.shift(timedelta(hours=9, minutes=59))
    assert is_in(client)
    clock.shift(timedelta(minutes=2))
    assert not is_in(client)


def test_the_cookie_lives_as_long_as_the_login_may(client: Client, alice: User, clock: Any) -> None:
    logged_in(client)
    cookie = client.cookies["sessionid"]
    assert cookie["max-age"] == 10 * HOUR
    assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")
    clock.shift(timedelta(hours=0.5))
    session = client.session
    session["something"] = "new"
    session.save()
    assert session.get_expiry_age() == 9.5 * HOUR
    assert Session.objects.get().expire_date == NOON + timedelta(hours=1.5)


def test_use_is_not_written_down_at_every_request(client: Client, alice: User, clock: Any) -> None:
    logged_in(client)
    clock.shift(timedelta(minutes=5))
    with CaptureQueriesContext(connection) as queries:
        assert is_in(client)
    assert not [query for query in queries if query["sql"].startswith("UPDATE")]
    clock.shift(timedelta(minutes=2))
    with CaptureQueriesContext(connection) as queries:
        assert is_in(client)
    assert len([query for query in queries if query["sql"].startswith("UPDATE")]) == 1


def test_a_session_from_before_ends_as_it_was_to_end(client: Client, alice: User, clock: Any) -> None:
    client.force_login(alice)
    session = client.session
    del session["medimgr_began"]
    session.save()
    end = timezone.now() + timedelta(hours=3)
    Session.objects.update(expire_date=end)
    clock.shift(timedelta(hours=2))
    assert is_in(client)
    assert Session.objects.get().expire_date == end


def test_async_code_finds_the_same(client: Client, alice: User, clock: Any) -> None:
    logged_in(client)
    clock.shift(timedelta(minutes=30))
    store = SessionStore(client.session.session_key)
    Session.objects.update(expire_date=NOON + timedelta(hours=1))

    async def look() -> tuple[Any, int, datetime]:
        return (
            await store.aget("_auth_user_id"),
            await store.aget_expiry_age(),
            await store.aget_expiry_date(),
        )

    who, age, end = async_to_sync(look)()
    assert (who, age, end) == (str(alice.pk), int(9.5 * HOUR), NOON + timedelta(hours=1.5))
    assert Session.objects.get().expire_date == NOON + timedelta(hours=1.5)


@pytest.mark.parametrize("change", ["password", "inactive", "deleted"])
def test_a_change_of_the_account_ends_it_at_once(change: str, client: Client, alice: User) -> None:
    logged_in(client)
    if change == "deleted":
        alice.delete()
    else:
        alice.set_password("another") if change == "password" else setattr(alice, "is_active", False)
        alice.save()
    assert not is_in(client)


def test_who_is_no_staff_any_more_sees_nothing_from_then_on(client: Client, alice: User) -> None:
    logged_in(client)
    alice.is_staff = False
    alice.save()
    assert client.get("/monitoring/").status_code == 403


def test_a_login_by_api_makes_no_session(alice: User, settings: Settings) -> None:
    settings.MEDIMGR_TOKEN_KEYS = ("k" * 40,)
    answer = Client().post("/api/auth/login", ALICE, content_type="application/json")
    assert answer.status_code == 200
    assert "sessionid" not in answer.cookies
    assert not Session.objects.exists()
