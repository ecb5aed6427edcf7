"""Saving a declaration makes its status and publishes the change, on both databases."""

import pytest

from medimgr.events.models import Event
from monitoring.models import Service, ServiceStatus
from tests.factories import make_service

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


def test_a_new_service_is_wanted_up_and_stopped() -> None:
    service = make_service("backend")
    assert (service.status.intent, service.status.state) == ("up", "STOPPED")


def test_a_service_without_autostart_is_wanted_down() -> None:
    assert make_service("backend", autostart=False).status.intent == "down"


def test_saving_a_form_does_not_touch_what_the_supervisor_reported() -> None:
    service = make_service("backend")
    ServiceStatus.objects.update(state="RUNNING", pid=4711)
    service.name = "New name"
    service.save()
    assert ServiceStatus.objects.get().pid == 4711


def test_declaring_and_deleting_are_events() -> None:
    make_service("backend")
    Service.objects.get(key="backend").delete()
    data = list(Event.objects.order_by("id").values_list("data", flat=True))
    assert data == [{"declared": True, "name": "Backend"}, {"deleted": True}]
