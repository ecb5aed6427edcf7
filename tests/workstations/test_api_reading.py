"""The API shows workstations, emulators and their history, filtered and in parts, by a few queries."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.utils import timezone

from tests.api import assert_problem, client_of
from workstations.models import Change, Emulator, Workstation

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db]


@pytest.fixture
def fleet(db: None) -> list[Workstation]:
    rows = [
        Workstation.objects.create(
            name=f"pc-{number}",
            host=f"10.0.0.{number}",
            status="online" if number % 2 else "offline",
            tags=["odd", "all"] if number % 2 else ["all"],
            polled=number != 4,
            system={"os": "Windows 11"},
        )
        for number in range(1, 5)
    ]
    for row in rows:
        for index in range(3):
            Emulator.objects.create(
                workstation=row,
                index=index,
                title=f"farm {row.name}, {index}",
                state="running" if index else "stopped",
            )
    return rows


def names(user: User, query: str = "") -> list[str]:
    answer = client_of(user).get(f"/api/workstations{query}").json()
    return [item["name"] for item in answer["items"]]


@pytest.mark.usefixtures("fleet")
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["pc-1", "pc-2", "pc-3", "pc-4"]),
        ("?status=offline", ["pc-2", "pc-4"]),
        ("?tag=odd", ["pc-1", "pc-3"]),
        ("?tag=od", []),
        ("?search=PC-3", ["pc-3"]),
        ("?search=10.0.0.2", ["pc-2"]),
        ("?polled=false", ["pc-4"]),
        ("?tag=all&status=online&search=3", ["pc-3"]),
        ("?limit=2&offset=1", ["pc-2", "pc-3"]),
    ],
)
def test_the_list_is_filtered(bob: User, query: str, expected: list[str]) -> None:
    assert names(bob, query) == expected


@pytest.mark.usefixtures("fleet")
def test_the_count_is_of_all_pages_together(bob: User) -> None:
    answer = client_of(bob).get("/api/workstations?limit=1&tag=odd").json()
    assert (answer["count"], len(answer["items"])) == (2, 1)
    assert answer["items"][0]["emulators"] == {"running": 2, "stopped": 1}
    assert "system" not in answer["items"][0]


@pytest.mark.usefixtures("fleet")
def test_the_list_takes_as_many_queries_for_four_as_for_one(
    bob: User, django_assert_num_queries: Any
) -> None:
    client = client_of(bob)
    for query in ("?limit=1", ""):
        # session, account, two for the permissions, one for the scope, and four of its own
        with django_assert_num_queries(9):
            client.get(f"/api/workstations{query}")


@pytest.mark.parametrize("query", ["?status=asleep", "?limit=0", "?limit=1001", "?search=%00", "?offset=-1"])
def test_a_filter_that_means_nothing_is_refused(bob: User, query: str) -> None:
    assert_problem(client_of(bob).get(f"/api/workstations{query}"), 422, "invalid")


def test_who_may_not_see_emulators_sees_no_counts_of_them(charlie: User, fleet: list[Workstation]) -> None:
    charlie.is_staff = True
    charlie.save()
    charlie.user_permissions.add(Permission.objects.get(codename="view_workstation"))
    answer = client_of(charlie).get("/api/workstations").json()
    assert [item["emulators"] for item in answer["items"]] == [{}] * 4
    assert_problem(client_of(charlie).get(f"/api/workstations/{fleet[0].pk}/emulators"), 403, "not-permitted")


def test_one_has_its_declaration_and_what_it_said_of_itself(bob: User, fleet: list[Workstation]) -> None:
    answer = client_of(bob).get(f"/api/workstations/{fleet[0].pk}").json()
    assert (answer["name"], answer["ldconsole_path"], answer["has_password"]) == (
        "pc-1",
        r"C:\LDPlayer\LDPlayer9\ldconsole.exe",
        False,
    )
    assert answer["system"] == {"os": "Windows 11"}
    system = client_of(bob).get(f"/api/workstations/{fleet[0].pk}/system-info").json()
    assert system == {"system": {"os": "Windows 11"}}


def test_the_emulators_of_one_are_in_the_order_of_their_indexes(bob: User, fleet: list[Workstation]) -> None:
    answer = client_of(bob).get(f"/api/workstations/{fleet[1].pk}/emulators").json()
    assert [item["index"] for item in answer["items"]] == [0, 1, 2]
    assert answer["items"][0]["adb_serial"] == "emulator-5554"
    assert {item["workstation"] for item in answer["items"]} == {fleet[1].pk}


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("", 12),
        ("?state=stopped", 4),
        ("?tag=odd", 6),
        ("?search=FARM pc-1", 3),
        ("?tag=odd&state=running", 4),
    ],
)
@pytest.mark.usefixtures("fleet")
def test_emulators_are_filtered(bob: User, query: str, count: int) -> None:
    assert client_of(bob).get(f"/api/emulators{query}").json()["count"] == count


def test_emulators_of_a_workstation_by_its_id(bob: User, fleet: list[Workstation]) -> None:
    assert client_of(bob).get(f"/api/emulators?workstation={fleet[2].pk}").json()["count"] == 3
    assert client_of(bob).get("/api/emulators?workstation=99999").json()["items"] == []


def test_the_history_of_a_workstation_and_of_one_index(bob: User, fleet: list[Workstation]) -> None:
    row, other = fleet[0], fleet[1]
    for workstation, index in ((row, None), (row, 0), (row, 1), (other, 0)):
        Change.objects.create(
            workstation=workstation, at=timezone.now(), index=index, what="state", after="x"
        )
    answer = client_of(bob).get(f"/api/workstations/{row.pk}/history?limit=2").json()
    assert (answer["count"], [item["index"] for item in answer["items"]]) == (3, [1, 0])
    emulator = row.emulators.get(index=1)
    answer = client_of(bob).get(f"/api/emulators/{emulator.pk}/history").json()
    assert [item["index"] for item in answer["items"]] == [1]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/api/workstations/99999", "unknown-workstation"),
        ("/api/workstations/99999/emulators", "unknown-workstation"),
        ("/api/workstations/99999/system-info", "unknown-workstation"),
        ("/api/workstations/99999/history", "unknown-workstation"),
        ("/api/emulators/99999", "unknown-emulator"),
        ("/api/emulators/99999/history", "unknown-emulator"),
    ],
)
def test_what_is_not_there_is_told_to_those_alone_who_may_look(
    bob: User, charlie: User, path: str, code: str
) -> None:
    assert_problem(client_of(bob).get(path), 404, code)
    assert_problem(client_of(charlie).get(path), 403, "not-permitted")
    assert_problem(client_of(None).get(path), 401, "not-logged-in")


@pytest.mark.parametrize("key", ["0", "-1", "x", "9" * 30, "%00"])
def test_an_id_that_is_none_is_refused(bob: User, key: str) -> None:
    assert_problem(client_of(bob).get(f"/api/workstations/{key}"), 422, "invalid")
    assert_problem(client_of(bob).get(f"/api/emulators/{key}"), 422, "invalid")
