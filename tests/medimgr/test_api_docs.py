"""The description of the API: complete, and served without anything from elsewhere or inline."""

import re
from typing import Any

import pytest
from django.contrib.staticfiles import finders
from django.test import Client
from pydantic import BaseModel

pytestmark = pytest.mark.django_db

PATHS = {
    "/api/health": {"get"},
    "/api/version": {"get"},
    "/api/status": {"get"},
    "/api/services": {"get"},
    "/api/services/batch": {"post"},
    "/api/services/import": {"post"},
    "/api/services/{key}": {"get"},
    "/api/services/{key}/start": {"post"},
    "/api/services/{key}/stop": {"post"},
    "/api/services/{key}/restart": {"post"},
    "/api/services/{key}/auto-recovery": {"post"},
    "/api/services/{key}/log": {"get"},
    "/api/services/{key}/log/archives": {"get"},
    "/api/services/{key}/log/download": {"get"},
    "/api/services/{key}/history": {"get"},
    "/api/operations": {"get", "post"},
    "/api/operations/stats": {"get"},
    "/api/operations/cancel": {"post"},
    "/api/operations/cleanup": {"delete"},
    "/api/operations/chores": {"get"},
    "/api/operations/chores/{name}/run": {"post"},
    "/api/operations/batches/{batch_id}": {"get"},
    "/api/operations/batches/{batch_id}/cancel": {"post"},
    "/api/operations/batches/{batch_id}/retry": {"post"},
    "/api/operations/{operation_id}": {"get"},
    "/api/operations/{operation_id}/log": {"get"},
    "/api/operations/{operation_id}/cancel": {"post"},
    "/api/operations/{operation_id}/retry": {"post"},
    "/api/events/stats": {"get"},
    "/api/events/health": {"get"},
}
OPEN_TO_ALL = {"/api/health", "/api/version", "/api/auth/login", "/api/auth/refresh", "/api/auth/logout"}


@pytest.fixture
def schema(client: Client) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/api/openapi.json").json()
    return found


def test_every_promised_path_is_described(schema: dict[str, Any]) -> None:
    described = {path: set(methods) for path, methods in schema["paths"].items()}
    assert {path: described.get(path) for path in PATHS} == PATHS


def test_every_path_but_the_public_ones_needs_a_login(schema: dict[str, Any]) -> None:
    for path, methods in schema["paths"].items():
        for operation in methods.values():
            assert bool(operation.get("security")) is (path not in OPEN_TO_ALL), path


def test_every_operation_has_a_summary_and_the_error_shape(schema: dict[str, Any]) -> None:
    for methods in schema["paths"].values():
        for operation in methods.values():
            assert operation["summary"]
            problems = {status for status in operation["responses"] if int(status) >= 400}
            assert problems >= {"400", "500", "503", "504"}
            for status in problems:
                assert "application/problem+json" in operation["responses"][status]["content"]
    assert set(schema["components"]["schemas"]["Problem"]["required"]) == {
        "type", "title", "status", "detail", "code",
    }  # fmt: skip


def test_the_docs_page_takes_nothing_from_elsewhere_and_nothing_inline(client: Client) -> None:
    page = client.get("/api/docs")
    assert page.status_code == 200
    text = page.content.decode()
    addresses = re.findall(r'(?:src|href)="([^"]*)"', text)
    assert len(addresses) >= 4
    assert all(address.startswith("/static/") for address in addresses)
    assert all(finders.find(address.removeprefix("/static/")) for address in addresses)
    for tag in re.findall(r"<script[^>]*>", text):
        assert "src=" in tag or 'type="application/json"' in tag
    assert "<style" not in text
    assert " style=" not in text
    assert not re.search(r"\son\w+=", text)
    assert "script-src 'self'" in page["Content-Security-Policy"]


def test_no_two_shapes_have_the_same_name() -> None:
    """The description knows them by their names alone: one would be described as the other."""
    places: dict[str, set[str]] = {}
    for kind in every_kind(BaseModel):
        if kind.__module__.partition(".")[0] in {"medimgr", "monitoring", "operations", "workstations"}:
            places.setdefault(kind.__name__, set()).add(kind.__module__)
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def every_kind(base: type[BaseModel]) -> list[type[BaseModel]]:
    return [kind for child in base.__subclasses__() for kind in (child, *every_kind(child))]
