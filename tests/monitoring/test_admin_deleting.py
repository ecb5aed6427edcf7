"""Deleting services in the admin: each is published, so that its process is stopped; nothing half-way."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from medimgr.events.models import Event
from monitoring.models import Dependency, Service, Transition
from tests.api import client_of
from tests.factories import make_service

pytestmark = pytest.mark.django_db

LIST = "/admin/monitoring/service/"


@pytest.fixture
def site(alice: User) -> Client:
    return client_of(alice)


def delete(site: Client, *services: Service, confirm: bool = True) -> Any:
    data: dict[str, Any] = {"action": "delete_selected", "_selected_action": [s.pk for s in services]}
    return site.post(LIST, data | ({"post": "yes"} if confirm else {}))


def deleted() -> set[str]:
    return {event.key for event in Event.objects.filter(topic="service") if event.data.get("deleted")}


def test_each_deleted_service_is_published(site: Client) -> None:
    delete(site, make_service("a"), make_service("b"))
    assert not Service.objects.exists()
    assert deleted() == {"a", "b"}


def test_one_service_with_a_history_can_be_deleted(site: Client) -> None:
    service = make_service("a")
    Transition.objects.create(service=service, at=timezone.now(), from_state="STOPPED", to_state="STARTING")
    answer = site.post(f"{LIST}{service.pk}/delete/", {"post": "yes"})
    assert answer.status_code == 302
    assert deleted() == {"a"}


def test_services_that_need_each_other_go_together(site: Client) -> None:
    a, b, c = make_service("a"), make_service("b"), make_service("c")
    Dependency.objects.create(service=a, needs=b)
    Dependency.objects.create(service=b, needs=c)
    delete(site, b, c, a)
    assert not Service.objects.exists()


def test_a_service_goes_with_its_copies_and_what_they_need(site: Client) -> None:
    web, database = make_service("web", instances=3), make_service("database")
    Dependency.objects.create(service=web, needs=database)
    assert "Services: 4" in delete(site, web, database, confirm=False).content.decode()
    delete(site, database, web)
    assert not Service.objects.exists()
    assert deleted() == {"web", "web-2", "web-3", "database"}


def test_a_service_that_another_needs_stays_and_says_who(site: Client) -> None:
    a, b = make_service("a", name="Frontend"), make_service("b", name="Backend")
    Dependency.objects.create(service=a, needs=b)
    answer = delete(site, b)
    assert "Frontend needs Backend" in answer.content.decode()
    assert Service.objects.count() == 2
    answer = site.post(f"{LIST}{b.pk}/delete/", {"post": "yes"})
    assert Service.objects.count() == 2
    assert not deleted()


def test_medimgr_s_own_processes_stay_and_hold_up_the_rest(site: Client) -> None:
    own, plain = make_service("medimgr-web", builtin=True), make_service("plain")
    answer = delete(site, own, plain)
    assert answer.status_code == 403
    assert Service.objects.count() == 2


def test_a_viewer_cannot_delete(bob: User) -> None:
    service = make_service("a")
    delete(client_of(bob), service)
    assert client_of(bob).post(f"{LIST}{service.pk}/delete/", {"post": "yes"}).status_code == 403
    assert Service.objects.exists()


def test_the_question_is_as_short_for_a_long_history(site: Client) -> None:
    service = make_service("a")

    def ask() -> tuple[int, int]:
        with CaptureQueriesContext(connection) as asked:
            page = delete(site, service, confirm=False)
        assert page.status_code == 200
        return len(asked), len(page.content)

    ask()
    queries, size = ask()
    Transition.objects.bulk_create(
        Transition(service=service, at=timezone.now(), from_state="STARTING", to_state="RUNNING")
        for _ in range(500)
    )
    more_queries, more_size = ask()
    assert more_queries == queries
    assert abs(more_size - size) < 20, "five hundred rows are a number, not a list"
    assert "500" in delete(site, service, confirm=False).content.decode()
