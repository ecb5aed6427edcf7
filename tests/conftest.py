"""What every test may use: three people, and a medimgr of its own to run."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from asgiref.sync import SyncToAsync
from django.contrib.auth.models import Permission, User
from django.db import connections
from hypothesis import settings
from pytest_django import DjangoDbBlocker

from tests.running import Instance

# Whoever runs the suite in the background (nohup, &) hands down ignored signals, and the processes that
# tests start would ignore them, too. A handler, unlike that, ends with the exec.
for _number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, lambda *_: None)

# A property holds or does not; how long an example takes says more about the machine's other work.
settings.register_profile("medimgr", deadline=None)
settings.load_profile("medimgr")


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None) -> Iterator[None]:
    """Give back the connection of the thread in which async tests ask, before the database is removed."""
    yield
    SyncToAsync.single_thread_executor.submit(connections.close_all).result(10)


@pytest.fixture
def alice(db: None) -> User:
    """An operator: staff, with every permission of medimgr's apps."""
    user = User.objects.create_user("alice", password="alice-password", is_staff=True)
    user.user_permissions.set(
        Permission.objects.filter(
            content_type__app_label__in=["monitoring", "operations", "events", "workstations"]
        )
    )
    return user


@pytest.fixture
def bob(db: None) -> User:
    """A viewer: staff who may look and not touch."""
    user = User.objects.create_user("bob", password="bob-password", is_staff=True)
    user.user_permissions.set(
        Permission.objects.filter(
            content_type__app_label__in=["monitoring", "operations", "events", "workstations"],
            codename__startswith="view_",
        )
    )
    return user


@pytest.fixture
def charlie(db: None) -> User:
    """A stranger: has an account, is no staff."""
    return User.objects.create_user("charlie", password="charlie-password")


@pytest.fixture
def instance(tmp_path: Path, django_db_blocker: DjangoDbBlocker) -> Iterator[Instance]:
    """A medimgr installation of the test's own; all its processes end with the test.

    ``with instance.database():`` lets the ORM see its database.
    """
    with django_db_blocker.unblock():
        running = Instance(tmp_path)
        try:
            yield running
        finally:
            running.close()
