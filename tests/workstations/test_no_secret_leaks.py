"""The password of a workstation and the key that seals it are nowhere but where they belong.

A whole medimgr runs, everything is done that speaks to a workstation, failures too, and then all that it has
written, stored, said and shown is looked through for both: database, dump, files, logs, streams, answers of
the API, pages, admin, export, arguments of processes.
"""

import base64
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.core.management import call_command

from medimgr.lib.sealing import new_key
from tests.running import Instance, free_port, log_in
from tests.workstations.canaries import Listener, Onlooker, Search, manage, rows_of_all_tables
from tests.workstations.peer import Machine, Peer

PASSWORD = "CanaryPass4711Wingspan"
WRONG = "CanaryWrong0815Feather"
KEYS = f"{new_key()},{new_key()}"


@pytest.fixture
def running(instance: Instance) -> Iterator[httpx.Client]:
    """A whole medimgr with an administrator, who is logged in."""
    instance.env["MEDIMGR_ENCRYPTION_KEYS"] = KEYS
    instance.env["MEDIMGR_LOG_LEVEL"] = "DEBUG"
    instance.env["MEDIMGR_STREAM_HEARTBEAT_SECONDS"] = "1"  # so that the listener can end
    instance.env |= {"DJANGO_SUPERUSER_USERNAME": "root", "DJANGO_SUPERUSER_PASSWORD": "root-password"}
    made = instance.manage("create_first_admin")
    assert made.returncode == 0, made.stderr
    port = free_port()
    up = instance.start("up", "--bind", f"127.0.0.1:{port}")
    url = f"http://127.0.0.1:{port}"
    instance.wait_for(lambda: is_ready(url) or not up.alive, 40, "the server is ready")
    client = log_in(url, "root", "root-password")
    yield client
    client.close()


def is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=2).status_code == 200
    except httpx.TransportError:
        return False


def declared(client: httpx.Client, machine: Machine, password: str, **fields: Any) -> int:
    body = machine.fields() | {"password": password, "boot_seconds": 10, "polled": True} | fields
    response = client.post("/api/workstations", json=body)
    assert response.status_code == 201, response.text
    return int(response.json()["id"])


def ended(client: httpx.Client, search: Search, path: str, body: Any = None) -> dict[str, Any]:
    """Ask for something and wait until it has ended, looking at every answer."""
    response = client.post(path, json=body or {})
    search.look("API", response.content)
    assert response.status_code == 202, response.text
    number = response.json()["operation"]["id"]
    until = time.monotonic() + 60
    while True:
        response = client.get(f"/api/operations/{number}")
        search.look("API", response.content)
        operation: dict[str, Any] = response.json()
        if operation["finished_at"]:
            search.look("API", client.get(f"/api/operations/{number}/log").content)
            return operation
        assert time.monotonic() < until, operation
        time.sleep(0.1)


def pages(client: httpx.Client, search: Search, start: tuple[str, ...]) -> None:
    """Look at these pages and at all that they lead to, but for logging out."""
    seen: set[str] = set()
    waiting = list(start)
    while waiting and len(seen) < 60:
        path = waiting.pop(0)
        if path in seen:
            continue
        seen.add(path)
        response = client.get(path)
        assert response.status_code < 500, path
        search.look(f"page {path}", response.content)
        for found in re.findall(r'href="(/(?:admin|workstations|operations)[^"#?]*)"', response.text):
            if "logout" not in found and found not in seen:
                waiting.append(found)


def test_no_secret_is_anywhere_but_where_it_belongs(
    running: httpx.Client, instance: Instance, peer: Peer, tmp_path: Path
) -> None:
    client, search = running, Search(PASSWORD, WRONG, *KEYS.split(","))
    good = peer.machine("pc-good", instances=["Farm 1"], password=PASSWORD)
    lost = peer.machine("pc-lost", instances=["Farm 1"], password=PASSWORD)
    peer.close_port(lost)
    with Onlooker(search), Listener(client, search):
        good_id = declared(client, good, PASSWORD)
        lost_id = declared(client, lost, PASSWORD)
        everything_is_done(client, search, good_id)
        everything_fails(client, search, instance, good, good_id, lost_id)
        shell(instance, search, tmp_path)
        pages(client, search, ("/workstations/", f"/workstations/{good_id}/", "/operations/", "/admin/"))
        one = f"workstations/{good_id}"
        for path in ("workstations", one, f"{one}/history", "emulators", "operations", "workstations/export"):
            search.look("API", client.get(f"/api/{path}").content)
    instance.close()
    for process in instance.processes:
        search.look(f"output of {process.name}", process.output())
    search.look_through(instance.data_dir)
    for table, text in rows_of_all_tables(instance, but={}):
        search.look(f"table {table}", text)
    dump = tmp_path / "dump.json"
    with instance.database():
        call_command("dumpdata", "workstations", "operations", "events", "admin", output=str(dump))
    search.look("dump", dump.read_bytes())
    assert search.found == []
    # It was looked where there is something to be found.
    assert search.looked_at["stream"] > 1000
    assert search.looked_at["process arguments"] > 1000
    assert {"table workstations_workstation", "table operations_logpart", "table events_event"} <= {
        *search.looked_at
    }
    assert any(b"gAAAA" in row["fields"]["password_sealed"].encode() for row in sealed(dump))


def sealed(dump: Path) -> list[dict[str, Any]]:
    rows = json.loads(dump.read_text(encoding="utf-8"))
    return [row for row in rows if row["model"] == "workstations.workstation"]


def everything_is_done(client: httpx.Client, search: Search, workstation: int) -> None:
    base = f"/api/workstations/{workstation}"
    assert ended(client, search, f"{base}/test-connection")["status"] == "SUCCESS"
    assert ended(client, search, f"{base}/emulators/scan")["status"] == "SUCCESS"
    ended(client, search, f"{base}/check-host")
    ended(client, search, f"{base}/system-info")
    emulator = client.get(f"{base}/emulators").json()["items"][0]["id"]
    for verb, body in (
        ("rename", {"title": "Farm 2"}),
        ("modify", {"cpu": 2, "memory_mb": 2048}),
        ("start", {}),
        ("stop", {}),
    ):
        operation = ended(client, search, f"/api/emulators/{emulator}/{verb}", body)
        assert operation["status"] == "SUCCESS", operation["error"]


def everything_fails(
    client: httpx.Client, search: Search, instance: Instance, good: Machine, good_id: int, lost_id: int
) -> None:
    scan = f"/api/workstations/{good_id}/emulators/scan"
    for name in ("rst_in_receive", "unavailable", "quota_on_create", "broken_seal", "html"):
        setattr(good.faults, name, 1)
        ended(client, search, scan)
        setattr(good.faults, name, 0)
    assert ended(client, search, f"/api/workstations/{lost_id}/check-host")["status"] == "FAILED"
    told = manage(instance, "workstations", "set-password", good.name, typed=f"{WRONG}\n")
    assert told.returncode == 0, told.stderr
    search.look("command", told.stdout + told.stderr)
    assert ended(client, search, scan)["error"]["code"] == "workstation-authentication"
    ended(client, search, f"/api/workstations/{good_id}/check-host")
    # At the doors, with all that can be wrong beside it, or with it itself.
    for body in (
        {"name": "x" * 99, "host": "h", "password": PASSWORD},
        {"name": "pc-new", "host": "h", "password": f"{PASSWORD}\n"},
        {"name": "pc-new", "host": "h", "password": [PASSWORD]},
        {"name": "pc-new", "host": good.host, "port": good.port, "password": PASSWORD},
    ):
        response = client.post("/api/workstations", json=body)
        assert response.status_code == 422
        search.look("API", response.content)
    form = {"name": "", "host": "a b", "password": PASSWORD}
    token = {"csrfmiddlewaretoken": client.headers["X-CSRFToken"]}
    response = client.post(
        "/admin/workstations/workstation/add/", data=form | token, headers={"Referer": str(client.base_url)}
    )
    assert response.status_code == 200, response.text
    search.look("admin", response.content)
    text = f'[workstations.pc]\nhost = "h"\npassword = "{PASSWORD}"\n'
    response = client.post("/api/workstations/import", content=text, headers={"Content-Type": "text/plain"})
    assert response.status_code == 422
    search.look("API", response.content)


def shell(instance: Instance, search: Search, directory: Path) -> None:
    (directory / "bad.toml").write_text(
        f'[workstations.pc]\nhost = "h"\npassword = "{PASSWORD}"\n', encoding="utf-8"
    )
    for words in (
        ("list",),
        ("list", "--json"),
        ("show", "pc-good"),
        ("show", "pc-good", "--json"),
        ("export",),
        ("import", str(directory / "bad.toml")),
        ("rotate-keys",),
    ):
        told = instance.manage("workstations", *words)
        search.look(f"command {words[0]}", told.stdout + told.stderr)
    told = manage(instance, "workstations", "set-password", "pc-good", typed=f"{PASSWORD}\0\n")
    assert told.returncode == 1
    search.look("command", told.stdout + told.stderr)


@pytest.mark.parametrize("before", ["", "a", "ab"])
def test_the_search_finds_a_secret_however_it_is_written(before: str) -> None:
    for written in (
        PASSWORD.encode(),
        f"{before}{PASSWORD}".encode("utf-16-le"),
        base64.b64encode(f"{before}{PASSWORD}!".encode()),
    ):
        search = Search(PASSWORD)
        search.look("here", b"..." + written + b"...")
        assert search.found == ["here"]
