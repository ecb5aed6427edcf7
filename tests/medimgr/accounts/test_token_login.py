"""A login by API: who gets tokens, and what everybody else is told."""

import logging
import time
from datetime import timedelta
from statistics import median
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in, user_login_failed
from django.test import Client
from pytest_django import Settings

from medimgr.accounts.models import TokenFamily
from tests.api import assert_problem
from tests.medimgr.accounts.logging_in import get, log_in, try_to_log_in

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases, pytest.mark.usefixtures("keys")]


def test_name_and_password_become_two_tokens(alice: User) -> None:
    answer = try_to_log_in("alice", "alice-password")
    tokens = answer.json()
    assert tokens.keys() == {"access", "refresh", "token_type", "expires_in", "refresh_expires_in"}
    assert (tokens["token_type"], tokens["expires_in"], tokens["refresh_expires_in"]) == (
        "Bearer", 900, 7 * 86400,
    )  # fmt: skip
    assert answer["Cache-Control"] == "no-store"
    assert not answer.cookies
    assert get(tokens["access"]).json()["username"] == "alice"


def test_the_login_is_a_row_that_holds_no_token(alice: User) -> None:
    client = Client(headers={"User-Agent": "backup/1.0\x7f"}, REMOTE_ADDR="192.0.2.7")
    tokens = log_in(client=client)
    row = TokenFamily.objects.get()
    assert (row.user, row.address, row.client) == (alice, "192.0.2.7", "backup/1.0")
    stored = " ".join(str(value) for value in TokenFamily.objects.values_list().get())
    assert tokens["access"] not in stored
    assert tokens["refresh"] not in stored


def test_a_login_is_told_to_whoever_listens_as_one_at_the_page_is(alice: User) -> None:
    heard: list[str] = []

    def hear(user: User, **_: Any) -> None:
        heard.append(user.username)

    user_logged_in.connect(hear)
    try:
        log_in()
    finally:
        user_logged_in.disconnect(hear)
    assert heard == ["alice"]
    alice.refresh_from_db()
    assert alice.last_login is not None


@pytest.fixture
def people(alice: User, charlie: User) -> None:
    User.objects.create_user("dora", password="dora-password", is_staff=True, is_active=False)


WRONG = [
    ("nobody", "alice-password"),
    ("alice", "wrong"),
    ("charlie", "charlie-password"),  # no staff
    ("charlie", "wrong"),
    ("dora", "dora-password"),  # not active
    ("dora", "wrong"),
]


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize(("name", "password"), WRONG)
def test_whatever_is_wrong_is_told_in_the_same_words_and_counted(name: str, password: str) -> None:
    failed: list[str] = []

    def hear(credentials: dict[str, Any], **_: Any) -> None:
        failed.append(credentials["username"])
        assert password not in str(credentials)

    user_login_failed.connect(hear)
    try:
        answer = try_to_log_in(name, password)
    finally:
        user_login_failed.disconnect(hear)
    document = assert_problem(answer, 401, "login-refused")
    assert document["detail"].startswith("No staff account has this name and this password.")
    assert name not in str(document)
    assert answer["WWW-Authenticate"].startswith("Bearer")
    assert failed == [name]
    assert not TokenFamily.objects.exists()


@pytest.mark.usefixtures("people")
def test_whatever_is_wrong_takes_as_long(settings: Settings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher"]
    settings.AXES_ENABLED = False  # this is about one password after the other, not about the lock
    for user in User.objects.all():
        user.set_password(f"{user.username}-password")
        user.save()
    took: dict[tuple[str, str], list[float]] = {pair: [] for pair in WRONG}
    client = Client()
    for _ in range(3):
        for pair, seconds in took.items():
            began = time.thread_time()
            assert try_to_log_in(*pair, client).status_code == 401
            seconds.append(time.thread_time() - began)
    times = [median(seconds) for seconds in took.values()]
    assert max(times) < 1.5 * min(times), took


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"username": "alice"},
        {"username": "", "password": "x"},
        {"username": "a\x00b", "password": "x"},
        {"username": "x" * 151, "password": "x"},
        {"username": "alice", "password": ""},
        {"username": "alice", "password": "secret-" + "x" * 5000},
        {"username": ["alice"], "password": {"secret-a": 1}},
        {"username": "alice", "password": None},
        [],
    ],
)
def test_what_is_no_login_at_all_is_named_field_by_field_without_what_it_held(body: Any) -> None:
    answer = Client().post("/api/auth/login", body, content_type="application/json")
    assert answer.status_code == 422
    assert "secret-" not in answer.content.decode()
    assert answer.json()["errors"]


def test_odd_letters_in_a_password_are_a_wrong_password(alice: User) -> None:
    for password in ("\x00", "パスワード", "x\r\n", "' OR 1=1 --", "{{7*7}}"):
        assert_problem(try_to_log_in("alice", password), 401, "login-refused")
    broken = '{"username": "alice", "password": "\\ud800"}'
    answer = Client().post("/api/auth/login", broken, content_type="application/json")
    assert answer.status_code in {400, 422}


def test_without_keys_nobody_gets_tokens_and_is_told_what_to_do(alice: User, settings: Settings) -> None:
    settings.MEDIMGR_TOKEN_KEYS = ()
    for password in ("alice-password", "wrong"):
        document = assert_problem(try_to_log_in("alice", password), 503, "tokens-not-configured")
        assert "MEDIMGR_TOKEN_KEYS" in document["detail"]
    answer = Client().post("/api/auth/refresh", {"refresh": "x"}, content_type="application/json")
    assert_problem(answer, 503, "tokens-not-configured")


def test_too_many_wrong_ones_shut_the_door_for_the_right_one_too(alice: User) -> None:
    client = Client(REMOTE_ADDR="192.0.2.77")
    answers = [try_to_log_in("alice", "wrong", client) for _ in range(30)]
    assert answers[0].status_code == 401
    assert answers[-1].status_code == 429
    answer = try_to_log_in("alice", "alice-password", client)
    document = assert_problem(answer, 429, "too-many-logins")
    assert 0 < int(answer["Retry-After"]) <= timedelta(days=1).total_seconds()
    assert "Try again in" in document["detail"]
    elsewhere = Client(REMOTE_ADDR="192.0.2.78")
    assert try_to_log_in("alice", "alice-password", elsewhere).status_code == 200


def test_a_right_password_without_the_staff_flag_is_counted_like_a_wrong_one(charlie: User) -> None:
    client = Client(REMOTE_ADDR="192.0.2.79")
    found = {
        password: [try_to_log_in("charlie", password, client).status_code for _ in range(30)]
        for password in ("charlie-password",)
    }
    other = Client(REMOTE_ADDR="192.0.2.80")
    found["wrong"] = [try_to_log_in("charlie", "wrong", other).status_code for _ in range(30)]
    assert found["charlie-password"] == found["wrong"]
    assert found["wrong"][-1] == 429


def test_no_password_and_no_token_reaches_the_log(alice: User, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    tokens = log_in()
    try_to_log_in("alice", "wrong-secret-42")
    get(tokens["access"] + "x")
    for secret in ("alice-password", "wrong-secret-42", tokens["access"], tokens["refresh"]):
        assert secret not in caplog.text
