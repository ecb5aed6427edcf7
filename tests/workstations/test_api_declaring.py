"""The API declares workstations with the model's rules, names every bad field, and never shows a password."""

from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.utils import timezone

from medimgr.events.models import Event
from medimgr.lib.sealing import new_key
from tests.api import assert_problem, client_of, post
from workstations.declaring import declare
from workstations.models import Change, Workstation

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db]
PASSWORD = "canary-pass-4711"


@pytest.fixture(autouse=True)
def keys(settings: LazySettings) -> None:
    settings.MEDIMGR_ENCRYPTION_KEYS = (new_key(),)


def make(name: str = "pc-1", **fields: Any) -> Workstation:
    return declare({"name": name, "host": f"{name}.example", **fields}, PASSWORD)


def patch(user: User, pk: int, body: Any) -> Any:
    return client_of(user).patch(f"/api/workstations/{pk}", body, content_type="application/json")


def test_a_new_one_is_stored_published_and_answered_without_its_password(alice: User) -> None:
    body = {
        "name": "pc-1",
        "host": "10.0.0.1",
        "port": 5986,
        "tls": True,
        "auth": "kerberos",
        "username": r"HALL\operator",
        "password": PASSWORD,
        "tags": ["b", "a", "b"],
        "boot_seconds": 100,
    }
    response = post(client_of(alice), "/api/workstations", body)
    assert response.status_code == 201, response.content
    answer = response.json()
    row = Workstation.objects.get()
    assert answer["id"] == row.pk
    assert (answer["tags"], answer["has_password"], answer["status"]) == (["a", "b"], True, "unknown")
    assert {name: answer[name] for name in body if name not in {"password", "tags"}} == {
        name: value for name, value in body.items() if name not in {"password", "tags"}
    }
    assert row.access().password == PASSWORD
    assert PASSWORD not in response.content.decode()
    assert row.password_sealed not in response.content.decode()
    assert Event.objects.get(topic="workstation").data == row.public()


BAD: list[tuple[str, dict[str, Any], str]] = [
    ("a name that is too long", {"name": "x" * 61}, "name"),
    ("an empty name", {"name": ""}, "name"),
    ("a name with what can't be seen", {"name": "a\nb"}, "name"),
    ("a host with a scheme", {"host": "http://pc"}, "host"),
    ("a host with a port", {"host": "pc:5985"}, "host"),
    ("an empty host", {"host": ""}, "host"),
    ("a host that is too long", {"host": "a" * 254}, "host"),
    ("port 0", {"port": 0}, "port"),
    ("port 65536", {"port": 65536}, "port"),
    ("a port beyond every column", {"port": 10**30}, "port"),
    ("a path that is none", {"ldconsole_path": "ldconsole"}, "ldconsole_path"),
    ("an unknown code page", {"code_page": "klingon"}, "code_page"),
    ("a code page that is for bytes", {"code_page": "hex"}, "code_page"),
    ("too many at once", {"concurrency": 9}, "concurrency"),
    ("too little time", {"boot_seconds": 1}, "boot_seconds"),
    ("a tag of two words", {"tags": ["two words"]}, "tags"),
    ("too many tags", {"tags": [f"t{number}" for number in range(21)]}, "tags"),
    ("no certificate", {"ca_certificates": "hello"}, "ca_certificates"),
    (
        "a private key",
        {"ca_certificates": "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----"},
        "ca_certificates",
    ),
]


@pytest.mark.parametrize(("wrong", "field"), [one[1:] for one in BAD], ids=[one[0] for one in BAD])
def test_bad_fields_are_named_and_nothing_is_stored(alice: User, wrong: dict[str, Any], field: str) -> None:
    body = {"name": "pc-1", "host": "10.0.0.1", **wrong}
    problem = assert_problem(post(client_of(alice), "/api/workstations", body), 422, "bad-workstation")
    assert problem["errors"].keys() == {field}
    assert not Workstation.objects.exists()
    row = make("pc-2")
    problem = assert_problem(patch(alice, row.pk, wrong), 422, "bad-workstation")
    assert problem["errors"].keys() == {field}
    assert Workstation.objects.filter(name="pc-2", host="pc-2.example", port=5985).exists()


def test_several_faults_are_told_at_once(alice: User) -> None:
    body = {"name": "", "host": "a b", "port": 0}
    problem = assert_problem(post(client_of(alice), "/api/workstations", body), 422, "bad-workstation")
    assert problem["errors"].keys() == {"name", "host", "port"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"auth": "basic"},
        {"launch": "magic"},
        {"port": "many"},
        {"tags": "a"},
        {"paswword": "x"},
        {"name": "a\0"},
    ],
)
def test_what_does_not_even_fit_the_form_is_refused(alice: User, wrong: dict[str, Any]) -> None:
    body = {"name": "pc-1", "host": "10.0.0.1", **wrong}
    assert_problem(post(client_of(alice), "/api/workstations", body), 422, "invalid")
    assert not Workstation.objects.exists()


def test_a_second_one_on_the_same_listener_is_refused_and_the_first_named(alice: User) -> None:
    make("pc-1")
    body = {"name": "pc-2", "host": "PC-1.example"}
    problem = assert_problem(post(client_of(alice), "/api/workstations", body), 422, "bad-workstation")
    assert "is pc-1 already" in problem["errors"]["host"][0]
    body = {"name": "pc-1", "host": "elsewhere.example"}
    problem = assert_problem(post(client_of(alice), "/api/workstations", body), 422, "bad-workstation")
    assert problem["errors"].keys() == {"name"}
    assert (
        post(
            client_of(alice), "/api/workstations", {"name": "x", "host": "pc-1.example", "port": 1}
        ).status_code
        == 201
    )
    assert Workstation.objects.count() == 2


def test_a_change_writes_what_is_said_and_keeps_the_password(alice: User) -> None:
    row = make(tags=["a"])
    answer = patch(alice, row.pk, {"boot_seconds": 60, "name": None}).json()
    assert (answer["name"], answer["boot_seconds"], answer["tags"]) == ("pc-1", 60, ["a"])
    assert Workstation.objects.get().access().password == PASSWORD
    assert patch(alice, row.pk, {"password": "another"}).json()["has_password"]
    assert Workstation.objects.get().access().password == "another"
    assert not patch(alice, row.pk, {"password": ""}).json()["has_password"]


def test_a_change_leaves_alone_what_was_found_out_meanwhile(alice: User) -> None:
    row = make()
    seen = timezone.now()
    Workstation.objects.filter(pk=row.pk).update(status="online", seen_at=seen, failures=2)
    patch(alice, row.pk, {"tags": ["new"]})
    row.refresh_from_db()
    assert (row.status, row.seen_at, row.failures) == ("online", seen, 2)
    assert Event.objects.filter(topic="workstation").latest("id").data["status"] == "online"


def test_one_that_moves_is_unknown_again_and_asked_at_once(alice: User) -> None:
    row = make()
    Workstation.objects.filter(pk=row.pk).update(
        status="offline", last_error="No answer.", error_code="x", failures=7, next_probe_at=timezone.now()
    )
    answer = patch(alice, row.pk, {"host": "10.9.9.9"}).json()
    assert (answer["status"], answer["last_error"], answer["next_probe_at"]) == ("unknown", "", None)
    row.refresh_from_db()
    assert (row.failures, row.error_code) == (0, "")
    change = Change.objects.get()
    assert (change.what, change.before, change.after) == ("status", "offline", "unknown")


def test_a_new_password_lets_it_be_asked_at_once_but_forgets_nothing(alice: User) -> None:
    row = make()
    Workstation.objects.filter(pk=row.pk).update(status="error", failures=7, next_probe_at=timezone.now())
    answer = patch(alice, row.pk, {"password": "right"}).json()
    assert (answer["status"], answer["next_probe_at"]) == ("error", None)


def test_a_password_that_nobody_can_type_is_refused_without_being_repeated(alice: User) -> None:
    body = {"name": "pc-1", "host": "10.0.0.1", "password": f"{PASSWORD}\n"}
    response = post(client_of(alice), "/api/workstations", body)
    assert_problem(response, 422, "bad-password")
    assert PASSWORD not in response.content.decode()
    response = post(client_of(alice), "/api/workstations", {**body, "password": [PASSWORD]})
    assert_problem(response, 422, "invalid")
    assert PASSWORD not in response.content.decode()


def test_without_a_key_it_says_which_setting(alice: User, settings: LazySettings) -> None:
    settings.MEDIMGR_ENCRYPTION_KEYS = ()
    body = {"name": "pc-1", "host": "10.0.0.1", "password": PASSWORD}
    problem = assert_problem(post(client_of(alice), "/api/workstations", body), 503, "no-encryption-key")
    assert "MEDIMGR_ENCRYPTION_KEYS" in problem["detail"]
    assert not Workstation.objects.exists()


def test_a_forgotten_one_is_gone_with_its_emulators_and_that_is_published(alice: User) -> None:
    row = make()
    row.emulators.create(index=0, title="a")
    response = client_of(alice).delete(f"/api/workstations/{row.pk}")
    assert (response.status_code, response.content) == (204, b"")
    assert not Workstation.objects.exists()
    assert Event.objects.filter(topic="workstation").latest("id").data == {"deleted": True}
    assert_problem(client_of(alice).delete(f"/api/workstations/{row.pk}"), 404, "unknown-workstation")
    assert_problem(patch(alice, row.pk, {"port": 1}), 404, "unknown-workstation")


def test_viewers_and_strangers_declare_nothing(alice: User, bob: User, charlie: User) -> None:
    row = make()
    body = {"name": "pc-2", "host": "10.0.0.1"}
    for person in (bob, charlie):
        assert_problem(post(client_of(person), "/api/workstations", body), 403, "not-permitted")
        assert_problem(patch(person, row.pk, {"host": "evil.example"}), 403, "not-permitted")
        assert_problem(client_of(person).delete(f"/api/workstations/{row.pk}"), 403, "not-permitted")
        assert_problem(client_of(person).delete("/api/workstations/99999"), 403, "not-permitted")
    assert_problem(post(client_of(None), "/api/workstations", body), 401, "not-logged-in")
    assert post(client_of(alice, csrf=True), "/api/workstations", body).status_code == 403
    assert list(Workstation.objects.values_list("name", "host")) == [("pc-1", "pc-1.example")]


def test_the_emulators_of_one_that_moves_are_unknown_until_it_is_read(alice: User) -> None:
    row = make()
    emulator = row.emulators.create(index=0, title="a", state="running")
    patch(alice, row.pk, {"boot_seconds": 50})
    emulator.refresh_from_db()
    assert emulator.state == "running"
    patch(alice, row.pk, {"port": 5986})
    emulator.refresh_from_db()
    assert emulator.state == "unknown"
    assert Event.objects.filter(topic="emulator").latest("id").data["state"] == "unknown"
