"""A GET or HEAD of any address changes nothing, whoever sends it and whatever it asks for in the query."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from medimgr.api import api
from tests.medimgr.doors import API, PAGES
from tests.medimgr.doors_world import PEOPLE, World

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]

METHODS = ("GET", "HEAD", "OPTIONS")
WISHES = (
    "?_method=DELETE&_method=POST&action=delete_selected&_selected_action=1&post=yes&force=true",
    "?dry_run=false&keep_hours=0&keep_per_target=0&confirm=yes&_save=1&name=changed",
)
OVERRIDES = {"X-HTTP-Method-Override": "DELETE", "X-Method-Override": "POST", "X-HTTP-Method": "PATCH"}
WRITES = ("INSERT", "UPDATE", "DELETE", "REPLACE", "ALTER", "DROP", "CREATE", "TRUNCATE")
# A session is read, and its last use noted, by whoever comes; that is no doing of the address.
ALLOWED = ('"django_session"', '"axes_')


def addresses(world: World) -> Iterator[str]:
    """Return every address of pages, API and admin, actions included, with rows that are there."""
    for door in (*PAGES, *API):
        yield world.called(door.address, "near")
    for model in admin.site._registry:
        label = model._meta.label_lower
        base = f"/admin/{label.replace('.', '/')}/"
        yield base
        yield f"{base}add/"
        row: Any = world.rows["near"].get(label)
        if row is None:
            row = model._default_manager.values_list("pk", flat=True).first()
        for verb in ("change", "delete", "history", "password", "revoke", "end", "restart", "stop", "start"):
            yield f"{base}{row}/{verb}/"
    yield from (
        "/", "/login/", "/logout/", "/admin/", "/admin/logout/", "/admin/operations/operation/purge/",
        "/admin/monitoring/service/import/", "/admin/audit/auditentry/export/", "/admin/password_change/",
        "/admin/jsi18n/", "/events/disconnect/", "/events/pages/", "/api/docs", "/api/openapi.json",
        "/healthz", "/readyz", "/metrics",
    )  # fmt: skip


def contents() -> dict[str, list[tuple[Any, ...]]]:
    """Return every row of every table of ours and of Django's, but for sessions."""
    return {
        model._meta.label: sorted(model._base_manager.values_list(), key=repr)
        for model in apps.get_models()
        if model._meta.label != "sessions.Session"
    }


def client_of(world: World, name: str) -> Client:
    client = world.client(next(person for person in PEOPLE if person.name == name))
    client.raise_request_exception = False
    return client


@pytest.mark.parametrize("name", ["superuser", "viewer-token"])
def test_no_address_writes_anything_for_who_only_looks(name: str) -> None:
    world = World()
    client = client_of(world, name)
    client.get("/api/services")  # a token's first use is noted
    before = contents()
    wrote = []
    for number, address in enumerate(addresses(world)):
        for method in METHODS if name == "superuser" and not address.startswith("/admin/") else METHODS[:1]:
            with CaptureQueriesContext(
                connection,
            ) as queries:
                answer = client.generic(method, address + WISHES[number % 2], headers=OVERRIDES)
                if answer.streaming:
                    answer.close()
            assert answer.status_code < 500 or address == "/readyz", (method, address, answer.status_code)
            wrote += [
                f"{method} {address}: {query['sql'][:200]}"
                for query in queries
                if query["sql"].lstrip().upper().startswith(WRITES)
                and not any(table in query["sql"] for table in ALLOWED)
                and "audit_auditentry" not in query["sql"]  # a refusal is written down
            ]
    assert wrote == []
    after = contents()
    after["audit.AuditEntry"] = before["audit.AuditEntry"]
    assert after == before


def test_the_api_is_all_there() -> None:
    described = sum(len(methods) for methods in api.get_openapi_schema()["paths"].values())
    assert len(API) == described


def test_a_write_would_be_noticed() -> None:
    world = World()
    before = contents()
    with CaptureQueriesContext(connection) as queries:
        client_of(world, "superuser").post("/api/services/nearrow-service/start", {}, "application/json")
    assert any(query["sql"].startswith("INSERT") for query in queries)
    assert contents() != before
