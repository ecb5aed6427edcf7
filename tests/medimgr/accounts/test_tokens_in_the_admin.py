"""Tokens in the admin: shown once, revoked by POST, and nobody gives more than he has."""

from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from medimgr.accounts import machine_tokens
from medimgr.accounts.models import AccountScope, MachineToken, TokenFamily
from medimgr.audit.models import AuditEntry
from tests.api import client_of
from tests.medimgr.accounts.issuing import LOOK, SHELL, issued
from tests.medimgr.accounts.logging_in import get, log_in

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases, pytest.mark.usefixtures("keys")]

LIST = "/admin/accounts/machinetoken/"
LOGINS = "/admin/accounts/tokenfamily/"


@pytest.fixture
def ann(db: None) -> User:
    """An administrator, by the role."""
    user = User.objects.create_user("ann", password="ann-password", is_staff=True)
    user.groups.add(Group.objects.get(name="administrator"))
    return user


@pytest.fixture
def root(db: None) -> User:
    return User.objects.create_superuser("root", password="root-password")


def wanted(user: User, **fields: Any) -> dict[str, Any]:
    form = {"name": "ci", "user": user.pk, "permissions": list(LOOK), "expires_days": "30", **fields}
    return {name: value for name, value in form.items() if value is not None}


def issue(client: Client, user: User, **fields: Any) -> Any:
    return client.post(f"{LIST}add/", wanted(user, **fields))


def test_a_new_token_is_shown_once_on_a_page_that_nobody_keeps(ann: User, bob: User) -> None:
    client = client_of(ann)
    answer = issue(client, bob)
    token = answer.context["token"]
    assert answer.status_code == 200
    assert token in answer.content.decode()
    assert "no-store" in answer["Cache-Control"]
    assert token not in answer.request["PATH_INFO"] + answer.request["QUERY_STRING"]
    assert get(token).json()["username"] == "bob"
    row = MachineToken.objects.get()
    for path in (LIST, f"{LIST}{row.pk}/change/"):
        page = client.get(path).content.decode()
        assert row.name in page
        assert token[12:] not in page
        assert row.digest not in page
    entry = AuditEntry.objects.get(action="token.issue")
    assert (entry.who, entry.source, entry.target_name) == ("ann", "admin", "ci")


def test_what_is_wrong_is_shown_at_its_field_and_what_was_typed_stays(ann: User, bob: User) -> None:
    issued(bob)
    for fields, words in (
        ({"name": "ci"}, "Take another name"),
        ({"name": "other", "permissions": None}, "opens nothing"),
        ({"name": "other", "expires_days": "0"}, "greater than or equal to 1"),
        ({"name": "other", "groups": "a\x07b"}, "printable"),
        ({"name": "other", "permissions": ["monitoring.fly_service"]}, "not one of the available choices"),
    ):
        page = issue(client_of(ann), bob, **{"tags": "kept-tag", **fields}).content.decode()
        assert words in page
        assert "kept-tag" in page
    assert MachineToken.objects.count() == 1


def test_a_role_gives_all_that_it_may_do(ann: User, bob: User) -> None:
    assert issue(client_of(ann), bob, role="operator", permissions=None).status_code == 200
    assert "monitoring.start_service" in MachineToken.objects.get().permissions


def test_nobody_gives_what_he_has_not_got(bob: User, root: User) -> None:
    issuer = User.objects.create_user("issuer", password="x", is_staff=True)
    issuer.user_permissions.set(
        bob.user_permissions.model.objects.filter(codename__in=["add_machinetoken", "view_machinetoken"])
    )
    client = client_of(issuer)
    for fields in ({"role": "viewer", "permissions": None}, {}):
        page = issue(client, bob, **fields).content.decode()
        assert "You have not yourself" in page or "not one of the available choices" in page
    assert not MachineToken.objects.exists()


def test_only_a_superuser_issues_tokens_of_superusers(ann: User, root: User) -> None:
    assert "not one of the available choices" in issue(client_of(ann), root).content.decode()
    assert not MachineToken.objects.exists()
    issue(client_of(root), root)
    assert MachineToken.objects.get().user == root


def test_who_is_limited_to_a_scope_issues_tokens_within_it(ann: User, bob: User) -> None:
    AccountScope.objects.create(user=ann, service_groups=["shop"])
    for fields in ({}, {"groups": "bank"}, {"groups": "shop, bank"}, {"tags": "lab"}):
        assert "limited to certain groups" in issue(client_of(ann), bob, **fields).content.decode()
    assert not MachineToken.objects.exists()
    issue(client_of(ann), bob, groups="Shop")
    assert MachineToken.objects.get().service_groups == ["Shop"]


def test_a_token_is_revoked_by_a_post_that_was_asked_about(ann: User, bob: User) -> None:
    made = issued(bob)
    client = client_of(ann)
    page = client.get(f"{LIST}{made.row.pk}/change/").content.decode()
    assert 'value="revoke"' in page
    asked: dict[str, Any] = {"action": "revoke", "_selected_action": [made.row.pk]}
    assert "Revoke these tokens?" in client.post(LIST, asked).content.decode()
    assert get(made.token).status_code == 200
    client.get(LIST, {**asked, "confirmed": "yes"})
    assert get(made.token).status_code == 200, "a GET changes nothing"
    answer = client.post(LIST, {**asked, "confirmed": "yes"}, follow=True)
    assert "Revoked ci." in answer.content.decode()
    assert get(made.token).status_code == 401
    row = MachineToken.objects.get()
    assert row.revoked_by == "ann"
    assert "Nothing to do" in client.post(LIST, asked, follow=True).content.decode()


def test_no_door_changes_or_deletes_one(root: User, bob: User) -> None:
    row = issued(bob).row
    client = client_of(root)
    page = client.get(f"{LIST}{row.pk}/change/").content.decode()
    assert 'name="_save"' not in page
    assert client.post(f"{LIST}{row.pk}/change/", {"name": "other"}).status_code == 403
    assert client.post(f"{LIST}{row.pk}/delete/", {"post": "yes"}).status_code == 403
    client.post(LIST, {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"})
    assert MachineToken.objects.get().name == "ci"


@pytest.mark.parametrize("path", [LIST, f"{LIST}add/", LOGINS])
def test_operators_have_no_business_here(alice: User, path: str) -> None:
    assert client_of(alice).get(path).status_code == 403
    assert issue(client_of(alice), alice).status_code == 403


def test_who_may_look_at_tokens_may_not_revoke_them(bob: User) -> None:
    bob.user_permissions.add(bob.user_permissions.model.objects.get(codename="view_machinetoken"))
    made = issued(bob)
    client = client_of(bob)
    assert 'value="revoke"' not in client.get(f"{LIST}{made.row.pk}/change/").content.decode()
    client.post(LIST, {"action": "revoke", "_selected_action": [made.row.pk], "confirmed": "yes"})
    assert get(made.token).status_code == 200


def test_a_login_is_ended_from_its_row(ann: User, alice: User) -> None:
    tokens = log_in()
    row = TokenFamily.objects.get()
    client = client_of(ann)
    page = client.get(f"{LOGINS}{row.pk}/change/").content.decode()
    assert "End this login" in page
    assert tokens["access"] not in page
    assert row.refresh_id not in page
    client.post(LOGINS, {"action": "end", "_selected_action": [str(row.pk)]})
    assert get(tokens["access"]).status_code == 401
    assert TokenFamily.objects.get().revoked_why == "administrator"
    entry = AuditEntry.objects.get(action="token.revoke")
    assert (entry.who, entry.target) == ("ann", f"login:{row.pk}")


def test_an_account_with_tokens_can_be_deleted(root: User, bob: User) -> None:
    issued(bob)
    log_in("bob")
    answer = client_of(root).post(f"/admin/auth/user/{bob.pk}/delete/", {"post": "yes"})
    assert answer.status_code == 302
    assert not MachineToken.objects.exists()
    assert not TokenFamily.objects.exists()
    assert AuditEntry.objects.filter(action="token.issue").exists()


def test_the_lists_cost_as_many_queries_for_thirty_as_for_one(
    root: User, bob: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    client = client_of(root)
    for number in range(30):
        issued(bob, f"ci-{number}")
        TokenFamily.objects.create(
            user=bob, refresh_id="x", created_at=root.date_joined, refreshed_at=root.date_joined,
            expires_at=root.date_joined,
        )  # fmt: skip
    for path in (LIST, LOGINS):
        with django_assert_max_num_queries(14):
            assert client.get(path).status_code == 200


def test_the_lists_are_filtered_by_state(root: User, bob: User) -> None:
    client = client_of(root)
    machine_tokens.revoke(issued(bob, "token-revoked").row, SHELL)
    issued(bob, "token-good")
    MachineToken.objects.filter(pk=issued(bob, "token-old").row.pk).update(expires_at=root.date_joined)
    for state, shown in (("good", "good"), ("expired", "old"), ("revoked", "revoked")):
        page = client.get(LIST, {"state": state}).content.decode()
        found = [name for name in ("good", "old", "revoked") if f"token-{name}" in page]
        assert found == [shown]
    log_in("bob")
    for state, count in (("good", 1), ("expired", 0), ("ended", 0)):
        assert client.get(LOGINS, {"state": state}).context["cl"].result_count == count


def test_what_is_revoked_has_no_button_any_more(root: User, bob: User) -> None:
    made = issued(bob)
    machine_tokens.revoke(made.row, SHELL)
    page = client_of(root).get(f"{LIST}{made.row.pk}/change/").content.decode()
    assert 'value="revoke"' not in page
    assert client_of(root).get(f"{LIST}4711/change/").status_code == 302
