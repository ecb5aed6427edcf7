"""Supervisors for tests: one per file that shares it, or one of the test's own."""

from collections.abc import Iterator

import pytest
from pytest_django import DjangoDbBlocker

from tests.monitoring.supervision.ward import Ward
from tests.running import Instance


@pytest.fixture(scope="module")
def shared_ward(
    tmp_path_factory: pytest.TempPathFactory, django_db_blocker: DjangoDbBlocker
) -> Iterator[Ward]:
    """A supervisor that the tests of one file share; each declares services of its own."""
    with django_db_blocker.unblock():
        instance = Instance(tmp_path_factory.mktemp("ward"))
        try:
            with instance.database():
                ward = Ward(instance)
                ward.start()
                yield ward
        finally:
            instance.close()


@pytest.fixture
def ward(instance: Instance) -> Iterator[Ward]:
    """A supervisor of the test's own, not started yet."""
    with instance.database():
        yield Ward(instance)
