"""Tokens for machines: what is stored of them, what they allow, how they end."""

import hashlib
import re
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from medimgr.accounts import machine_tokens
from medimgr.accounts.exceptions import BadToken, TokenNameTaken, UnknownToken
from medimgr.accounts.models import AccountScope, MachineToken
from medimgr.audit.models import AuditEntry
from operations.models import Operation
from tests.api import assert_problem
from tests.factories import make_service
from tests.medimgr.accounts.issuing import LOOK, SHELL, issued
from tests.medimgr.accounts.logging_in import get, post

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]

START = (*LOOK, "monitoring.start_service")


def test_a_token_is_known_by_its_beginning_and_only_its_digest_is_stored(alice: User) -> None:
    made = issued(alice)
    assert re.fullmatch(r"mm_[a-z0-9]{8}_[\w-]{43}", made.token)
    assert made.token.startswith(f"{made.row.prefix}_")
    assert made.row.digest == hashlib.sha256(made.token.encode()).hexdigest()
    stored = " ".join(str(value) for value in MachineToken.objects.values_list().get())
    assert made.token[12:] not in stored
    assert made.token not in repr(made) + repr(made.row) + str(made.row)


def test_no_two_tokens_are_alike(alice: User) -> None:
    tokens = {issued(alice, f"ci-{number}").token for number in range(20)}
    assert len({token[12:] for token in tokens}) == len({token[:11] for token in tokens}) == 20


def test_it_opens_what_it_names_and_nothing_else(alice: User) -> None:
    make_service("web")
    token = issued(alice).token
    assert get(token, "/api/services").json()["count"] == 1
    assert_problem(post(token, "/api/services/web/start"), 403, "not-permitted")
    assert_problem(get(token, "/api/workstations"), 403, "not-permitted")
    assert not Operation.objects.exists()


def test_what_the_account_itself_may_not_do_the_token_does_not_give(bob: User) -> None:
    make_service("web")
    token = issued(bob, permissions=START).token
    assert_problem(post(token, "/api/services/web/start"), 403, "not-permitted")
    assert "monitoring.start_service" not in get(token).json()["permissions"]


def test_a_superusers_token_may_do_what_it_names_alone(db: None) -> None:
    make_service("web")
    root = User.objects.create_superuser("root", password="x")
    token = issued(root).token
    assert get(token).json()["permissions"] == sorted(LOOK)
    assert_problem(post(token, "/api/services/web/start"), 403, "not-permitted")


def test_it_reaches_the_groups_that_it_names_and_nothing_else(alice: User) -> None:
    make_service("shop", group="Shop")
    make_service("bank", group="bank")
    make_service("lonely")
    token = issued(alice, permissions=START, groups=["shop"]).token
    assert [item["key"] for item in get(token, "/api/services").json()["items"]] == ["shop"]
    assert post(token, "/api/services/shop/start").status_code == 202
    for hidden in ("bank", "lonely"):
        told = post(token, f"/api/services/{hidden}/start")
        assert (
            assert_problem(told, 404, "unknown-service")["detail"].replace(hidden, "x")
            == post(token, "/api/services/x/start").json()["detail"]
        )


def test_it_does_not_widen_the_scope_of_its_account(alice: User) -> None:
    make_service("shop", group="shop")
    make_service("bank", group="bank")
    AccountScope.objects.create(user=alice, service_groups=["bank"])
    wide = issued(alice, "wide").token
    other = issued(alice, "other", groups=["shop"]).token
    assert [item["key"] for item in get(wide, "/api/services").json()["items"]] == ["bank"]
    assert get(other, "/api/services").json()["items"] == []
    assert get(other).json()["scope"] == {
        "everything": False, "groups": [], "tags": [], "sees_everything": False,
    }  # fmt: skip


def test_what_it_asks_for_is_the_accounts_by_api_and_the_token_stands_in_the_audit(alice: User) -> None:
    make_service("web")
    post(issued(alice, permissions=START).token, "/api/services/web/start")
    operation = Operation.objects.get()
    assert (operation.requester, operation.source, operation.requested_by) == ("alice", "api", alice)


def test_it_says_of_itself_who_it_is(alice: User) -> None:
    made = issued(alice, groups=["Shop"], tags=["Lab"], permissions=START)
    me = get(made.token).json()
    assert (me["username"], me["is_superuser"], me["permissions"]) == ("alice", False, sorted(START))
    assert me["scope"]["groups"] == ["shop"]
    assert me["scope"]["tags"] == ["lab"]
    assert (me["token"]["kind"], me["token"]["name"]) == ("machine", "ci")
    assert me["token"]["expires_at"].startswith(f"{made.row.expires_at:%Y-%m-%d}")


def test_its_use_is_noted_once_a_minute(
    alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    token = issued(alice).token
    began = timezone.now()
    for seconds, address, noted in ((0, "192.0.2.1", 0), (30, "192.0.2.2", 0), (61, "192.0.2.3", 61)):
        with time_machine.travel(began + timedelta(seconds=seconds), tick=False):
            get(token, client=Client(REMOTE_ADDR=address))
            row = MachineToken.objects.get()
            assert row.last_used_at == began + timedelta(seconds=noted)
    assert row.last_used_address == "192.0.2.3"
    with django_assert_num_queries(1):
        machine_tokens.note_use({row.pk: "192.0.2.4"}, began + timedelta(seconds=100))
    row.refresh_from_db()
    assert row.last_used_address == "192.0.2.3"


def test_revoked_and_expired_ones_are_told_apart_in_the_log_alone(
    alice: User, caplog: pytest.LogCaptureFixture
) -> None:
    revoked, expired = issued(alice, "the revoked one"), issued(alice, "the expired one", days=1)
    gone = issued(alice, "the deleted one")
    machine_tokens.revoke(revoked.row, SHELL)
    gone.row.delete()
    caplog.set_level("INFO", "medimgr.accounts.bearer")
    answers: list[Any] = []
    with time_machine.travel(timezone.now() + timedelta(days=2)):
        for token in (revoked.token, expired.token, gone.token, "mm_abcdefgh_" + "x" * 43):
            answers.append(get(token))
    documents = [assert_problem(answer, 401, "token-invalid") for answer in answers]
    assert all(document == documents[0] for document in documents)
    told = caplog.text
    assert "'the revoked one' was revoked" in told
    assert "'the expired one' has expired" in told
    assert not [token for token in (revoked.token, expired.token, gone.token) if token in told]


def test_every_letter_of_it_counts(alice: User) -> None:
    token = issued(alice).token
    for place in (3, 12, 30, len(token) - 1):
        other = token[:place] + ("a" if token[place] != "a" else "b") + token[place + 1 :]
        assert_problem(get(other), 401, "token-invalid")
    for wrong in (token[:-1], token + "x", token.upper(), token.replace("mm_", "")):
        assert_problem(get(wrong), 401, "token-invalid")
    assert get(token).status_code == 200


@pytest.mark.parametrize("flag", ["is_active", "is_staff"])
def test_it_is_refused_while_its_account_is_no_active_staff(alice: User, flag: str) -> None:
    token = issued(alice).token
    User.objects.filter(pk=alice.pk).update(**{flag: False})
    assert_problem(get(token), 401, "token-invalid")
    User.objects.filter(pk=alice.pk).update(**{flag: True})
    assert get(token).status_code == 200


def test_it_outlives_a_changed_password_and_goes_with_its_account(alice: User) -> None:
    token = issued(alice).token
    alice.set_password("another")
    alice.save()
    assert get(token).status_code == 200
    alice.delete()
    assert_problem(get(token), 401, "token-invalid")


def test_it_cannot_log_out(alice: User) -> None:
    token = issued(alice).token
    assert_problem(post(token, "/api/auth/logout"), 409, "not-a-login")
    assert get(token).status_code == 200


def test_issuing_and_revoking_stand_in_the_audit(alice: User) -> None:
    made = issued(alice)
    assert machine_tokens.revoke(made.row, SHELL)
    assert not machine_tokens.revoke(made.row, SHELL), "a second time changes nothing"
    entries = list(AuditEntry.objects.order_by("id").values_list("action", "who", "target", "target_name"))
    target = f"token:{made.row.prefix}"
    assert entries == [("token.issue", "root", target, "ci"), ("token.revoke", "root", target, "ci")]
    assert made.token not in str(list(AuditEntry.objects.values()))


def test_a_name_is_never_used_twice_not_even_of_a_revoked_one(alice: User) -> None:
    machine_tokens.revoke(issued(alice).row, SHELL)
    with pytest.raises(TokenNameTaken):
        issued(alice)
    assert AuditEntry.objects.filter(action="token.issue").count() == 1


@pytest.mark.parametrize(
    ("how", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"name": "a\x00b"}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"permissions": ()}, "permissions"),
        ({"permissions": ["monitoring.fly_service"]}, "permissions"),
        ({"permissions": ["view_service"]}, "permissions"),
        ({"permissions": ["a.b.c"]}, "permissions"),
        ({"groups": [""]}, "groups"),
        ({"groups": [" "]}, "groups"),
        ({"tags": ["a\nb"]}, "tags"),
        ({"days": 0}, "expires_days"),
        ({"days": -1}, "expires_days"),
        ({"days": float("nan")}, "expires_days"),
        ({"days": float("inf")}, "expires_days"),
        ({"days": 10**9}, "expires_days"),
    ],
)
def test_what_does_not_fit_is_named_and_nothing_is_issued(
    alice: User, how: dict[str, Any], field: str
) -> None:
    with pytest.raises(BadToken) as refused:
        issued(alice, **{"name": "ci", **how})
    assert refused.value.errors.keys() == {field}
    assert not MachineToken.objects.exists()
    assert not AuditEntry.objects.exists()


def test_for_an_account_that_could_use_none_there_is_none(charlie: User) -> None:
    with pytest.raises(BadToken) as refused:
        issued(charlie)
    assert refused.value.errors.keys() == {"user"}


def test_one_that_is_not_there_is_said_so(db: None) -> None:
    with pytest.raises(UnknownToken):
        machine_tokens.named("nothing")


def test_one_that_never_expires_says_so(alice: User) -> None:
    token = issued(alice, days=None).token
    with time_machine.travel(timezone.now() + timedelta(days=4000)):
        assert get(token).json()["token"]["expires_at"] is None
