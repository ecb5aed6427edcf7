"""Wrong logins shut the door at page, admin and API alike, to where they came from and for a while."""

import re
import threading
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from axes.models import AccessAttempt, AccessLog
from axes.signals import user_locked_out
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection, connections
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from medimgr.accounts.login_door import shut_for_seconds
from medimgr.lib.client_address import networks
from tests.test_architecture import named, tracked

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]

DOORS = ("page", "admin", "api")
WRONG = 3
HERE, ELSEWHERE = "192.0.2.1", "192.0.2.2"


@pytest.fixture(autouse=True)
def small_limits(settings: Settings) -> None:
    settings.MEDIMGR_LOGIN_MAX_FAILURES = WRONG
    settings.MEDIMGR_LOGIN_MAX_FAILURES_PER_ADDRESS = 2 * WRONG
    settings.MEDIMGR_LOGIN_LOCK_SECONDS = 600.0
    settings.MEDIMGR_TOKEN_KEYS = ("k" * 40,)


def log_in(door: str, name: str, password: str, address: str = HERE, **headers: str) -> Any:
    client = Client(REMOTE_ADDR=address, headers=headers)
    given = {"username": name, "password": password}
    if door == "api":
        return client.post("/api/auth/login", given, content_type="application/json")
    if door == "admin":
        page = client.get("/admin/", follow=True)
        return client.post(page.redirect_chain[-1][0], given)
    return client.post("/login/", given)


def fail(times: int, name: str = "alice", address: str = HERE, door: str = "page") -> Any:
    answer = None
    for _ in range(times):
        answer = log_in(door, name, "wrong", address)
    return answer


def is_in(answer: HttpResponse) -> bool:
    return answer.status_code == 302 or (answer.status_code == 200 and b'"access"' in answer.content)


@pytest.mark.parametrize("door", DOORS)
def test_too_many_wrong_logins_shut_the_door_to_the_right_password_too(door: str, alice: User) -> None:
    fail(WRONG - 1, door=door)
    assert is_in(log_in(door, "alice", "alice-password")), "not yet"
    fail(WRONG, door=door)
    answer = log_in(door, "alice", "alice-password")
    assert answer.status_code == 429
    assert 590 < int(answer["Retry-After"]) <= 600
    assert "Try again in 10 minutes" in answer.content.decode()


@pytest.mark.parametrize("first", DOORS)
@pytest.mark.parametrize("second", DOORS)
def test_the_doors_count_together(first: str, second: str, alice: User) -> None:
    fail(WRONG, door=first)
    assert log_in(second, "alice", "alice-password").status_code == 429


@pytest.mark.parametrize("door", DOORS)
def test_a_shut_door_looks_the_same_to_who_exists_and_who_does_not(door: str, alice: User) -> None:
    alice.is_active = False
    alice.save()
    User.objects.create_user("dora", password="dora-password", is_staff=True)
    answers = []
    for name in ("nobody", "alice", "dora"):
        seen = [log_in(door, name, "wrong", f"192.0.2.{len(name)}") for _ in range(WRONG + 2)]
        plain = [
            (one.status_code, one.get("Retry-After", "")[:1], one.content.decode().replace(name, "NAME"))
            for one in seen
        ]
        answers.append([(status, wait, _without_marks(text)) for status, wait, text in plain])
    assert answers[0] == answers[1] == answers[2]
    assert [status == 429 for status, _, _ in answers[0]] == [False] * (WRONG - 1) + [True] * 3


def _without_marks(text: str) -> str:
    """Return a page without its CSRF token and the name of its request, and with names of the same length."""
    return re.sub(r'name="csrfmiddlewaretoken" value="\w+"|"request_id": "\w+"|Request \w+', "", text)


def test_who_is_shut_out_here_gets_in_elsewhere(alice: User) -> None:
    fail(WRONG)
    assert log_in("page", "alice", "alice-password").status_code == 429
    assert is_in(log_in("page", "alice", "alice-password", ELSEWHERE))


def test_others_get_in_where_one_is_shut_out(alice: User, bob: User) -> None:
    fail(WRONG)
    assert is_in(log_in("page", "bob", "bob-password"))


def test_an_address_that_goes_through_names_is_shut_out_with_all(alice: User) -> None:
    for number in range(2 * WRONG):
        fail(1, f"name{number}")
    assert log_in("page", "alice", "alice-password").status_code == 429
    assert is_in(log_in("page", "alice", "alice-password", ELSEWHERE))


def test_the_door_opens_again_when_it_said(alice: User) -> None:
    fail(WRONG)
    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(seconds=599))
    assert log_in("page", "alice", "alice-password").status_code == 429
    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(seconds=600))
    assert is_in(log_in("page", "alice", "alice-password"))


def test_knocking_at_a_shut_door_does_not_keep_it_shut(alice: User) -> None:
    fail(WRONG)
    before = AccessAttempt.objects.get()
    assert fail(5).status_code == 429
    after = AccessAttempt.objects.get()
    assert (after.failures_since_start, after.attempt_time) == (WRONG, before.attempt_time)


@pytest.mark.parametrize("door", DOORS)
def test_a_right_login_forgets_the_wrong_ones(door: str, alice: User) -> None:
    for _ in range(3):
        fail(WRONG - 1, door=door)
        assert is_in(log_in(door, "alice", "alice-password"))
    assert not AccessAttempt.objects.exists()


def test_a_login_of_ones_own_does_not_forget_tries_with_other_names(alice: User) -> None:
    fail(WRONG, "bob")
    assert is_in(log_in("page", "alice", "alice-password"))
    assert log_in("page", "bob", "wrong").status_code == 429


def test_nothing_of_the_request_is_kept_but_name_address_and_time(alice: User) -> None:
    client = Client(REMOTE_ADDR=HERE, headers={"user-agent": "a-browser", "accept": "a-type"})
    client.post("/login/?next=/a-secret/", {"username": "alice", "password": "hunter2-of-alice"})
    row = vars(AccessAttempt.objects.get())
    assert {row["username"], row["ip_address"]} == {"alice", HERE}
    kept = " ".join(str(value) for value in row.values())
    assert not any(word in kept for word in ("a-browser", "a-type", "secret", "hunter2", "login"))
    assert not AccessLog.objects.exists()


def test_a_password_in_the_place_of_the_name_is_not_kept(alice: User) -> None:
    fail(WRONG, "hunter2-of-alice")
    assert "hunter2" not in str(vars(AccessAttempt.objects.get()))
    assert fail(1, "hunter2-of-alice").status_code == 429, "it is counted all the same"


def test_another_browser_is_no_new_chance(alice: User) -> None:
    for number in range(WRONG):
        log_in("page", "alice", "wrong", **{"user-agent": f"browser {number}"})
    assert log_in("page", "alice", "alice-password", **{"user-agent": "x"}).status_code == 429


def test_strangers_cannot_name_an_address_of_their_choice(alice: User) -> None:
    for number in range(WRONG):
        log_in("page", "alice", "wrong", **{"x-forwarded-for": f"198.51.100.{number}"})
    assert log_in("page", "alice", "alice-password", **{"x-forwarded-for": ELSEWHERE}).status_code == 429


def test_a_known_proxy_names_the_address(settings: Settings, alice: User) -> None:
    settings.MEDIMGR_TRUSTED_PROXIES = networks([HERE])
    for _ in range(WRONG):
        log_in("page", "alice", "wrong", **{"x-forwarded-for": "198.51.100.1"})
    assert log_in("page", "alice", "alice-password", **{"x-forwarded-for": "198.51.100.1"}).status_code == 429
    assert is_in(log_in("page", "alice", "alice-password", **{"x-forwarded-for": "198.51.100.2"}))


@pytest.mark.parametrize("name", ["", "a\0b", "x" * 5000, "\N{PILE OF POO}" * 200, "'; drop table --"])
def test_any_name_is_counted_or_refused(name: str, alice: User) -> None:
    for door in DOORS:
        assert log_in(door, name, "wrong").status_code in {200, 401, 422, 429}


def test_whoever_wants_to_hear_of_a_shut_door_is_told_once(alice: User) -> None:
    heard: list[str] = []

    def listen(sender: Any, username: str, **_signal: Any) -> None:
        heard.append(username)

    user_locked_out.connect(listen)
    try:
        fail(WRONG + 3)
    finally:
        user_locked_out.disconnect(listen)
    assert heard == ["alice"]


def test_a_thousand_wrong_logins_leave_a_few_rows_and_write_no_more(settings: Settings) -> None:
    settings.MEDIMGR_LOGIN_MAX_FAILURES_PER_ADDRESS = 100
    factory = RequestFactory()
    for number in range(1000):
        authenticate(factory.post("/login/", REMOTE_ADDR=HERE), username=f"name{number}", password="wrong")
    assert AccessAttempt.objects.count() == 100
    with CaptureQueriesContext(connection) as queries:
        request = factory.post("/login/", REMOTE_ADDR=HERE)
        authenticate(request, username="alice", password="wrong")
    assert shut_for_seconds(request) > 0
    from_axes = [query["sql"] for query in queries if "axes" in query["sql"]]
    assert len(from_axes) == 1
    assert from_axes[0].startswith("SELECT")


@pytest.mark.django_db(transaction=True)
def test_tries_at_the_same_moment_are_counted_like_others() -> None:
    User.objects.create_user("alice", password="alice-password", is_staff=True)
    together = threading.Barrier(8)
    let_through: list[bool] = []

    def attempt(_number: int) -> None:
        request = RequestFactory().post("/login/", REMOTE_ADDR=HERE)
        together.wait(10)
        authenticate(request, username="alice", password="wrong")
        let_through.append(not shut_for_seconds(request))
        connections.close_all()

    threads = [threading.Thread(target=attempt, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(let_through) == 8
    assert AccessAttempt.objects.get().failures_since_start == WRONG
    assert sum(let_through) <= WRONG


def test_every_password_is_looked_at_behind_the_door() -> None:
    """Whatever calls authenticate() without the request goes past the counting."""
    calls = {
        f"{named(path)}: {call}"
        for path in tracked("*.py")
        if not named(path).startswith("tests/")
        for call in re.findall(r"(?<![\w.])a?authenticate\([^)]+\)", path.read_text(encoding="utf-8"))
        if "request" not in call
    }
    assert calls == set()


def test_a_command_opens_the_door(alice: User) -> None:
    fail(WRONG)
    fail(WRONG, address=ELSEWHERE)
    call_command("axes_reset_username", "alice", stdout=StringIO())
    assert is_in(log_in("page", "alice", "alice-password"))
    fail(WRONG)
    call_command("axes_reset_ip", HERE, stdout=StringIO())
    assert is_in(log_in("page", "alice", "alice-password"))
