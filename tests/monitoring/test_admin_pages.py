"""Every page of the admin opens, shows what is there, and asks no more questions for more rows."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from medimgr.events.models import Connection, Event, StreamWorker, Tick
from monitoring.models import Dependency, Node, Run, Service, Transition
from operations.models import ChoreRun, Operation
from tests.factories import make_node, make_service

pytestmark = pytest.mark.django_db

NOW = timezone.now()


@pytest.fixture
def root(db: None) -> User:
    return User.objects.create_superuser("root", password="root-password")


@pytest.fixture
def site(root: User) -> Client:
    client = Client()
    client.force_login(root)
    return client


def seed_service(number: int) -> Model:
    service = make_service(f"seed{number}")
    needed = make_service(f"needed{number}")
    Dependency.objects.create(service=service, needs=needed)
    return service


def seed_node(number: int) -> Model:
    return make_node(f"seed{number}")


def seed_run(number: int) -> Model:
    service = make_service(f"seed{number}")
    return Run.objects.create(
        service=service, service_key=service.key, node="n", pid=4711, reason="operator", started_at=NOW
    )


def seed_transition(number: int) -> Model:
    return Transition.objects.create(
        service=make_service(f"seed{number}"), at=NOW, from_state="STOPPED", to_state="STARTING"
    )


def seed_operation(number: int) -> Model:
    return Operation.objects.create(
        kind="service.start",
        target_type="service",
        target_key=f"seed{number}",
        queue="node:x",
        requester="alice",
        requested_by=User.objects.first(),
        source="api",
        created_at=NOW,
        run_after=NOW,
        deadline_at=NOW + timedelta(minutes=5),
    )


def seed_chore(number: int) -> Model:
    return ChoreRun.objects.create(name=f"seed{number}", next_at=NOW)


def seed_event(number: int) -> Model:
    return Event.objects.create(topic="service", key=f"seed{number}", data={"state": "RUNNING"}, at=NOW)


def seed_worker(number: int) -> StreamWorker:
    return StreamWorker.objects.create(
        node=f"seed{number}", pid=4711, start_ticks=number, started_at=NOW, seen_at=NOW
    )


def seed_connection(number: int) -> Model:
    return Connection.objects.create(
        worker=StreamWorker.objects.first() or seed_worker(0),
        user=User.objects.get(username="root"),
        address="127.0.0.1",
        page=f"/seed{number}/",
        connected_at=NOW,
        last_ping_at=NOW,
    )


def seed_tick(number: int) -> Model:
    return Tick.objects.create(node=f"seed{number}", at=NOW, data={"a": [1.0, 2.0]})


SEEDS: dict[type[Model], tuple[Callable[[int], Model], str]] = {
    # how to make a row, and what finds it
    Service: (seed_service, "seed1"),
    Node: (seed_node, "seed1"),
    Run: (seed_run, "seed1"),
    Transition: (seed_transition, "seed1"),
    Operation: (seed_operation, "seed1"),
    ChoreRun: (seed_chore, "seed1"),
    Event: (seed_event, "seed1"),
    StreamWorker: (seed_worker, "seed1"),
    Connection: (seed_connection, "seed1"),
    Tick: (seed_tick, "seed1"),
}
READ_ONLY = [model for model in SEEDS if model not in {Service, Node}]
each_model = pytest.mark.parametrize("model", SEEDS, ids=lambda model: model.__name__)
each_record = pytest.mark.parametrize("model", READ_ONLY, ids=lambda model: model.__name__)


def url(model: type[Model], page: str, *args: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def test_every_model_of_ours_that_is_registered_is_tried_here() -> None:
    ours = {
        model
        for model in admin.site._registry
        if model._meta.app_label in {"monitoring", "operations", "events"}
    }
    assert ours == set(SEEDS)


@each_model
def test_the_list_shows_the_row_and_the_search_finds_it(site: Client, model: type[Model]) -> None:
    make, words = SEEDS[model]
    row = make(1)
    other = make(2)
    for query in ("", f"?q={words}"):
        page = site.get(url(model, "changelist") + query)
        assert page.status_code == 200
        assert url(model, "change", row.pk) in page.content.decode()
    found = page.context["cl"].result_list
    assert row in found
    assert other not in found


@each_model
def test_the_detail_page_opens(site: Client, model: type[Model]) -> None:
    row = SEEDS[model][0](1)
    page = site.get(url(model, "change", row.pk))
    assert page.status_code == 200
    assert str(row) in page.content.decode()


@each_model
def test_the_history_page_opens(site: Client, model: type[Model]) -> None:
    row = SEEDS[model][0](1)
    assert site.get(url(model, "history", row.pk)).status_code == 200


@each_model
def test_a_longer_list_asks_no_more_questions(site: Client, model: type[Model]) -> None:
    make = SEEDS[model][0]
    site.get(url(model, "changelist"))  # what is cached at first is cached now

    def questions() -> int:
        with CaptureQueriesContext(
            connection,
        ) as asked:
            assert site.get(url(model, "changelist")).status_code == 200
        return len(asked)

    for number in (1, 2):
        make(number)
    few = questions()
    for number in range(3, 13):
        make(number)
    assert questions() == few


@each_record
def test_records_can_be_neither_added_nor_changed_nor_deleted(site: Client, model: type[Model]) -> None:
    row = SEEDS[model][0](1)
    assert site.get(url(model, "add")).status_code == 403
    assert site.post(url(model, "change", row.pk), {"node": "x"}).status_code == 403
    assert site.post(url(model, "delete", row.pk), {"post": "yes"}).status_code == 403
    assert 'name="_save"' not in site.get(url(model, "change", row.pk)).content.decode()
    assert model._default_manager.filter(pk=row.pk).exists()


def test_the_token_of_a_stream_is_never_shown(site: Client) -> None:
    row = seed_connection(1)
    assert isinstance(row, Connection)
    for page in ("changelist", "change"):
        args = (row.pk,) if page == "change" else ()
        assert row.token not in site.get(url(Connection, page, *args)).content.decode()


def test_the_admin_leads_to_the_pages_and_rows_lead_to_theirs(site: Client) -> None:
    service = seed_service(1)
    operation = seed_operation(1)
    assert isinstance(service, Service)
    index = site.get(reverse("admin:index")).content.decode()
    assert f'href="{reverse("monitoring:services")}"' in index
    page = site.get(url(Service, "change", service.pk)).content.decode()
    assert reverse("monitoring:service", args=[service.key]) in page
    page = site.get(url(Operation, "change", operation.pk)).content.decode()
    assert reverse("admin:view_on_site", args=[_type_id(Operation), operation.pk]) in page


def _type_id(model: type[Model]) -> int:
    from django.contrib.contenttypes.models import ContentType

    return ContentType.objects.get_for_model(model).pk


@pytest.mark.parametrize("who", ["charlie", "anonymous"])
def test_strangers_are_sent_to_the_login(who: str, charlie: User, client: Client) -> None:
    if who == "charlie":
        client.force_login(charlie)
    answer = client.get(url(Service, "changelist"))
    assert answer.status_code == 302
    assert "/login/" in answer["Location"]
