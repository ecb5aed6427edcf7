"""``manage.py tokens``: what it prints, what it refuses, and with which exit code."""

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.utils import timezone

from medimgr.accounts.models import MachineToken
from medimgr.audit.models import AuditEntry
from medimgr.lib.roles import Role, permissions_of
from medimgr.lib.shell_name import shell_name
from tests.medimgr.accounts.logging_in import get

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


def tokens(*arguments: str) -> tuple[str, str]:
    """Run the command and return what it printed, and what beside."""
    out, beside = StringIO(), StringIO()
    call_command("tokens", *arguments, stdout=out, stderr=beside)
    return out.getvalue(), beside.getvalue()


def test_the_token_alone_stands_on_standard_output_and_works(alice: User) -> None:
    out, beside = tokens("issue", "ci", "--user", "alice", "--role", "viewer")
    token = out.strip()
    assert out == f"{token}\n"
    assert get(token).json()["token"]["name"] == "ci"
    assert "shown once" in beside
    assert token not in beside
    row = MachineToken.objects.get()
    assert set(row.permissions) == permissions_of(Role.VIEWER)
    assert row.created_by == shell_name()
    assert row.expires_at is not None
    assert timedelta(days=364) < row.expires_at - timezone.now() < timedelta(days=366)


def test_each_limit_is_taken(alice: User) -> None:
    tokens(
        *("issue", "ci", "--user", "alice", "--permission", "monitoring.view_service"),
        *("--permission", "monitoring.start_service", "--group", "shop", "--group", "bank", "--tag", "lab"),
        "--never",
    )
    row = MachineToken.objects.get()
    assert row.permissions == ["monitoring.start_service", "monitoring.view_service"]
    assert (row.service_groups, row.workstation_tags, row.expires_at) == (["bank", "shop"], ["lab"], None)


def test_what_the_account_lacks_is_named(bob: User) -> None:
    _, beside = tokens("issue", "ci", "--user", "bob", "--permission", "monitoring.start_service")
    assert "bob has not monitoring.start_service" in beside


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("issue", "ci", "--user", "nobody", "--role", "viewer"), "no account 'nobody'"),
        (("issue", "ci", "--user", "charlie", "--role", "viewer"), "no active staff"),
        (("issue", "ci", "--user", "alice", "--permission", "a.b"), "no permission a.b"),
        (("issue", "ci", "--user", "alice", "--role", "viewer", "--expires-days", "0"), "number of days"),
        (("issue", "", "--user", "alice", "--role", "viewer"), "a name of 1 to"),
        (("issue", "ci", "--user", "alice", "--role", "viewer", "--group", ""), "printable characters"),
        (("issue", "ci", "--user", "alice"), "required"),
        (("issue", "ci", "--user", "alice", "--role", "king"), "invalid choice"),
        (("issue", "ci", "--user", "alice", "--role", "viewer", "--permission", "a.b"), "not allowed with"),
        (
            ("issue", "ci", "--user", "alice", "--role", "viewer", "--never", "--expires-days", "3"),
            "not allowed",
        ),
    ],
)
@pytest.mark.usefixtures("alice", "charlie")
def test_what_cannot_be_is_refused_in_a_sentence(arguments: tuple[str, ...], words: str) -> None:
    with pytest.raises(CommandError, match=words):
        tokens(*arguments)
    assert not MachineToken.objects.exists()


def test_a_name_that_is_taken_is_refused(alice: User) -> None:
    tokens("issue", "ci", "--user", "alice", "--role", "viewer")
    with pytest.raises(CommandError, match="Take another name") as refused:
        tokens("issue", "ci", "--user", "alice", "--role", "viewer")
    assert refused.value.returncode == 1


def test_the_list_shows_everything_but_the_token(alice: User) -> None:
    assert "There are no tokens" in tokens("list")[0]
    token = tokens("issue", "nightly", "--user", "alice", "--role", "viewer", "--tag", "lab")[0].strip()
    get(token)
    out, _ = tokens("list")
    row = MachineToken.objects.get()
    for shown in ("nightly", row.prefix, "alice", "good", "from 127.0.0.1", "tag lab"):
        assert shown in out
    (told,) = json.loads(tokens("list", "--json")[0])
    assert (told["name"], told["state"], told["tags"], told["revoked_at"]) == (
        "nightly",
        "good",
        ["lab"],
        None,
    )
    for printed in (out, str(told)):
        assert token[12:] not in printed
        assert row.digest not in printed


def test_revoking_is_for_good_and_a_second_time_says_so(alice: User) -> None:
    token = tokens("issue", "ci", "--user", "alice", "--role", "viewer")[0].strip()
    assert "is revoked" in tokens("revoke", "ci")[0]
    assert get(token).status_code == 401
    assert f"was revoked before, by {shell_name()}" in tokens("revoke", "ci")[0]
    assert "revoked" in tokens("list")[0]
    assert list(AuditEntry.objects.order_by("id").values_list("action", "source")) == [
        ("token.issue", "command"), ("token.revoke", "command"),
    ]  # fmt: skip


def test_one_that_is_not_there_ends_with_two(db: None) -> None:
    with pytest.raises(CommandError, match="See: manage") as refused:
        tokens("revoke", "nothing")
    assert refused.value.returncode == 2
