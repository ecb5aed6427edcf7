"""Who may read the metrics: the installation's token, a machine's, a network, and staff who may look."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django.fixtures import Settings

from medimgr.accounts import machine_tokens
from medimgr.accounts.models import AccountScope, MachineToken
from medimgr.lib.client_address import networks
from tests.api import client_of
from tests.medimgr.accounts.issuing import SHELL, issued

pytestmark = pytest.mark.django_db

LOOK = (
    "events.view_connection",
    "monitoring.view_service",
    "operations.view_operation",
    "workstations.view_workstation",
    "workstations.view_emulator",
)


def asked(token: str = "", address: str = "203.0.113.9", **headers: str) -> Any:
    if token:
        headers["Authorization"] = f"Bearer {token}"
    return Client(headers=headers).get("/metrics", REMOTE_ADDR=address)


# --- tokens of machines ----------------------------------------------------------------------------


def test_a_machine_s_token_with_the_permissions_opens(bob: User) -> None:
    new = issued(bob, permissions=LOOK)
    assert asked(new.token).status_code == 200
    assert MachineToken.objects.get().last_used_address == "203.0.113.9"


@pytest.mark.parametrize("missing", LOOK)
def test_one_that_lacks_a_permission_does_not(bob: User, missing: str) -> None:
    response = asked(issued(bob, permissions=[one for one in LOOK if one != missing]).token)
    assert response.status_code == 403
    assert missing in response.content.decode()


def test_one_that_is_limited_to_a_group_does_not(bob: User) -> None:
    response = asked(issued(bob, permissions=LOOK, groups=["voting"]).token)
    assert response.status_code == 403
    assert "limited" in response.content.decode()


def test_a_revoked_one_does_not(bob: User) -> None:
    new = issued(bob, permissions=LOOK)
    machine_tokens.revoke(new.row, SHELL)
    response = asked(new.token)
    assert response.status_code == 401
    assert new.token not in response.content.decode()


def test_one_in_the_query_is_ignored(bob: User) -> None:
    new = issued(bob, permissions=LOOK)
    assert Client().get("/metrics", {"access_token": new.token, "token": new.token}).status_code == 401


# --- accounts --------------------------------------------------------------------------------------


def test_an_account_that_is_limited_to_some_labels_sees_none_of_it(bob: User) -> None:
    AccountScope.objects.create(user=bob, service_groups=["voting"])
    assert client_of(bob).get("/metrics").status_code == 403


# --- networks --------------------------------------------------------------------------------------


@pytest.fixture
def near(settings: Settings) -> None:
    settings.MEDIMGR_METRICS_NETWORKS = networks(["198.51.100.0/24", "2001:db8:1::/48"])


@pytest.mark.usefixtures("near")
@pytest.mark.parametrize("address", ["198.51.100.1", "2001:db8:1::5", "::ffff:198.51.100.7"])
def test_whoever_asks_from_an_allowed_network_needs_no_token(address: str) -> None:
    assert asked(address=address).status_code == 200


@pytest.mark.usefixtures("near")
@pytest.mark.parametrize("address", ["198.51.101.1", "2001:db8:2::5", "127.0.0.1", "", "nonsense"])
def test_whoever_asks_from_elsewhere_does(address: str) -> None:
    assert asked(address=address).status_code == 401


@pytest.mark.usefixtures("near")
def test_a_header_that_anybody_can_write_moves_nobody() -> None:
    assert asked(address="203.0.113.9", **{"X-Forwarded-For": "198.51.100.1"}).status_code == 401


@pytest.mark.usefixtures("near")
def test_behind_a_known_proxy_its_client_s_address_counts(settings: Settings) -> None:
    settings.MEDIMGR_TRUSTED_PROXIES = networks(["192.0.2.1"])
    assert asked(address="192.0.2.1", **{"X-Forwarded-For": "198.51.100.1"}).status_code == 200
    assert asked(address="192.0.2.1", **{"X-Forwarded-For": "203.0.113.9"}).status_code == 401
    # What stands further left than the last one, anybody may have written.
    forged = {"X-Forwarded-For": "198.51.100.1, 203.0.113.9"}
    assert asked(address="192.0.2.1", **forged).status_code == 401


@pytest.mark.usefixtures("near")
def test_a_wrong_token_is_not_made_good_by_a_network() -> None:
    assert asked("wrong", address="198.51.100.1").status_code == 401


@pytest.mark.usefixtures("near")
def test_nothing_but_the_metrics_opens_for_a_network() -> None:
    for path in ("/api/services", "/monitoring/", "/admin/", "/api/operations"):
        assert Client().get(path, REMOTE_ADDR="198.51.100.1").status_code in {302, 401}, path
