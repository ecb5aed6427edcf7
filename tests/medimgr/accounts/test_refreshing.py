"""Refreshing: each token is good once, a second use ends the login for everybody."""

import threading
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.db import connections
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from medimgr.accounts import families
from medimgr.accounts.models import TokenFamily
from medimgr.audit.models import AuditEntry
from tests.api import assert_problem
from tests.medimgr.accounts.logging_in import KEYS, get, log_in, post, refresh

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases, pytest.mark.usefixtures("keys", "alice")]


def test_a_refresh_token_gets_the_next_pair() -> None:
    first = log_in()
    answer = refresh(first["refresh"])
    second = answer.json()
    assert answer.status_code == 200
    assert answer["Cache-Control"] == "no-store"
    assert len({first["access"], first["refresh"], second["access"], second["refresh"]}) == 4
    assert get(second["access"]).status_code == 200
    assert refresh(second["refresh"]).status_code == 200
    assert TokenFamily.objects.count() == 1


def test_a_second_use_ends_the_login_with_all_its_tokens_and_is_written_down() -> None:
    first = log_in()
    other = log_in()
    second = refresh(first["refresh"]).json()
    assert_problem(refresh(first["refresh"]), 401, "token-invalid")
    for token in (first["access"], second["access"]):
        assert_problem(get(token), 401, "token-invalid")
    assert_problem(refresh(second["refresh"]), 401, "token-invalid")
    assert get(other["access"]).status_code == 200, "another login of the same account stands"
    row = TokenFamily.objects.get(revoked_at__isnull=False)
    assert row.revoked_why == "reused"
    entry = AuditEntry.objects.get(action="token.refresh-reused")
    assert (entry.who, entry.outcome, entry.target) == ("alice", "refused", f"login:{row.pk}")


def test_a_thief_who_goes_on_with_a_used_token_is_written_down_once() -> None:
    first = log_in()
    refresh(first["refresh"])
    for _ in range(5):
        assert_problem(refresh(first["refresh"]), 401, "token-invalid")
    assert AuditEntry.objects.filter(action="token.refresh-reused").count() == 1


@pytest.mark.parametrize("what", ["access", "junk", "machine", "empty"])
def test_nothing_else_refreshes(what: str) -> None:
    tokens = log_in()
    wrong = {"access": tokens["access"], "junk": "x.y.z", "machine": "mm_abcdefgh_" + "x" * 43, "empty": ""}[
        what
    ]
    answer = refresh(wrong)
    assert answer.status_code == (422 if what == "empty" else 401)
    assert refresh(tokens["refresh"]).status_code == 200, "and the login is none the worse for it"


def test_the_words_are_the_same_whatever_is_wrong() -> None:
    ended = log_in()
    post(ended["access"], "/api/auth/logout")
    details = {
        refresh(token).json()["detail"] for token in (ended["refresh"], ended["access"], "x.y.z", "x" * 3000)
    }
    assert len(details) == 1


def test_after_seven_days_it_is_over() -> None:
    tokens = log_in()
    with time_machine.travel(timezone.now() + timedelta(days=7, minutes=1)):
        assert_problem(refresh(tokens["refresh"]), 401, "token-expired")


def test_after_fifteen_minutes_the_access_token_is_and_a_fresh_one_is_not() -> None:
    tokens = log_in()
    with time_machine.travel(timezone.now() + timedelta(minutes=16)):
        assert_problem(get(tokens["access"]), 401, "token-expired")
        assert get(refresh(tokens["refresh"]).json()["access"]).status_code == 200


def test_a_login_ends_after_thirty_days_however_often_it_was_refreshed() -> None:
    began = timezone.now()
    tokens = log_in()
    for day in (6, 12, 18, 24):
        with time_machine.travel(began + timedelta(days=day)):
            tokens = refresh(tokens["refresh"]).json()
    with time_machine.travel(began + timedelta(days=29, hours=23, minutes=50)):
        tokens = refresh(tokens["refresh"]).json()
        assert tokens["refresh_expires_in"] <= 600
        assert tokens["expires_in"] <= 600
    with time_machine.travel(began + timedelta(days=30, minutes=1)):
        assert_problem(refresh(tokens["refresh"]), 401, "token-expired")


def test_a_changed_password_ends_it(alice: User) -> None:
    tokens = log_in()
    alice.set_password("another")
    alice.save()
    assert_problem(get(tokens["access"]), 401, "token-invalid")
    assert_problem(refresh(tokens["refresh"]), 401, "token-invalid")
    assert TokenFamily.objects.get().revoked_why == "password"


@pytest.mark.parametrize("flag", ["is_active", "is_staff"])
def test_an_account_that_is_no_active_staff_any_more_gets_no_further(alice: User, flag: str) -> None:
    tokens = log_in()
    User.objects.filter(pk=alice.pk).update(**{flag: False})
    assert_problem(get(tokens["access"]), 401, "token-invalid")
    assert_problem(refresh(tokens["refresh"]), 401, "token-invalid")


def test_a_deleted_account_gets_no_further(alice: User) -> None:
    tokens = log_in()
    alice.delete()
    assert_problem(get(tokens["access"]), 401, "token-invalid")
    assert_problem(refresh(tokens["refresh"]), 401, "token-invalid")


def test_keys_can_be_changed_without_anybody_noticing(settings: Settings) -> None:
    settings.MEDIMGR_TOKEN_KEYS = KEYS[:1]
    tokens = log_in()
    settings.MEDIMGR_TOKEN_KEYS = ("new-" + "k" * 40, *KEYS)
    assert get(tokens["access"]).status_code == 200
    tokens = refresh(tokens["refresh"]).json()
    settings.MEDIMGR_TOKEN_KEYS = ("new-" + "k" * 40,)
    assert get(tokens["access"]).status_code == 200


@pytest.mark.parametrize("how", ["access", "refresh"])
def test_logging_out_ends_the_login(how: str) -> None:
    tokens = log_in()
    if how == "access":
        answer = post(tokens["access"], "/api/auth/logout")
    else:
        answer = Client().post(
            "/api/auth/logout", {"refresh": tokens["refresh"]}, content_type="application/json"
        )
    assert (answer.status_code, answer.content) == (204, b"")
    assert_problem(get(tokens["access"]), 401, "token-invalid")
    assert_problem(refresh(tokens["refresh"]), 401, "token-invalid")
    assert TokenFamily.objects.get().revoked_why == "logout"


def test_logging_out_without_a_token_names_what_to_send(alice: User) -> None:
    client = Client()
    client.force_login(alice)
    assert_problem(client.post("/api/auth/logout", content_type="application/json"), 401, "token-invalid")
    assert client.get("/api/auth/me").status_code == 200, "and the session goes on"


@pytest.mark.django_db(transaction=True)
def test_of_many_that_refresh_at_once_one_wins_and_the_login_ends() -> None:
    tokens = log_in()
    together = threading.Barrier(4)
    statuses: list[int] = []

    def ask() -> None:
        try:
            together.wait(10)
            statuses.append(refresh(tokens["refresh"]).status_code)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(statuses) == [200, 401, 401, 401]
    assert TokenFamily.objects.get().revoked_why == "reused"


def test_old_logins_go_and_others_stay() -> None:
    log_in()
    log_in()
    row = TokenFamily.objects.first()
    assert row is not None
    TokenFamily.objects.filter(pk=row.pk).update(expires_at=timezone.now() - timedelta(days=8))
    assert families.forget_expired() == "deleted 1 login(s) by API"
    assert families.forget_expired() == ""
    assert TokenFamily.objects.count() == 1


def test_tokens_of_a_login_that_is_gone_are_refused() -> None:
    tokens = log_in()
    TokenFamily.objects.all().delete()
    assert_problem(get(tokens["access"]), 401, "token-invalid")
    assert_problem(refresh(tokens["refresh"]), 401, "token-invalid")


def test_a_token_whose_account_is_not_the_logins_is_refused(alice: User, bob: User) -> None:
    tokens: Any = log_in()
    TokenFamily.objects.update(user=bob)
    assert_problem(get(tokens["access"]), 401, "token-invalid")
    assert_problem(refresh(tokens["refresh"]), 401, "token-invalid")
