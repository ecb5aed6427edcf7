"""Who declared, changed, imported or deleted what: by API and by command as in the admin."""

import io
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client

from medimgr.audit.models import AuditEntry
from operations.shell_requester import requester
from workstations.models import Workstation

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]

JSON = "application/json"
FLEET = '[workstations.pc-07]\nhost = "192.0.2.7"\ntags = ["lab"]\n'
SERVICES = (
    '[services.web]\nname = "Web"\ncommand = ["sleep", "9"]\n[services.web.env]\nAPI_TOKEN = "hush-hush"\n'
)


def written() -> list[dict[str, Any]]:
    columns = ("action", "who", "source", "target", "target_name", "detail")
    return [
        dict(entry) for entry in AuditEntry.objects.order_by("pk").exclude(action="login").values(*columns)
    ]


@pytest.fixture
def here(alice: User, client: Client) -> Client:
    client.force_login(alice)
    return client


def test_a_workstation_that_is_declared_changed_and_forgotten(here: Client) -> None:
    made = here.post("/api/workstations", {"name": "pc-07", "host": "192.0.2.7"}, JSON)
    assert made.status_code == 201, made.content
    key = made.json()["id"]
    assert here.patch(f"/api/workstations/{key}", {"tags": ["lab"]}, JSON).status_code == 200
    assert here.delete(f"/api/workstations/{key}").status_code == 204
    entries = written()
    assert [entry["action"] for entry in entries] == [
        f"workstation.{act}" for act in ("declare", "change", "delete")
    ]
    assert {entry["target"] for entry in entries} == {f"workstation:{key}"}
    assert {entry["target_name"] for entry in entries} == {"pc-07"}
    assert entries[1]["detail"] == "Said: tags."


def test_what_is_refused_declares_nothing_and_is_no_entry(here: Client) -> None:
    assert here.post("/api/workstations", {"name": "", "host": ""}, JSON).status_code in {400, 422}
    assert written() == []


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_fleet_that_is_imported_by_api(dry_run: bool, here: Client) -> None:
    answer = here.post(f"/api/workstations/import?dry_run={dry_run}", FLEET, "text/plain")
    assert answer.status_code == 200, answer.content
    assert Workstation.objects.exists() != dry_run
    told = [(entry["action"], entry["who"], entry["detail"]) for entry in written()]
    assert told == ([] if dry_run else [("workstations.import", "alice", "created: pc-07.")])


def test_a_fleet_that_is_imported_by_command(tmp_path: Path) -> None:
    (tmp_path / "fleet.toml").write_text(FLEET)
    for _ in range(2):
        call_command("workstations", "import", str(tmp_path / "fleet.toml"), stdout=io.StringIO())
    first, second = written()
    assert (first["who"], first["source"]) == (requester().name, "command")
    assert (first["detail"], second["detail"]) == ("created: pc-07.", "Nothing differed.")


@pytest.mark.parametrize("dry_run", [True, False])
def test_services_that_are_imported_by_api_without_a_word_of_what_is_secret(
    dry_run: bool, here: Client
) -> None:
    answer = here.post(f"/api/services/import?format=toml&dry_run={dry_run}", SERVICES, "text/plain")
    assert answer.status_code == 200, answer.content
    told = [(entry["action"], entry["target"], entry["detail"]) for entry in written()]
    assert told == ([] if dry_run else [("services.import", "services", "created: web.")])
    assert "hush" not in str(written())


def test_services_that_are_imported_by_command(tmp_path: Path) -> None:
    (tmp_path / "services.toml").write_text(SERVICES)
    call_command("services", "import", str(tmp_path / "services.toml"), stdout=io.StringIO())
    [entry] = written()
    assert (entry["action"], entry["source"]) == ("services.import", "command")
