"""The groups of the three roles are there after each migration, with the permissions that apps declare."""

from importlib import import_module
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from medimgr.accounts.roles import keep_roles
from medimgr.lib.access import may, permission
from medimgr.lib.roles import Role, permissions_of
from monitoring.models import Service
from operations.models import Operation
from workstations.models import Emulator, Workstation

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


def held_by(group: Group) -> set[str]:
    names = group.permissions.values_list("content_type__app_label", "codename")
    return {f"{app}.{codename}" for app, codename in names}


def migrated() -> None:
    for app in apps.get_app_configs():
        if app.models_module is not None:
            keep_roles(app)


def member(role: Role) -> User:
    user = User.objects.create_user(f"one-{role}", is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    return user


def test_a_fresh_database_has_the_three_roles_as_they_are_declared() -> None:
    for role in Role:
        assert held_by(Group.objects.get(name=role)) == permissions_of(role)


def test_every_permission_that_a_role_declares_exists() -> None:
    names = Permission.objects.values_list("content_type__app_label", "codename")
    assert permissions_of(Role.ADMINISTRATOR) <= {f"{app}.{codename}" for app, codename in names}


def test_each_role_may_do_more_than_the_one_before() -> None:
    assert permissions_of(Role.VIEWER) < permissions_of(Role.OPERATOR) < permissions_of(Role.ADMINISTRATOR)


def test_a_viewer_looks_an_operator_acts_and_an_administrator_declares() -> None:
    viewer, operator, administrator = map(member, Role)
    assert may(viewer, "view", Service)
    assert may(viewer, "tail", Service)
    assert not may(viewer, "start", Service)
    assert may(operator, "restart", Service)
    assert may(operator, "launch", Emulator)
    assert may(operator, "test", Workstation)
    assert may(operator, "cancel", Operation)
    assert not may(operator, "change", Service)
    assert not may(operator, "purge", Operation)
    assert may(administrator, "change", Service)
    assert may(administrator, "purge", Operation)
    assert may(administrator, "change", User)


def test_viewers_can_do_nothing_but_look() -> None:
    assert {name.partition(".")[2].partition("_")[0] for name in permissions_of(Role.VIEWER)} == {
        "view",
        "tail",
    }


def test_what_was_changed_by_hand_is_put_right_and_own_groups_are_left_alone() -> None:
    start = Permission.objects.get(codename="start_service")
    session = Permission.objects.get(codename="delete_session")
    viewer, own = Group.objects.get(name=Role.VIEWER), Group.objects.create(name="night shift")
    own.permissions.set([start])
    viewer.permissions.add(start, session)
    Group.objects.get(name=Role.OPERATOR).permissions.remove(start)
    Group.objects.get(name=Role.ADMINISTRATOR).delete()
    migrated()
    for role in Role:
        assert held_by(Group.objects.get(name=role)) == permissions_of(role)
    assert held_by(own) == {"monitoring.start_service"}


def test_a_permission_that_comes_with_a_later_version_is_given_to_its_roles() -> None:
    Permission.objects.get(codename="restart_service").delete()
    assert permission("restart", Service) not in held_by(Group.objects.get(name=Role.OPERATOR))
    call_command("migrate", verbosity=0)
    assert permission("restart", Service) in held_by(Group.objects.get(name=Role.OPERATOR))


def test_where_all_is_right_three_queries_say_so() -> None:
    with CaptureQueriesContext(connection) as queries:
        migrated()
    assert len([q for q in queries.captured_queries if "SAVEPOINT" not in q["sql"]]) == 3


def test_a_group_that_had_the_name_before_keeps_its_members_and_gets_no_rights() -> None:
    make_room = import_module("medimgr.accounts.migrations.0002_roles").make_room
    Group.objects.filter(name__in=list(Role)).delete()
    before = Group.objects.create(name="operator")
    Group.objects.create(name="operator (before roles)")
    user = User.objects.create_user("dora", is_staff=True)
    user.groups.add(before)
    make_room(apps, SimpleNamespace(connection=connection))
    migrated()
    assert [group.name for group in user.groups.all()] == ["operator (before roles 2)"]
    assert not may(user, "start", Service)
    assert held_by(Group.objects.get(name=Role.OPERATOR)) == permissions_of(Role.OPERATOR)
