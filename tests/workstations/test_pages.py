"""The pages of workstations: who sees them, what the first byte carries, what they cost and never show."""

import json
import re
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from operations.models import Operation
from tests.monitoring.test_pages_markup import HOSTILE, Markup
from tests.workstations.fleet_rows import make_emulator, make_fleet, make_workstation
from workstations.models import Change, Emulator, Workstation
from workstations.states import EmulatorState, Reachability

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]

LIST = "/workstations/"
CANARY = "canary-d41d8cd9"


def one_page(row: Workstation) -> str:
    return f"/workstations/{row.pk}/"


def text_of(client: Client, address: str) -> str:
    response = client.get(address)
    assert response.status_code == 200
    return response.content.decode()


def data_of(text: str) -> dict[str, Any]:
    found = re.search(r'<script id="page-data" type="application/json">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    data: dict[str, Any] = json.loads(found[1])
    return data


def shown_hosts(text: str) -> dict[str, bool]:
    """Return which workstations the first byte shows, by name."""
    blocks = re.findall(r'<section class="host" ([^>]*)>.*?<h2[^>]*><a[^>]*>([^<]*)</a>', text, re.DOTALL)
    return {name: " hidden" not in attributes for attributes, name in blocks if name}


def shown_tiles(text: str) -> set[str]:
    return set(re.findall(r'<li class="tile" [^>]*"><span class="shape"></span><a[^>]*>([^<]+)</a>', text))


def every_address(row: Workstation) -> list[str]:
    own = one_page(row)
    return [LIST, f"{LIST}snapshot/", own, f"{own}snapshot/", f"{own}panels/"]


def test_a_stranger_is_sent_to_the_login(client: Client) -> None:
    for address in every_address(make_workstation()):
        response = client.get(address)
        assert response.status_code == 302
        assert response["Location"] == f"/login/?next={address}"


def test_staff_without_the_permission_is_told_which_one(client: Client, bob: User) -> None:
    bob.user_permissions.remove(Permission.objects.get(codename="view_workstation"))
    client.force_login(bob)
    for address in every_address(make_workstation()):
        response = client.get(address)
        assert response.status_code == 403
        assert "view_workstation" in response.content.decode()
    assert b'href="/workstations/"' not in client.get("/monitoring/").content


def test_who_may_not_see_emulators_sees_none(client: Client, bob: User) -> None:
    row = make_workstation()
    make_emulator(row, 0, "Only for some")
    bob.user_permissions.remove(Permission.objects.get(codename="view_emulator"))
    client.force_login(bob)
    for address in every_address(row):
        text = text_of(client, address)
        assert "Only for some" not in text
    assert "emulator" not in data_of(text_of(client, LIST))["topics"]


def test_the_number_of_queries_does_not_grow(client: Client, alice: User) -> None:
    client.force_login(alice)
    row = make_workstation("first")
    make_emulator(row, 0)

    def queries(address: str) -> int:
        with CaptureQueriesContext(connection) as context:
            text_of(client, address)
        return len(context)

    before = {address: queries(address) for address in every_address(row)}
    make_fleet(30, 10)
    for index in range(1, 60):
        make_emulator(row, index)
        Change.objects.create(workstation=row, at=timezone.now(), index=index, title="x", what="found")
    assert {address: queries(address) for address in every_address(row)} == before
    assert max(before.values()) <= 14


def test_the_first_byte_carries_every_emulator_and_its_state(client: Client, alice: User) -> None:
    client.force_login(alice)
    make_fleet(4, 5)
    text = text_of(client, LIST)
    assert "1 of 4 workstations needs attention: pc-003 is offline." in text
    assert "6 of 20 emulators run." in Markup(text).text.replace("\n", " ")
    assert len(shown_tiles(text)) == 20
    assert "2/5 running, 1 starting" in text
    snapshot = data_of(text)["snapshot"]
    assert snapshot["emulator_fields"][:4] == ["id", "index", "title", "state"]
    assert [len(item["emulators"]) for item in snapshot["items"]] == [5, 5, 5, 5]
    assert client.get(f"{LIST}snapshot/").json() == snapshot


@pytest.mark.parametrize(
    ("query", "hosts", "tiles"),
    [
        ("", {"lab-1", "lab-2", "studio", "empty"}, {"Anna", "Bob", "Boris", "Clara"}),
        ("?show=offline", {"studio"}, {"Anna", "Bob", "Boris", "Clara"}),
        ("?show=attention", {"studio"}, {"Anna", "Bob", "Boris", "Clara"}),
        ("?show=online&tag=lab", {"lab-1", "lab-2"}, {"Anna", "Bob", "Boris", "Clara"}),
        ("?state=running", {"lab-1", "lab-2"}, {"Anna", "Boris"}),
        ("?q=BO", {"lab-1", "lab-2"}, {"Bob", "Boris"}),
        ("?q=lab-1", {"lab-1"}, {"Anna", "Bob"}),
        ("?q=bo&state=running", {"lab-2"}, {"Boris"}),
        ("?q=nothing-like-this", set(), set()),
        (
            "?show=nonsense&state=nonsense",
            {"lab-1", "lab-2", "studio", "empty"},
            {"Anna", "Bob", "Boris", "Clara"},
        ),
    ],
)
def test_the_filters_are_in_the_address(
    client: Client, alice: User, query: str, hosts: set[str], tiles: set[str]
) -> None:
    client.force_login(alice)
    first, second = make_workstation("lab-1", tags=["lab"]), make_workstation("lab-2", tags=["lab"])
    third = make_workstation("studio", status=Reachability.OFFLINE)
    make_workstation("empty")
    make_emulator(first, 0, "Anna", state=EmulatorState.RUNNING)
    make_emulator(first, 1, "Bob")
    make_emulator(second, 0, "Boris", state=EmulatorState.RUNNING)
    make_emulator(third, 0, "Clara", state=EmulatorState.UNKNOWN)
    text = text_of(client, LIST + query)
    assert {name for name, shown in shown_hosts(text).items() if shown} == hosts
    assert shown_tiles(text) >= tiles
    if "state=r" in query or "q=" in query:
        assert shown_tiles(text) == tiles
    assert ('id="nothing-shown" hidden' in text) is bool(hosts)


def test_no_page_needs_what_the_policy_forbids_and_names_with_markup_are_text(
    client: Client, alice: User
) -> None:
    client.force_login(alice)
    row = make_workstation("pc-1", last_error=HOSTILE, status=Reachability.ERROR)
    emulator = make_emulator(row, 0, HOSTILE)
    Change.objects.create(
        workstation=row, at=timezone.now(), index=0, title=HOSTILE, what="title", after=HOSTILE
    )
    Operation.objects.create(
        kind="emulator.start",
        target_type="emulator",
        target_key=str(emulator.pk),
        requester=HOSTILE,
        created_at=timezone.now(),
        run_after=timezone.now(),
        deadline_at=timezone.now(),
    )
    for address in (LIST, f"{LIST}?q=%22%3E%3Cscript%3E&tag=%3Cb%3E", one_page(row)):
        markup = Markup(text_of(client, address))
        assert markup.forbidden == []
        assert "b" not in markup.tags
        assert sorted(set(markup.ids)) == sorted(markup.ids), "an id stands twice"
        assert HOSTILE in markup.text


def test_an_empty_fleet_says_how_to_declare_one(client: Client, alice: User, bob: User) -> None:
    client.force_login(alice)
    text = text_of(client, LIST)
    assert "No workstations declared yet" in text
    assert "workstations import" in text
    assert 'href="/admin/workstations/workstation/add/"' in text
    client.force_login(bob)
    assert 'href="/admin/workstations/workstation/add/"' not in text_of(client, LIST)


def test_a_workstation_tells_all_that_is_known_of_it(client: Client, alice: User) -> None:
    client.force_login(alice)
    at = timezone.now().isoformat()
    row = make_workstation(
        system={
            "at": at,
            "computer": "PC-1",
            "os": {"name": "Windows 11 Pro", "version": "10.0.22631", "build": 22631, "booted_at": at},
            "cpu": {"model": "A Processor", "cores": 8, "threads": 16, "load_percent": 37},
            "memory": {"total_bytes": 64 * 2**30, "free_bytes": 20 * 2**30},
            "disks": [{"name": "C:", "label": "", "total_bytes": 900 * 2**30, "free_bytes": 312 * 2**30}],
            "sessions": [{"user": r"PC-1\operator", "session": 1}],
        },
        host_check={
            "at": at,
            "findings": [
                {"name": "connection", "label": "Connection", "ok": True, "detail": "It answers.", "fix": ""},
                {"name": "quota", "label": "Quota", "ok": False, "detail": "Too few.", "fix": "Raise it."},
                {"name": "disk", "label": "Free disk", "ok": None, "detail": "Not asked.", "fix": ""},
            ],
        },
    )
    make_emulator(row, 3, "Phone", state=EmulatorState.RUNNING, pid=4711)
    Change.objects.create(
        workstation=row, at=timezone.now(), what="status", before="offline", after="online", operation_id=7
    )
    text = Markup(text_of(client, one_page(row))).text
    for said in ("37 %", "20.0 GB of 64.0 GB free", "312.0 GB", r"PC-1\operator", "8 cores, 16 threads"):
        assert said in text
    for said in ("2 of 3 points need a look", "Too few.", "Raise it.", "Offline → Online", "operation 7"):
        assert said in text
    for said in ("Phone", "emulator-5560", "960×540, 160 dpi", "4711", "running 12 min"):
        assert said in text
    panels = text_of(client, f"{one_page(row)}panels/")
    assert "<html" not in panels
    assert "Raise it." in panels


def test_what_is_not_known_is_not_made_up(client: Client, alice: User) -> None:
    client.force_login(alice)
    row = make_workstation(status=Reachability.UNKNOWN, status_since=None, read_at=None)
    text = Markup(text_of(client, one_page(row))).text
    assert "Not looked at" in text
    assert "It has not been checked yet." in text
    assert "Its emulators have not been read yet." in text


def test_the_page_lists_operations_on_it_and_on_its_emulators(client: Client, alice: User) -> None:
    client.force_login(alice)
    row, other = make_workstation("pc-1"), make_workstation("pc-2")
    mine, theirs = make_emulator(row, 0), make_emulator(other, 0)
    times = {name: timezone.now() for name in ("created_at", "run_after", "deadline_at")}
    for number, (kind, key) in enumerate(
        (("workstation.scan", row.pk), ("emulator.stop", mine.pk), ("emulator.stop", theirs.pk))
    ):
        target = kind.partition(".")[0]
        Operation.objects.create(pk=number + 1, kind=kind, target_type=target, target_key=str(key), **times)
    data = data_of(text_of(client, one_page(row)))
    assert [operation["id"] for operation in data["operations"]] == [2, 1]
    assert {operation["id"] for operation in data["snapshot"]["operations"]} == {1, 2}
    answer = client.get(f"{one_page(row)}snapshot/").json()
    assert [operation["id"] for operation in answer["latest"]] == [2, 1]


def test_an_emulator_s_address_leads_to_its_workstation(client: Client, alice: User) -> None:
    client.force_login(alice)
    row = make_workstation()
    emulator = make_emulator(row, 0)
    response = client.get(f"/workstations/emulators/{emulator.pk}/")
    assert response["Location"] == f"/workstations/{row.pk}/#emulator-{emulator.pk}"


@pytest.mark.parametrize("address", ["0", "99999", "pc-1", "9" * 30, "emulators/99999", "emulators/x"])
def test_what_does_not_exist_is_not_found(client: Client, alice: User, address: str) -> None:
    client.force_login(alice)
    assert client.get(f"/workstations/{address}/").status_code == 404


def test_an_operation_s_page_leads_to_what_it_is_about(client: Client, alice: User) -> None:
    client.force_login(alice)
    row = make_workstation()
    emulator = make_emulator(row, 0)
    times = {name: timezone.now() for name in ("created_at", "run_after", "deadline_at")}
    for pk, (target, key) in enumerate((("workstation", row.pk), ("emulator", emulator.pk)), start=1):
        Operation.objects.create(
            pk=pk, kind=f"{target}.scan", target_type=target, target_key=str(key), **times
        )
    assert f'href="{one_page(row)}"' in text_of(client, "/operations/1/")
    assert f'href="/workstations/emulators/{emulator.pk}/"' in text_of(client, "/operations/2/")
    assert data_of(text_of(client, "/operations/"))["target_pages"]["workstation"] == "/workstations/{key}/"


def test_no_page_shows_a_password(client: Client, alice: User, settings: Any) -> None:
    from cryptography.fernet import Fernet

    settings.MEDIMGR_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    row = make_workstation()
    row.set_password(CANARY)
    row.save()
    client.force_login(alice)
    for address in every_address(row):
        text = text_of(client, address)
        assert CANARY not in text
        assert row.password_sealed not in text


def test_rows_that_nobody_has_read_yet_are_told_from_empty_ones(client: Client, alice: User) -> None:
    client.force_login(alice)
    make_workstation("read")
    make_workstation("unread", read_at=None)
    text = text_of(client, LIST)
    assert text.count("It has no emulators.") == 1
    assert "Its emulators have not been read yet." in text
    assert Emulator.objects.count() == 0
