"""A session cookie alone changes nothing: the request has to prove that it comes from our own page."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from operations.models import Operation
from tests.api import assert_problem, client_of, post
from tests.factories import make_service

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator(alice: User) -> Client:
    make_service("sleeper")
    return client_of(alice, csrf=True)


def token_of(client: Client) -> str:
    client.get("/admin/")  # any page with a form sets the cookie
    return client.cookies["csrftoken"].value


@pytest.mark.parametrize(
    "path",
    [
        "/api/services/sleeper/start",
        "/api/services/sleeper/stop",
        "/api/services/sleeper/restart",
        "/api/services/sleeper/auto-recovery",
        "/api/services/batch",
        "/api/operations/batches/1/cancel",
        "/api/operations/batches/1/retry",
        "/api/operations/1/cancel",
        "/api/operations/cancel",
        "/api/operations/1/retry",
    ],
)
def test_a_post_without_the_token_is_refused(operator: Client, path: str) -> None:
    problem = assert_problem(post(operator, path, {}), 403, "csrf-failed")
    assert "X-CSRFToken" in problem["detail"]
    assert not Operation.objects.exists()


def test_a_post_with_the_token_is_accepted(operator: Client) -> None:
    token = token_of(operator)
    response = post(operator, "/api/services/sleeper/start", **{"X-CSRFToken": token})
    assert response.status_code == 202


def test_a_post_with_a_wrong_token_is_refused(operator: Client) -> None:
    token_of(operator)
    response = post(operator, "/api/services/sleeper/start", **{"X-CSRFToken": "x" * 32})
    assert_problem(response, 403, "csrf-failed")


def test_a_post_from_another_origin_is_refused(operator: Client) -> None:
    headers = {"X-CSRFToken": token_of(operator), "Origin": "http://evil.example"}
    assert_problem(post(operator, "/api/services/sleeper/start", **headers), 403, "csrf-failed")


def test_reading_needs_no_token(operator: Client) -> None:
    assert operator.get("/api/services").status_code == 200


def test_somebody_unknown_hears_about_the_login_first() -> None:
    response = post(client_of(None, csrf=True), "/api/services/sleeper/start")
    assert_problem(response, 401, "not-logged-in")
