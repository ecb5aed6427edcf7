"""The admin's lists and buttons: what is shown, narrowed down, and asked for, each by its own permission."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone

from operations.models import Operation
from workstations.models import Change, Emulator, Workstation

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db]
LIST = "/admin/workstations/workstation/"
EMULATORS = "/admin/workstations/emulator/"
CHANGES = "/admin/workstations/change/"
ACTIONS = [
    ("ask_for_connection_test", "workstation.test-connection", "test_workstation"),
    ("check_host", "workstation.check-host", "check_workstation"),
    ("scan", "workstation.scan", "scan_workstation"),
    ("read_system", "workstation.read-system", "check_workstation"),
]


@pytest.fixture
def fleet(db: None) -> list[Workstation]:
    rows = []
    for number in range(1, 4):
        row = Workstation.objects.create(
            name=f"pc-{number}",
            host=f"10.0.0.{number}",
            tags=["odd"] if number % 2 else ["even"],
            status="online" if number > 1 else "error",
            last_error="" if number > 1 else "<b>bold</b> trouble",
        )
        Emulator.objects.create(workstation=row, index=0, title=f"farm <{number}>", state="running")
        Emulator.objects.create(workstation=row, index=1, title="b", state="stopped")
        Change.objects.create(workstation=row, at=timezone.now(), what="status", before="a", after="b")
        rows.append(row)
    return rows


@pytest.fixture
def site(alice: User) -> Client:
    client = Client()
    client.force_login(alice)
    return client


def names(client: Client, query: str) -> set[str]:
    text = client.get(f"{LIST}{query}").content.decode()
    return {name for name in ("pc-1", "pc-2", "pc-3") if f">{name}</a>" in text}


@pytest.mark.usefixtures("fleet")
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {"pc-1", "pc-2", "pc-3"}),
        ("?status__exact=error", {"pc-1"}),
        ("?tag=odd", {"pc-1", "pc-3"}),
        ("?tag=odd&status__exact=online", {"pc-3"}),
        ("?tag=nobody", set()),
        ("?q=10.0.0.2", {"pc-2"}),
    ],
)
def test_the_list_is_narrowed_by_status_tag_and_words(site: Client, query: str, expected: set[str]) -> None:
    assert names(site, query) == expected


@pytest.mark.usefixtures("fleet")
def test_what_workstations_said_is_shown_as_text(site: Client) -> None:
    text = site.get(LIST).content.decode()
    assert "&lt;b&gt;bold&lt;/b&gt; trouble" in text
    assert "1/2" in text
    assert "farm &lt;1&gt;" in site.get(EMULATORS).content.decode()


def test_the_list_asks_no_more_questions_for_more_rows(
    site: Client, fleet: list[Workstation], django_assert_max_num_queries: Any
) -> None:
    for number in range(30):
        Workstation.objects.create(name=f"more-{number}", host=f"10.1.0.{number}")
    assert fleet
    with django_assert_max_num_queries(12):
        site.get(LIST)


def test_a_check_is_shown_point_by_point_with_its_mend(site: Client, fleet: list[Workstation]) -> None:
    found = {"name": "quota", "label": "Quota", "ok": False, "detail": "5 <shells>", "fix": "Raise it."}
    Workstation.objects.filter(pk=fleet[0].pk).update(
        host_check={"at": "now", "findings": [found]}, system={"os": "<Windows>"}
    )
    text = site.get(f"{LIST}{fleet[0].pk}/change/").content.decode()
    assert "Quota: NOT in order. 5 &lt;shells&gt; Raise it." in text
    assert "&lt;Windows&gt;" in text


@pytest.mark.parametrize(("action", "kind", "right"), ACTIONS)
def test_each_action_and_button_takes_its_permission_and_a_post(
    bob: User, fleet: list[Workstation], action: str, kind: str, right: str
) -> None:
    client = Client()
    client.force_login(bob)
    page = f"{LIST}{fleet[0].pk}/change/"
    form: dict[str, Any] = {"action": action, "_selected_action": [row.pk for row in fleet[:2]]}
    client.post(LIST, form)
    assert f'value="{action}"' not in client.get(page).content.decode()
    assert not Operation.objects.exists()
    bob.user_permissions.add(Permission.objects.get(codename=right))
    client.get(LIST, form)
    assert not Operation.objects.exists()
    assert f'value="{action}"' in client.get(page).content.decode()
    told = client.post(LIST, form, follow=True).content.decode()
    asked = list(Operation.objects.order_by("id"))
    assert [(one.kind, one.target_key, one.source) for one in asked] == [
        (kind, str(row.pk), "admin") for row in fleet[:2]
    ]
    assert all(f"operation {one.pk}" in told for one in asked)
    assert "How far all of them are" in told


def test_actions_on_hundreds_name_ten_and_count_the_rest(site: Client) -> None:
    for number in range(25):
        Workstation.objects.create(name=f"pc-{number}", host=f"10.0.0.{number}")
    form = {"action": "scan", "_selected_action": ["1"], "select_across": "1"}
    told = site.post(LIST, form, follow=True).content.decode()
    assert Operation.objects.count() == 25
    assert "asked for on 15 more" in told


@pytest.mark.parametrize(("action", "right"), [("start", "launch_emulator"), ("stop", "stop_emulator")])
def test_emulators_are_started_and_stopped_from_their_list(
    bob: User, fleet: list[Workstation], action: str, right: str
) -> None:
    client = Client()
    client.force_login(bob)
    form = {"action": action, "_selected_action": [one.pk for one in fleet[0].emulators.all()]}
    client.post(EMULATORS, form)
    assert not Operation.objects.exists()
    bob.user_permissions.add(Permission.objects.get(codename=right))
    client.post(EMULATORS, form)
    assert {one.kind for one in Operation.objects.all()} == {f"emulator.{action}"}
    assert Operation.objects.count() == 2


@pytest.mark.usefixtures("fleet")
@pytest.mark.parametrize("query", ["?tag=odd", "?state__exact=running", "?q=farm"])
def test_emulators_are_narrowed_too(site: Client, query: str) -> None:
    assert site.get(f"{EMULATORS}{query}").status_code == 200


def test_emulators_and_changes_are_for_looking_only(site: Client, fleet: list[Workstation]) -> None:
    emulator, change = fleet[0].emulators.all()[0], fleet[0].changes.all()[0]
    for place, pk in ((EMULATORS, emulator.pk), (CHANGES, change.pk)):
        assert site.get(place).status_code == 200
        assert site.get(f"{place}{pk}/change/").status_code == 200
        assert site.get(f"{place}add/").status_code == 403
        assert site.post(f"{place}{pk}/change/", {"title": "x"}).status_code == 403
        assert site.post(f"{place}{pk}/delete/", {"post": "yes"}).status_code == 403


def test_the_admin_leads_to_the_live_pages(site: Client, fleet: list[Workstation]) -> None:
    page = f"/workstations/{fleet[0].pk}/"
    assert f'href="{page}"' in site.get(f"{LIST}{fleet[0].pk}/change/").content.decode()
    assert (
        f'href="{page}"' in site.get(f"{EMULATORS}{fleet[0].emulators.all()[0].pk}/change/").content.decode()
    )
    assert 'href="/workstations/"' in site.get("/admin/").content.decode()
    assert site.get(page).status_code == 200


def test_the_link_on_a_workstation_leads_to_its_emulators_alone(
    site: Client, fleet: list[Workstation]
) -> None:
    link = f"{EMULATORS}?workstation__id__exact={fleet[1].pk}"
    assert f'href="{link}"' in site.get(f"{LIST}{fleet[1].pk}/change/").content.decode()
    text = site.get(link).content.decode()
    assert "farm &lt;2&gt;" in text
    assert "farm &lt;1&gt;" not in text
