"""A page costs as many queries for many services as for few."""

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from monitoring.models import Dependency, Run, Transition
from monitoring.states import Reason, State
from tests.factories import make_service

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


def grow(first: int, count: int) -> None:
    """Add services, each needing the first one, with a life behind it."""
    for number in range(first, first + count):
        service = make_service(f"s{number:02d}", name=f"Service {number}")
        if number:
            Dependency.objects.create(service=service, needs_id=service.pk - number)
        now = timezone.now()
        fields = {"at": now, "from_state": State.STOPPED, "to_state": State.STARTING, "operation_id": number}
        Transition.objects.create(service=service, **fields)
        Run.objects.create(service=service, service_key=service.key, reason=Reason.BOOT, started_at=now)


def queries(client: Client, address: str) -> int:
    with CaptureQueriesContext(
        connection,
    ) as context:
        assert client.get(address).status_code == 200
    return len(context)


@pytest.mark.parametrize("address", ["/monitoring/", "/monitoring/services/s00/", "/operations/"])
def test_the_number_of_queries_does_not_grow(client: Client, alice: User, address: str) -> None:
    client.force_login(alice)
    grow(0, 3)
    few = queries(client, address)
    grow(3, 47)
    assert queries(client, address) == few
    assert few <= 17
