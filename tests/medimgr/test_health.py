"""Liveness and readiness, and what is public about this server."""

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

import medimgr
from monitoring.models import Node
from tests.factories import make_node


def supervised(seconds_ago: float = 0.0) -> Node:
    node = make_node()
    Node.objects.update(supervisor_pid=1, heartbeat_at=timezone.now() - timedelta(seconds=seconds_ago))
    return node


@pytest.fixture
def lost_database(monkeypatch: pytest.MonkeyPatch) -> None:
    def lose(*_: Any, **__: Any) -> None:
        raise OperationalError('connection to server at "10.1.2.3" failed for user "medimgr"')

    monkeypatch.setattr(Node.objects, "filter", lose)


def test_the_process_is_up_without_a_database(client: Client) -> None:
    # No django_db mark: any query would fail the test.
    response = client.get("/healthz")
    assert response.status_code == 200
    assert response.json() == {"status": "ok"}


@pytest.mark.django_db
def test_ready_with_database_and_supervisor(client: Client) -> None:
    supervised()
    with CaptureQueriesContext(connection) as asked:
        response = client.get("/readyz")
    assert response.status_code == 200
    assert response.json() == {"status": "ready", "database": "ok", "supervisor": "ok", "reason": ""}
    assert len(asked) == 1


@pytest.mark.django_db
@pytest.mark.parametrize("seconds", [11.0, 3600.0])
def test_a_silent_supervisor_is_not_ready(client: Client, seconds: float) -> None:
    supervised(seconds)
    response = client.get("/readyz")
    assert response.status_code == 503
    body = response.json()
    assert (body["database"], body["supervisor"]) == ("ok", "silent")
    assert f"{int(seconds)} s ago" in body["reason"]
    assert "manage.py" in body["reason"]


@pytest.mark.django_db
def test_a_supervisor_that_never_reported_is_not_ready(client: Client) -> None:
    assert client.get("/readyz").status_code == 503
    make_node()
    assert "yet" in client.get("/readyz").json()["reason"]


@pytest.mark.django_db
def test_another_node_s_supervisor_does_not_count(client: Client) -> None:
    make_node()
    other = make_node("elsewhere")
    Node.objects.filter(pk=other.pk).update(supervisor_pid=1, heartbeat_at=timezone.now())
    assert client.get("/readyz").status_code == 503


@pytest.mark.django_db
def test_without_a_database_nothing_is_ready_and_nothing_is_given_away(
    client: Client, lost_database: None
) -> None:
    response = client.get("/readyz")
    assert response.status_code == 503
    body = response.json()
    assert body["database"] == "unavailable"
    assert "10.1.2.3" not in json.dumps(body)


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_only_reading_is_possible(client: Client, path: str) -> None:
    assert client.post(path).status_code == 405


@pytest.mark.django_db
def test_api_health_has_the_uptime_as_a_clock(client: Client) -> None:
    supervised()
    body = client.get("/api/health").json()
    assert body["status"] == "ok"
    assert re.fullmatch(r"\d{2,}:[0-5]\d:[0-5]\d", body["uptime"])
    assert body["version"] == medimgr.__version__


@pytest.mark.django_db
def test_api_health_says_what_is_wrong(client: Client, lost_database: None) -> None:
    body = client.get("/api/health").json()
    assert (body["status"], body["database"]) == ("degraded", "unavailable")


@pytest.mark.django_db
def test_what_is_public_names_neither_host_nor_place(client: Client) -> None:
    supervised(60)
    for path in ("/healthz", "/readyz", "/api/health", "/api/version"):
        text = client.get(path).content.decode()
        for secret in (settings.MEDIMGR_NODE, str(settings.MEDIMGR_DATA_DIR), settings.SECRET_KEY):
            assert secret not in text


@pytest.mark.django_db
def test_answers_are_not_kept(client: Client) -> None:
    for path in ("/healthz", "/readyz"):
        assert client.get(path)["Cache-Control"] == "no-store"
