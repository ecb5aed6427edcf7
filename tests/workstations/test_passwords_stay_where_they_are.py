"""A stored password is never sent to where it was not meant for: a change of the listener takes it away."""

from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.contrib.messages import get_messages
from django.test import Client

from medimgr.lib.sealing import new_key
from tests.api import client_of
from workstations.declaring import declare, leads_elsewhere, redeclare
from workstations.fleet_file.reading import read
from workstations.fleet_file.saving import import_fleet
from workstations.models import Workstation

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db]

PASSWORD = "canary-pass-4711"
BEFORE: dict[str, Any] = {
    "name": "pc-1",
    "host": "pc-1.example",
    "port": 5986,
    "tls": True,
    "username": "operator",
}
ELSEWHERE: list[dict[str, Any]] = [
    {"host": "evil.example"},
    {"port": 5987},
    {"tls": False},
    {"tls": False, "port": 5985},
    {"host": "evil.example", "boot_seconds": 99},
]
HERE: list[dict[str, Any]] = [
    {"boot_seconds": 99},
    {"host": "PC-1.example"},
    {"tags": ["night"]},
    {"username": "another"},
    {"name": "pc-2"},
    {"tls": True, "port": 5986, "host": "pc-1.example"},
]


@pytest.fixture(autouse=True)
def stored(settings: LazySettings) -> Workstation:
    settings.MEDIMGR_ENCRYPTION_KEYS = (new_key(),)
    return declare(BEFORE, PASSWORD)


def password() -> str:
    return Workstation.objects.get().access().password


@pytest.mark.parametrize("change", ELSEWHERE, ids=str)
def test_a_change_of_the_listener_takes_the_password_away(
    change: dict[str, Any], stored: Workstation
) -> None:
    assert not redeclare(stored.pk, change).has_password
    assert password() == ""


@pytest.mark.parametrize("change", ELSEWHERE, ids=str)
def test_who_types_it_anew_knows_it(change: dict[str, Any], stored: Workstation) -> None:
    redeclare(stored.pk, change, "typed-anew")
    assert password() == "typed-anew"


@pytest.mark.parametrize("change", HERE, ids=str)
def test_any_other_change_keeps_it(change: dict[str, Any], stored: Workstation) -> None:
    redeclare(stored.pk, change)
    assert password() == PASSWORD


def test_turning_tls_on_is_no_risk() -> None:
    assert not leads_elsewhere({"tls": (False, True)})
    assert leads_elsewhere({"tls": (True, False)})


@pytest.mark.parametrize("change", ELSEWHERE, ids=str)
def test_at_the_api(change: dict[str, Any], stored: Workstation, alice: User) -> None:
    address = f"/api/workstations/{stored.pk}"
    answer = client_of(alice).patch(address, change, content_type="application/json")
    assert (answer.status_code, answer.json()["has_password"]) == (200, False)
    again = client_of(alice).patch(
        address, {"host": "x.example", "password": "new"}, content_type="application/json"
    )
    assert again.json()["has_password"] is True
    assert password() == "new"


def test_in_the_admin_it_is_said_so(stored: Workstation, client: Client) -> None:
    client.force_login(User.objects.create_superuser("root"))
    form = {
        **BEFORE,
        "tls": "on",
        "auth": "ntlm",
        "ldconsole_path": stored.ldconsole_path,
        "launch": "task",
        "boot_seconds": "240",
        "concurrency": "2",
    }
    address = f"/admin/workstations/workstation/{stored.pk}/change/"
    assert "unless you type it anew" in client.get(address).content.decode()
    client.post(address, {**form, "boot_seconds": "99"})
    assert password() == PASSWORD
    answer = client.post(address, {**form, "host": "evil.example"})
    assert any("taken away" in str(message) for message in get_messages(answer.wsgi_request))
    assert password() == ""


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ('host = "evil.example"\nport = 5986\ntls = true', False),
        ('host = "pc-1.example"\nport = 5985\ntls = true', False),
        ('host = "pc-1.example"\nport = 5986', False),
        ('host = "pc-1.example"\nport = 5986\ntls = true\nboot_seconds = 99', True),
    ],
)
def test_a_fleet_file_says_beforehand_whose_password_it_takes_away(line: str, kept: bool) -> None:
    text = f"[workstations.pc-1]\n{line}\n"
    told = import_fleet(read("fleet.toml", text), dry_run=True)
    assert password() == PASSWORD
    done = import_fleet(read("fleet.toml", text))
    assert told.without_password == done.without_password == ([] if kept else ["pc-1"])
    assert password() == (PASSWORD if kept else "")


def test_two_that_change_places_lose_theirs() -> None:
    declare({"name": "pc-2", "host": "pc-2.example"}, "of-pc-2")
    text = (
        '[workstations.pc-1]\nhost = "pc-2.example"\n[workstations.pc-2]\nhost = "pc-1.example"\n'
        "port = 5986\ntls = true\n"
    )
    done = import_fleet(read("fleet.toml", text))
    assert done.without_password == ["pc-1", "pc-2"]
    assert not any(row.has_password for row in Workstation.objects.all())
