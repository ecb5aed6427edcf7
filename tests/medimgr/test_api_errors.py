"""Whatever goes wrong, the answer has one shape and gives nothing away."""

import json
import logging
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError
from django.test import Client, override_settings

import monitoring.api
from operations.models import Operation
from tests.api import assert_problem, client_of, post
from tests.factories import make_service

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(alice: User) -> Client:
    make_service("sleeper")
    return client_of(alice)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("get", "/api/services/missing"),
        ("get", "/api/services/missing/log"),
        ("get", "/api/services/missing/history"),
        ("post", "/api/services/missing/start"),
        ("post", "/api/services/missing/stop"),
        ("post", "/api/services/missing/restart"),
        ("get", "/api/services/%00"),
        ("get", "/api/services/..%2f..%2fetc"),
        ("get", "/api/services/Ünbekannt"),
    ],
)
def test_an_unknown_service_is_named(client: Client, method: str, path: str) -> None:
    response = getattr(client, method)(path)
    if "%2f" in path:  # a slash in a key makes it another address
        assert_problem(response, 404, "no-such-address")
    else:
        assert "no service" in assert_problem(response, 404, "unknown-service")["detail"]


@pytest.mark.parametrize("path", ["/api/operations/99", "/api/operations/9223372036854775807"])
def test_an_unknown_operation_is_not_found(client: Client, path: str) -> None:
    assert_problem(client.get(path), 404, "operation-gone")
    assert_problem(post(client, f"{path}/cancel"), 404, "operation-gone")
    assert_problem(post(client, f"{path}/retry"), 404, "operation-gone")


@pytest.mark.parametrize("path", ["/api", "/api/", "/api/nonsense", "/api/services/", "/api/services/a/b/c"])
@pytest.mark.parametrize("debug", [False, True])
def test_an_unknown_address_is_a_problem_too(client: Client, path: str, debug: bool) -> None:
    with override_settings(DEBUG=debug):
        assert_problem(client.get(path), 404, "no-such-address")
        assert_problem(post(client_of(None, csrf=True), path, {}), 404, "no-such-address")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("get", "/api/services/sleeper/start", "POST"),
        ("post", "/api/services", "GET"),
        ("delete", "/api/services/sleeper", "GET"),
        ("put", "/api/operations/stats", "GET"),
        ("post", "/api/health", "GET"),
    ],
)
def test_a_wrong_method_is_told_the_right_one(client: Client, method: str, path: str, allow: str) -> None:
    response = getattr(client, method)(path)
    problem = assert_problem(response, 405, "method-not-allowed")
    assert response["Allow"] == allow
    assert allow in problem["detail"]


@pytest.mark.parametrize("body", ["{", "", "nonsense", b"\xff\xfe", '{"enabled": tru}'])
def test_a_body_that_is_no_json(client: Client, body: Any) -> None:
    path = "/api/services/sleeper/auto-recovery"
    response = client.post(path, data=body, content_type="application/json")
    if body == "":
        assert "errors" in assert_problem(response, 422, "invalid")
    else:
        assert_problem(response, 400, "bad-json")
    assert not Operation.objects.exists()


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/api/services/sleeper/auto-recovery", {}, "enabled"),
        ("/api/services/sleeper/auto-recovery", {"enabled": "yes"}, "enabled"),
        ("/api/services/sleeper/auto-recovery", {"enabled": 1}, "enabled"),
        ("/api/services/sleeper/stop", {"force": "perhaps"}, "force"),
        ("/api/services/sleeper/stop", {"reason": "x" * 501}, "reason"),
        ("/api/services/sleeper/stop", {"reason": "a\x00b"}, "reason"),
        ("/api/services/sleeper/stop", {"fore": True}, "fore"),
        ("/api/services/sleeper/start", {"force": True}, "force"),
        ("/api/services/batch", {"services": ["sleeper"]}, "action"),
        ("/api/services/batch", {"action": "explode", "services": ["sleeper"]}, "action"),
        ("/api/services/batch", {"action": "stop", "services": []}, "services"),
        ("/api/services/batch", {"action": "stop", "services": "sleeper"}, "services"),
        ("/api/services/batch", {"action": "stop", "services": ["sleeper", 7]}, "services.1"),
        ("/api/services/batch", {"action": "stop", "services": ["a\x00"]}, "services.0"),
        ("/api/services/batch", {"action": "stop", "services": ["a"] * 1001}, "services"),
    ],
)
def test_wrong_types_are_named_by_field(client: Client, path: str, body: Any, field: str) -> None:
    problem = assert_problem(post(client, path, body), 422, "invalid")
    assert list(problem["errors"]) == [field]
    assert field in problem["detail"]
    assert not Operation.objects.exists()


@pytest.mark.parametrize("body", ["[]", '"stop"', "7", "true"])
def test_a_body_of_another_kind_is_named(client: Client, body: str) -> None:
    response = client.post("/api/services/sleeper/stop", data=body, content_type="application/json")
    assert_problem(response, 422, "invalid")


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/api/services?limit=0", "limit"),
        ("/api/services?limit=many", "limit"),
        ("/api/services?offset=-1", "offset"),
        ("/api/services?offset=99999999999999999999999", "offset"),
        ("/api/services?state=SLEEPY", "state"),
        ("/api/services?group=%00", "group"),
        ("/api/services/sleeper/log?lines=0", "lines"),
        ("/api/services/sleeper/log?lines=5001", "lines"),
        ("/api/services/sleeper/log?offset=-1", "offset"),
        ("/api/services/sleeper/log?download=sometimes", "download"),
        ("/api/operations?status=DONE", "status"),
        ("/api/operations?limit=1001", "limit"),
        ("/api/operations?kind=%00", "kind"),
        ("/api/status?node=%00", "node"),
        ("/api/operations/0", "operation_id"),
        ("/api/operations/abc", "operation_id"),
        ("/api/operations/9223372036854775808", "operation_id"),
    ],
)
def test_bad_questions_are_named_by_field(client: Client, path: str, field: str) -> None:
    assert list(assert_problem(client.get(path), 422, "invalid")["errors"]) == [field]


@pytest.mark.parametrize("key", ["", "x" * 201, "ümlaut", "two\nlines"])
def test_an_idempotency_key_has_to_be_plain(client: Client, key: str) -> None:
    response = post(client, "/api/services/sleeper/start", **{"Idempotency-Key": key})
    assert list(assert_problem(response, 422, "invalid")["errors"]) == ["Idempotency-Key"]


def test_an_error_of_ours_gives_nothing_away(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def explode(*_: Any, **__: Any) -> None:
        raise RuntimeError("the password is hunter2")

    monkeypatch.setattr(monitoring.api, "services_snapshot", explode)
    for debug in (False, True):
        with override_settings(DEBUG=debug), caplog.at_level(logging.ERROR):
            problem = assert_problem(client.get("/api/services"), 500, "internal-error")
        assert "hunter2" not in json.dumps(problem)
    assert "hunter2" in caplog.text  # the log says what the client is not told


def test_a_database_that_is_away_is_said_so(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def lose(*_: Any, **__: Any) -> None:
        raise OperationalError("connection to server at 10.1.2.3 failed for user medimgr")

    monkeypatch.setattr(monitoring.api, "services_snapshot", lose)
    response = client.get("/api/services")
    problem = assert_problem(response, 503, "database-unavailable")
    assert "10.1.2.3" not in json.dumps(problem)
    assert response["Retry-After"] == "2"


@override_settings(DATA_UPLOAD_MAX_MEMORY_SIZE=100)
def test_a_body_that_is_too_large(client: Client) -> None:
    response = post(client, "/api/services/sleeper/stop", {"reason": "x" * 200})
    assert_problem(response, 413, "too-large")


def test_a_host_that_we_do_not_answer_to(client: Client) -> None:
    response = client.get("/api/services", headers={"Host": "evil.example"})
    assert_problem(response, 400, "bad-request")
