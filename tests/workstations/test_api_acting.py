"""The API's actions only enqueue operations; each takes its own permission and the parameters of its kind."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User

from operations.models import Operation
from tests.api import assert_problem, client_of, post
from workstations.models import Emulator, Workstation

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db]

WORKSTATION_ACTIONS: list[tuple[str, Any, str, str]] = [
    # path behind the id, body, kind, permission
    ("test-connection", None, "workstation.test-connection", "test_workstation"),
    ("check-host", {"reason": "why not"}, "workstation.check-host", "check_workstation"),
    ("system-info", None, "workstation.read-system", "check_workstation"),
    ("emulators/scan", None, "workstation.scan", "scan_workstation"),
    ("emulators", {"title": "new one"}, "workstation.create-emulator", "add_emulator_workstation"),
]
EMULATOR_ACTIONS: list[tuple[str, Any, str, str]] = [
    ("start", None, "emulator.start", "launch_emulator"),
    ("stop", {"reason": "enough"}, "emulator.stop", "stop_emulator"),
    ("restart", None, "emulator.restart", "restart_emulator"),
    ("rename", {"title": "other", "reason": "typo"}, "emulator.rename", "rename_emulator"),
    ("clone", {"title": "twin"}, "emulator.clone", "clone_emulator"),
    ("modify", {"cpu": 2, "memory_mb": 4096}, "emulator.modify", "modify_emulator"),
    ("install-app", {"package": "com.example.shop"}, "emulator.install-app", "install_emulator"),
]


@pytest.fixture
def emulator(db: None) -> Emulator:
    machine = Workstation.objects.create(name="pc-1", host="10.0.0.1", tags=["hall"])
    return Emulator.objects.create(workstation=machine, index=0, title="farm", state="stopped")


def staff_with(user: User, *codenames: str) -> User:
    user.is_staff = True
    user.save()
    user.user_permissions.set(
        Permission.objects.filter(codename__in=codenames, content_type__app_label="workstations")
    )
    return User.objects.get(pk=user.pk)


@pytest.mark.parametrize(("path", "body", "kind", "right"), WORKSTATION_ACTIONS)
def test_an_action_on_a_workstation_takes_its_permission_alone(
    charlie: User, emulator: Emulator, path: str, body: Any, kind: str, right: str
) -> None:
    address = f"/api/workstations/{emulator.workstation_id}/{path}"
    others = [one[3] for one in WORKSTATION_ACTIONS + EMULATOR_ACTIONS if one[3] != right]
    person = staff_with(charlie, *others, "view_workstation")
    problem = assert_problem(post(client_of(person), address, body), 403, "not-permitted")
    assert right in problem["detail"]
    assert not Operation.objects.exists()
    response = post(client_of(staff_with(charlie, right)), address, body)
    assert response.status_code == 202, response.content
    asked = Operation.objects.get()
    assert response.json()["operation"]["id"] == asked.pk
    assert (asked.kind, asked.target) == (kind, f"workstation:{emulator.workstation_id}")
    assert asked.reason == (body or {}).get("reason", "")


@pytest.mark.parametrize(("path", "body", "kind", "right"), EMULATOR_ACTIONS)
def test_an_action_on_an_emulator_takes_its_permission_alone(
    charlie: User, emulator: Emulator, path: str, body: Any, kind: str, right: str
) -> None:
    address = f"/api/emulators/{emulator.pk}/{path}"
    others = [one[3] for one in WORKSTATION_ACTIONS + EMULATOR_ACTIONS if one[3] != right]
    problem = assert_problem(
        post(client_of(staff_with(charlie, *others)), address, body), 403, "not-permitted"
    )
    assert right in problem["detail"]
    response = post(client_of(staff_with(charlie, right)), address, body)
    assert response.status_code == 202, response.content
    asked = Operation.objects.get()
    assert (asked.kind, asked.target) == (kind, f"emulator:{emulator.pk}")
    said = {name: value for name, value in (body or {}).items() if name != "reason"}
    assert said.items() <= asked.parameters.items()


def test_a_deletion_takes_its_permission_and_the_method_delete(
    alice: User, charlie: User, emulator: Emulator
) -> None:
    address = f"/api/emulators/{emulator.pk}"
    person = staff_with(charlie, "delete_emulator", "delete_workstation", "stop_emulator")
    assert_problem(client_of(person).delete(address), 403, "not-permitted")
    response = client_of(alice).delete(address, {"reason": "old"}, content_type="application/json")
    assert response.status_code == 202, response.content
    asked = Operation.objects.get()
    assert (asked.kind, asked.reason) == ("emulator.delete", "old")
    assert Emulator.objects.exists()


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("rename", {}, "title"),
        ("rename", {"title": "x" * 61}, "title"),
        ("rename", {"title": 'quo"te'}, "title"),
        ("clone", {"title": "a,b"}, "title"),
        ("clone", {"title": "ok", "speed": 3}, "speed"),
        ("modify", {"cpu": 5}, "cpu"),
        ("modify", {"memory_mb": 1000}, "memory_mb"),
        ("install-app", {"path": "shop.apk"}, "path"),
        ("install-app", {"package": "shop"}, "package"),
    ],
)
def test_parameters_are_refused_in_the_words_of_every_door(
    alice: User, emulator: Emulator, path: str, body: Any, field: str
) -> None:
    response = post(client_of(alice), f"/api/emulators/{emulator.pk}/{path}", body)
    problem = assert_problem(response, 422, "bad-parameters")
    assert problem["errors"].keys() == {field}
    assert not Operation.objects.exists()


def test_the_same_key_gives_the_same_operation_again(alice: User, emulator: Emulator) -> None:
    address = f"/api/emulators/{emulator.pk}/start"
    first, second = (post(client_of(alice), address, **{"Idempotency-Key": "k"}).json() for _ in range(2))
    assert first["operation"]["id"] == second["operation"]["id"]
    response = post(client_of(alice), f"/api/emulators/{emulator.pk}/stop", **{"Idempotency-Key": "k"})
    assert_problem(response, 409, "idempotency-key-reused")


def test_what_is_busy_is_refused_with_what_it_is_busy_with(alice: User, emulator: Emulator) -> None:
    post(client_of(alice), f"/api/emulators/{emulator.pk}/rename", {"title": "one"})
    response = post(client_of(alice), f"/api/emulators/{emulator.pk}/clone", {"title": "two"})
    assert "Rename" in assert_problem(response, 409, "target-busy")["detail"]


def more(emulator: Emulator) -> list[Emulator]:
    other = Workstation.objects.create(name="pc-2", host="10.0.0.2", tags=["hall"])
    Workstation.objects.create(name="pc-3", host="10.0.0.3", tags=["attic"])
    return [
        emulator,
        Emulator.objects.create(workstation=emulator.workstation, index=1, title="b"),
        Emulator.objects.create(workstation=other, index=0, title="c"),
    ]


@pytest.mark.parametrize("verb", ["start", "stop", "restart"])
def test_many_emulators_by_ids_tag_or_workstation(alice: User, emulator: Emulator, verb: str) -> None:
    rows = more(emulator)
    address = f"/api/emulators/batch-{verb}"
    by_ids = {"emulators": [row.pk for row in rows], "reason": "night"}
    for body, count in (
        (by_ids, 3),
        ({"tag": "hall"}, 3),
        ({"workstation": emulator.workstation_id}, 2),
    ):
        Operation.objects.all().delete()
        answer = post(client_of(alice), address, body)
        assert answer.status_code == 202, answer.content
        told = answer.json()
        assert len(told["operations"]) == count
        assert (told["state"]["total"], told["state"]["id"]) == (count, told["batch"])
        assert {one.kind for one in Operation.objects.all()} == {f"emulator.{verb}"}


def test_one_of_many_that_is_busy_or_gone_holds_up_no_other(alice: User, emulator: Emulator) -> None:
    rows = more(emulator)
    post(client_of(alice), f"/api/emulators/{emulator.pk}/rename", {"title": "x"})
    body = {"emulators": [*(row.pk for row in rows), 99999]}
    told = post(client_of(alice), "/api/emulators/batch-start", body).json()
    assert len(told["operations"]) == 2
    assert {one["target"]: one["code"] for one in told["refused"]} == {
        f"emulator:{emulator.pk}": "target-busy",
        "emulator:99999": "unknown-emulator",
    }


@pytest.mark.parametrize("verb", ["test-connection", "check-host", "scan"])
def test_many_workstations_by_ids_or_tag(alice: User, emulator: Emulator, verb: str) -> None:
    more(emulator)
    address = f"/api/workstations/batch-{verb}"
    told = post(client_of(alice), address, {"tag": "hall"}).json()
    assert len(told["operations"]) == 2
    assert {one.kind for one in Operation.objects.all()} == {f"workstation.{verb}"}
    Operation.objects.all().delete()
    body = {"workstations": [emulator.workstation_id]}
    assert len(post(client_of(alice), address, body).json()["operations"]) == 1


@pytest.mark.parametrize(
    "body",
    [{}, {"tag": "hall", "emulators": [1]}, {"tag": "nobody-has-it"}],
)
@pytest.mark.usefixtures("emulator")
def test_a_selection_that_is_not_clear_is_refused(alice: User, body: Any) -> None:
    assert_problem(post(client_of(alice), "/api/emulators/batch-stop", body), 422, "bad-parameters")
    assert not Operation.objects.exists()


@pytest.mark.usefixtures("emulator")
def test_many_take_the_permission_too(bob: User, alice: User) -> None:
    for path in ("emulators/batch-start", "emulators/batch-stop", "workstations/batch-scan"):
        assert_problem(post(client_of(bob), f"/api/{path}", {"tag": "hall"}), 403, "not-permitted")
        assert client_of(alice).get(f"/api/{path}").status_code in {405, 422}
    assert not Operation.objects.exists()


def test_the_description_of_the_api_names_the_parameters(alice: User) -> None:
    schemas = client_of(alice).get("/api/openapi.json").json()["components"]["schemas"]
    assert {"title", "reason"} <= schemas["TitleAsked"]["properties"].keys()
    assert {"cpu", "memory_mb", "width"} <= schemas["ModifyAsked"]["properties"].keys()
    assert schemas["TitleAsked"]["required"] == ["title"]
