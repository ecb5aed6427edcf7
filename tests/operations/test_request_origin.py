"""By what way somebody asks: a page is told apart from other clients of the API."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from medimgr.accounts import machine_tokens
from medimgr.accounts.machine_tokens import Issuer
from operations.models import Operation
from tests.api import client_of, post
from tests.factories import make_service

pytestmark = pytest.mark.django_db
PAGE = {"X-Medimgr-Page": "/monitoring/"}


def source_of_a_start(client: Client, **headers: str) -> str:
    make_service("web")
    assert post(client, "/api/services/web/start", {}, **headers).status_code == 202
    return Operation.objects.get().source


def test_what_a_page_asks_of_the_api_comes_from_the_page(alice: User) -> None:
    assert source_of_a_start(client_of(alice), **PAGE) == "page"


def test_what_a_program_asks_comes_from_the_api(alice: User) -> None:
    assert source_of_a_start(client_of(alice)) == "api"


def test_somebody_with_a_token_is_no_page_whatever_the_header_says(alice: User) -> None:
    token = machine_tokens.issue(
        "ci",
        alice,
        Issuer("root", "command"),
        permissions=["monitoring.view_service", "monitoring.start_service"],
        days=1,
    ).token
    assert source_of_a_start(client_of(alice), **PAGE, Authorization=f"Bearer {token}") == "api"


def test_a_page_behind_a_proxy_that_asks_for_a_password_of_its_own_is_still_a_page(alice: User) -> None:
    assert source_of_a_start(client_of(alice), **PAGE, Authorization="Basic YTpi") == "page"


def test_a_batch_that_a_page_asks_for_comes_from_the_page(alice: User) -> None:
    make_service("web")
    body = {"action": "start", "services": ["web"]}
    assert post(client_of(alice), "/api/services/batch", body, **PAGE).status_code == 202
    assert Operation.objects.get().source == "page"
