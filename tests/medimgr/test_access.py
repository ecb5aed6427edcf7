"""Who may do what: permissions count for active staff only."""

import pytest
from django.contrib.auth.models import AnonymousUser, Permission, User

from medimgr.lib.access import may, permission
from monitoring.models import Service
from operations.models import Operation
from tests.factories import make_service

pytestmark = pytest.mark.django_db


def test_the_name_of_a_permission_is_djangos() -> None:
    assert permission("start", Service) == "monitoring.start_service"
    assert permission("cancel", Operation) == "operations.cancel_operation"


def test_an_operator_may_act_and_a_viewer_may_look(alice: User, bob: User) -> None:
    service = make_service()
    assert may(alice, "start", service)
    assert may(alice, "stop", Service)
    assert may(bob, "view", service)
    assert not may(bob, "start", service)


def test_strangers_may_do_nothing_at_all(charlie: User) -> None:
    charlie.user_permissions.set(Permission.objects.all())
    assert not may(charlie, "view", Service)
    assert not may(AnonymousUser(), "view", Service)


def test_an_account_that_was_switched_off_may_do_nothing(alice: User) -> None:
    alice.is_active = False
    assert not may(alice, "view", Service)


def test_an_administrator_may_do_everything() -> None:
    root = User.objects.create_superuser("root", password="root-password")
    assert may(root, "start", Service)
