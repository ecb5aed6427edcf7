"""Accounts in the admin: nobody gives what he has not, takes over who may do more, lifts his own limits."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test import Client

from medimgr.accounts.models import AccountScope
from medimgr.lib.roles import Role
from tests.api import client_of

pytestmark = pytest.mark.django_db

USERS = "/admin/auth/user/"
GROUPS = "/admin/auth/group/"


@pytest.fixture
def dora() -> User:
    """Who has the role of an administrator, and is no superuser."""
    user = User.objects.create_user("dora", password="dora-password", is_staff=True)
    user.groups.add(Group.objects.get(name=Role.ADMINISTRATOR))
    return user


@pytest.fixture
def root() -> User:
    return User.objects.create_superuser("root", password="root-password")


def fields(user: User, **more: Any) -> dict[str, Any]:
    joined = user.date_joined
    given = {
        "username": user.username,
        "is_active": "on",
        "is_staff": "on" if user.is_staff else "",
        "date_joined_0": f"{joined:%Y-%m-%d}",
        "date_joined_1": f"{joined:%H:%M:%S}",
        "groups": [group.pk for group in user.groups.all()],
        "user_permissions": [one.pk for one in user.user_permissions.all()],
        "scope-TOTAL_FORMS": 0,
        "scope-INITIAL_FORMS": 0,
        **more,
    }
    return {name: value for name, value in given.items() if value != ""}


def change(client: Client, user: User, **more: Any) -> Any:
    return client.post(f"{USERS}{user.pk}/change/", fields(user, **more))


def test_an_administrator_makes_an_operator(dora: User, charlie: User) -> None:
    operator = Group.objects.get(name=Role.OPERATOR)
    answer = change(client_of(dora), charlie, is_staff="on", groups=[operator.pk])
    assert answer.status_code == 302
    charlie.refresh_from_db()
    assert charlie.is_staff
    assert [group.name for group in charlie.groups.all()] == ["operator"]


def test_an_administrator_makes_no_superuser_not_even_himself(dora: User, charlie: User) -> None:
    for user in (charlie, dora):
        change(client_of(dora), user, is_superuser="on")
        user.refresh_from_db()
        assert not user.is_superuser


def test_a_superuser_makes_another(root: User, charlie: User) -> None:
    change(client_of(root), charlie, is_superuser="on")
    charlie.refresh_from_db()
    assert charlie.is_superuser


def test_nobody_gives_a_permission_or_a_group_that_he_has_not(dora: User, charlie: User) -> None:
    beyond = Permission.objects.get(codename="delete_session")
    mighty = Group.objects.create(name="mighty")
    mighty.permissions.add(beyond)
    client = client_of(dora)
    for given in ({"user_permissions": [beyond.pk]}, {"groups": [mighty.pk]}):
        answer = change(client, charlie, **given)
        assert answer.status_code == 200
        assert b"is not one of the available choices" in answer.content
    assert not charlie.user_permissions.exists()
    assert not charlie.groups.exists()


def test_who_may_do_more_can_be_looked_at_and_not_taken_over(dora: User, root: User, charlie: User) -> None:
    charlie.user_permissions.add(Permission.objects.get(codename="delete_session"))
    charlie.is_active = False
    charlie.save()
    client = client_of(dora)
    for user in (root, charlie):
        before = User.objects.get(pk=user.pk)
        assert client.get(f"{USERS}{user.pk}/change/").status_code == 200
        assert change(client, user, email="mine@example.org").status_code == 403
        new = {"password1": "aNewPassword-7", "password2": "aNewPassword-7", "usable_password": "true"}
        assert client.post(f"{USERS}{user.pk}/password/", new).status_code == 403
        assert client.post(f"{USERS}{user.pk}/delete/", {"post": "yes"}).status_code == 403
        many = {"action": "delete_selected", "_selected_action": [user.pk], "post": "yes"}
        client.post(USERS, many)
        after = User.objects.get(pk=user.pk)
        assert (after.password, after.email) == (before.password, before.email)


def test_who_is_limited_cannot_lift_his_limits(dora: User, charlie: User) -> None:
    AccountScope.objects.create(user=dora, service_groups=["payments"], sees_everything=True)
    client = client_of(dora)
    group = Group.objects.create(name="night shift")
    for address in (
        USERS,
        f"{USERS}add/",
        f"{USERS}{dora.pk}/change/",
        f"{USERS}{charlie.pk}/change/",
        GROUPS,
        f"{GROUPS}{group.pk}/change/",
        f"{GROUPS}add/",
    ):
        assert client.get(address).status_code == 403, address
    assert b"/admin/auth/" not in client.get("/admin/").content
    assert change(client, charlie, email="x@example.org").status_code == 403


def test_a_scope_is_set_on_the_form_of_an_account(root: User, bob: User) -> None:
    client = client_of(root)
    scope = {
        "scope-TOTAL_FORMS": 1,
        "scope-0-service_groups_others": "payments\r\n  Zahlen \r\n\r\npayments",
        "scope-0-workstation_tags_others": "hall-2",
        "scope-0-user": bob.pk,
    }
    assert change(client, bob, **scope).status_code == 302
    stored = AccountScope.objects.get(user=bob)
    assert (stored.service_groups, stored.workstation_tags) == (["Zahlen", "payments"], ["hall-2"])
    page = client.get(f"{USERS}{bob.pk}/change/").content.decode()
    assert "payments" in page
    assert 'name="scope-0-sees_everything"' in page


def test_groups_and_tags_that_there_are_can_be_ticked(root: User, bob: User) -> None:
    from tests.factories import make_service
    from workstations.models import Workstation

    make_service("pay", group="payments")
    Workstation.objects.create(name="pc-1", host="10.0.0.1", tags=["hall-2"])
    stored = AccountScope.objects.create(user=bob, service_groups=["later", "Payments"])
    client = client_of(root)
    page = client.get(f"{USERS}{bob.pk}/change/").content.decode()
    ticked = [box for box in re.findall(r"<input type=.checkbox.[^>]*>", page) if "checked" in box]
    assert ['value="payments"' in box for box in ticked if "scope-0" in box] == [True]
    assert 'name="scope-0-workstation_tags_known" value="hall-2"' in page
    assert ">\nlater</textarea>" in page
    scope = {
        "scope-TOTAL_FORMS": 1,
        "scope-INITIAL_FORMS": 1,
        "scope-0-id": stored.pk,
        "scope-0-user": bob.pk,
        "scope-0-service_groups_known": ["payments"],
        "scope-0-workstation_tags_known": ["hall-2"],
    }
    assert change(client, bob, **scope).status_code == 302
    stored.refresh_from_db()
    assert (stored.service_groups, stored.workstation_tags) == (["payments"], ["hall-2"])


@pytest.mark.parametrize("words", ["x" * 64, "a\u200bb", "\n".join(f"g{n}" for n in range(101))])
def test_words_that_no_group_can_have_are_refused_and_what_was_written_stays(
    root: User, bob: User, words: str
) -> None:
    scope = {"scope-TOTAL_FORMS": 1, "scope-0-service_groups_others": words, "scope-0-user": bob.pk}
    answer = change(client_of(root), bob, **scope)
    assert answer.status_code == 200
    assert words.splitlines()[-1] in answer.content.decode()
    assert not AccountScope.objects.exists()


def test_of_a_role_only_the_scope_can_be_changed(root: User) -> None:
    viewer = Group.objects.get(name=Role.VIEWER)
    before = set(viewer.permissions.values_list("pk", flat=True))
    client = client_of(root)
    scope = {
        "name": "mine",
        "permissions": [],
        "scope-TOTAL_FORMS": 1,
        "scope-INITIAL_FORMS": 0,
        "scope-0-service_groups_others": "payments",
        "scope-0-group": viewer.pk,
    }
    assert client.post(f"{GROUPS}{viewer.pk}/change/", scope).status_code == 302
    viewer.refresh_from_db()
    assert viewer.name == "viewer"
    assert set(viewer.permissions.values_list("pk", flat=True)) == before
    assert AccountScope.objects.get(group=viewer).service_groups == ["payments"]
    assert client.post(f"{GROUPS}{viewer.pk}/delete/", {"post": "yes"}).status_code == 403


def test_the_list_of_accounts_takes_the_same_queries_for_many(
    root: User, django_assert_num_queries: Any
) -> None:
    client = client_of(root)
    client.get(USERS)
    for number in range(2):
        for one in range(10):
            user = User.objects.create_user(f"user-{number}-{one}", is_staff=True)
            user.groups.add(Group.objects.get(name=Role.VIEWER))
        with django_assert_num_queries(7):
            assert client.get(USERS).status_code == 200
