"""The header in which a token comes: what counts, what is ignored, and how little many of them cost."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import DjangoAssertNumQueries

from medimgr.accounts import bearer, families, machine_tokens
from medimgr.accounts.bearer import Holder, bearer_token, holders, still_good
from medimgr.accounts.models import TokenFamily
from medimgr.lib.access import LIMITS, may
from medimgr.lib.log_context import token_name, user_name
from monitoring.models import Service
from tests.api import assert_problem, client_of
from tests.factories import make_service
from tests.medimgr.accounts.issuing import SHELL, issued
from tests.medimgr.accounts.logging_in import get, log_in, post

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases, pytest.mark.usefixtures("keys")]


def ask(path: str = "/api/auth/me", client: Client | None = None, **headers: str) -> Any:
    return (client or Client()).get(path, headers=headers)


@given(st.text(max_size=40))
def test_a_header_of_another_scheme_is_none_of_ours(text: str) -> None:
    found = bearer_token(text)
    assert (found is None) is (re.match(r"\s*bearer( |$|\s*$)", text, re.I) is None)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_is_written_as_people_like(alice: User, scheme: str) -> None:
    assert ask(Authorization=f"{scheme} {issued(alice).token}").status_code == 200


@pytest.mark.parametrize("value", ["Bearer", "Bearer ", "Bearer x", "Bearer a b", "Bearer x, Bearer y"])
def test_a_bad_bearer_is_refused_though_a_good_session_came_along(alice: User, value: str) -> None:
    client = client_of(alice)
    assert ask(client=client).status_code == 200
    answer = ask(client=client, Authorization=value)
    assert_problem(answer, 401, "token-invalid")
    assert answer["WWW-Authenticate"] == 'Bearer realm="medimgr", error="invalid_token"'


def test_a_good_bearer_beside_a_session_is_the_tokens(alice: User, bob: User) -> None:
    token = issued(alice).token
    assert ask(client=client_of(bob), Authorization=f"Bearer {token}").json()["username"] == "alice"


def test_another_scheme_leaves_the_session_alone(alice: User) -> None:
    answer = ask(client=client_of(alice), Authorization="Basic YTpi").json()
    assert (answer["username"], answer["token"]) == ("alice", None)


def test_without_any_of_both_nobody_is_known() -> None:
    assert_problem(ask(), 401, "not-logged-in")
    assert_problem(ask(Authorization="Basic YTpi"), 401, "not-logged-in")


def test_a_token_in_the_address_is_ignored(alice: User) -> None:
    token = issued(alice).token
    for name in ("access_token", "token", "bearer_token", "Authorization"):
        assert_problem(ask(f"/api/auth/me?{name}={token}"), 401, "not-logged-in")
    body = {"access_token": token}
    answer = Client().post("/api/services/x/start", body, headers={"Cookie": f"access_token={token}"})
    assert_problem(answer, 401, "not-logged-in")


def test_a_bearer_needs_no_csrf_token_and_a_session_still_does(alice: User) -> None:
    make_service("web")
    permissions = ["monitoring.view_service", "monitoring.start_service"]
    token = issued(alice, permissions=permissions).token
    assert_problem(client_of(alice, csrf=True).post("/api/services/web/start"), 403, "csrf-failed")
    assert post(token, "/api/services/web/start").status_code == 202
    assert post(token, "/api/services/web/start", client=client_of(alice, csrf=True)).status_code in {
        202,
        409,
    }


@pytest.mark.parametrize(
    "path", ["/api/auth/me", "/api/auth/login", "/api/services", "/api/health", "/login/"]
)
@pytest.mark.parametrize("method", ["get", "options", "post"])
def test_no_other_origin_is_ever_allowed_in(alice: User, path: str, method: str) -> None:
    headers = {
        "Origin": "https://elsewhere.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
        "Authorization": f"Bearer {issued(alice).token}",
    }
    answer = getattr(Client(), method)(path, headers=headers)
    assert not [name for name in answer.headers if name.lower().startswith("access-control-")]


def test_the_log_and_the_audit_know_the_token_and_forget_it_with_the_next_request(alice: User) -> None:
    get(issued(alice).token)
    assert (user_name.get(), token_name.get()) == ("alice", "ci")
    Client().get("/healthz")
    assert (user_name.get(), token_name.get()) == ("", "")


def test_pages_and_the_admin_are_for_sessions(alice: User) -> None:
    token = issued(alice).token
    for path in ("/monitoring/", "/admin/", "/operations/"):
        assert ask(path, Authorization=f"Bearer {token}").status_code == 302


# --- many at once ------------------------------------------------------------------------------


def test_many_are_found_with_as_many_queries_as_one_of_each_kind(
    alice: User, bob: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    tokens = [log_in("alice")["access"] for _ in range(3)] + [log_in("bob")["access"]]
    tokens += [issued(alice, f"ci-{number}").token for number in range(4)]
    now = timezone.now()
    with django_assert_num_queries(2):
        found = holders([*tokens, "x", "mm_aaaaaaaa_" + "x" * 43, "a.b.c"], now)
    good = {token: holder for token, holder in found.items() if isinstance(holder, Holder)}
    assert good.keys() == set(tokens)
    with django_assert_num_queries(2):
        assert still_good(good, now) == set(tokens)
    with django_assert_num_queries(0):
        assert still_good({}, now) == set()
        assert holders([], now) == {}


def test_each_holder_carries_the_limits_of_its_own_token(alice: User) -> None:
    service = make_service("web", group="shop")
    wide = log_in()["access"]
    narrow = issued(alice, groups=["bank"]).token
    found = holders([wide, narrow], timezone.now())
    people = {token: holder.user for token, holder in found.items() if isinstance(holder, Holder)}
    assert may(people[wide], "start", service)
    assert may(people[narrow], "view", Service)
    assert not may(people[narrow], "view", service)
    assert not may(people[narrow], "start", Service)
    assert getattr(people[wide], LIMITS).token == ""
    assert getattr(people[narrow], LIMITS).token == "ci"


ENDS = ["logout", "password", "inactive", "no-staff", "deleted", "gone", "time"]


@pytest.mark.parametrize("how", ENDS)
def test_a_login_that_ended_is_not_good_any_more(alice: User, how: str) -> None:
    token = log_in()["access"]
    now = timezone.now()
    holder = holders([token], now)[token]
    assert isinstance(holder, Holder)
    assert still_good({"stream": holder}, now) == {"stream"}
    assert holder.family is not None
    if how == "logout":
        families.end(holder.family, "logout")
    elif how == "password":
        alice.set_password("another")
        alice.save()
    elif how == "inactive":
        User.objects.update(is_active=False)
    elif how == "no-staff":
        User.objects.update(is_staff=False)
    elif how == "deleted":
        alice.delete()
    elif how == "gone":
        TokenFamily.objects.all().delete()
    else:
        now += timedelta(minutes=16)
    assert still_good({"stream": holder}, now) == set()
    assert not isinstance(holders([token], now)[token], Holder)


@pytest.mark.parametrize("how", ["revoked", "expired", "inactive", "deleted"])
def test_a_machines_token_that_ended_is_not_good_any_more(alice: User, how: str) -> None:
    made = issued(alice)
    now = timezone.now()
    holder = holders([made.token], now)[made.token]
    assert isinstance(holder, Holder)
    assert still_good({1: holder}, now) == {1}
    if how == "revoked":
        machine_tokens.revoke(made.row, SHELL)
    elif how == "expired":
        now += timedelta(days=2)
    elif how == "inactive":
        User.objects.update(is_active=False)
    else:
        alice.delete()
    assert still_good({1: holder}, now) == set()


def test_the_use_of_many_is_noted_by_address(
    alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    tokens = [issued(alice, f"ci-{number}").token for number in range(4)]
    now = timezone.now()
    found = [holder for holder in holders(tokens, now).values() if isinstance(holder, Holder)]
    used = [(holder, f"192.0.2.{number % 2}") for number, holder in enumerate(found)]
    with django_assert_num_queries(2):
        bearer.note_use(used, now)
    again = [holder for holder in holders(tokens, now).values() if isinstance(holder, Holder)]
    with django_assert_num_queries(0):
        bearer.note_use([(holder, "192.0.2.9") for holder in again], now + timedelta(seconds=30))


def test_a_request_with_a_login_costs_one_query_more_than_its_own(
    alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    token = log_in()["access"]
    with django_assert_num_queries(1):
        bearer.holder_of(token, timezone.now(), "")
