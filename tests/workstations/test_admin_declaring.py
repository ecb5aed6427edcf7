"""The admin declares workstations: passwords go in and never come out, and each fault stands at its field."""

from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client

from medimgr.events.models import Event
from medimgr.lib.sealing import new_key
from workstations.declaring import declare
from workstations.models import Change, Emulator, Workstation

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db]
PASSWORD = "canary-pass-4711"
LIST = "/admin/workstations/workstation/"
FORM: dict[str, Any] = {
    "name": "pc-1",
    "host": "10.0.0.1",
    "port": "5985",
    "auth": "ntlm",
    "username": "operator",
    "ldconsole_path": r"C:\LDPlayer\LDPlayer9\ldconsole.exe",
    "launch": "task",
    "boot_seconds": "240",
    "concurrency": "2",
    "tags": "night, hall-2 night",
    "polled": "on",
}


@pytest.fixture(autouse=True)
def keys(settings: LazySettings) -> None:
    settings.MEDIMGR_ENCRYPTION_KEYS = (new_key(),)


@pytest.fixture
def site(alice: User) -> Client:
    client = Client()
    client.force_login(alice)
    return client


def make(name: str = "pc-1", **fields: Any) -> Workstation:
    return declare({"name": name, "host": f"{name}.example", "username": "operator", **fields}, PASSWORD)


def change(row: Workstation) -> str:
    return f"{LIST}{row.pk}/change/"


def test_a_new_one_is_stored_with_its_password_and_its_tags_as_words(site: Client) -> None:
    response = site.post(f"{LIST}add/", {**FORM, "password": f" {PASSWORD} "}, follow=True)
    row = Workstation.objects.get()
    assert (row.tags, row.polled, row.access().password) == (["hall-2", "night"], True, f" {PASSWORD} ")
    assert PASSWORD not in response.content.decode()
    assert Event.objects.get(topic="workstation").data == row.public()


def test_the_page_of_one_shows_neither_its_password_nor_what_is_stored_of_it(site: Client) -> None:
    row = make(tags=["a", "b"])
    text = site.get(change(row)).content.decode()
    assert PASSWORD not in text
    assert row.password_sealed not in text
    assert "There is one, encrypted." in text
    assert 'value="a, b"' in text


def test_an_empty_password_keeps_the_stored_one(site: Client) -> None:
    row = make(host=FORM["host"])
    site.post(change(row), {**FORM, "password": "", "boot_seconds": "99"})
    row.refresh_from_db()
    assert (row.boot_seconds, row.access().password) == (99, PASSWORD)
    site.post(change(row), {**FORM, "password": "another"})
    row.refresh_from_db()
    assert row.access().password == "another"


def test_a_box_takes_the_password_away_and_both_at_once_are_refused(site: Client) -> None:
    row = make()
    response = site.post(change(row), {**FORM, "password": "x", "remove_password": "on"})
    assert "Do one or the other" in response.content.decode()
    row.refresh_from_db()
    assert row.has_password
    site.post(change(row), {**FORM, "remove_password": "on"})
    row.refresh_from_db()
    assert not row.has_password


def test_a_form_with_faults_comes_back_without_the_password(site: Client) -> None:
    response = site.post(f"{LIST}add/", {**FORM, "password": PASSWORD, "host": "http://pc", "port": "0"})
    text = response.content.decode()
    assert PASSWORD not in text
    assert "without a scheme" in text
    assert not Workstation.objects.exists()


def test_the_admins_own_history_names_the_field_and_not_its_value(site: Client) -> None:
    row = make()
    site.post(change(row), {**FORM, "password": "canary-two"})
    entry = LogEntry.objects.latest("id")
    assert "password" in entry.get_change_message()
    assert "canary" not in entry.change_message


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"name": "x" * 61}, "at most 60 characters"),
        ({"host": "a b"}, "without a scheme"),
        ({"port": "70000"}, "less than or equal to 65535"),
        ({"tags": "so/so"}, "Tags are words"),
        ({"password": "a\x01b"}, "control characters"),
        ({"ca_certificates": "no"}, "no certificates in PEM"),
        ({"ca_certificates": "né"}, "no certificates in PEM"),
        ({"code_page": "hex"}, "no code page"),
        ({"name": "pc-0"}, "a workstation called &#x27;pc-0&#x27; already"),
        ({"host": "PC-0.example"}, "is pc-0 already"),
    ],
)
def test_each_fault_is_told_and_nothing_stored(site: Client, wrong: dict[str, str], words: str) -> None:
    make("pc-0")
    assert words in site.post(f"{LIST}add/", {**FORM, **wrong}).content.decode()
    assert Workstation.objects.count() == 1


def test_without_a_key_the_field_says_which_setting(site: Client, settings: LazySettings) -> None:
    settings.MEDIMGR_ENCRYPTION_KEYS = ()
    text = site.post(f"{LIST}add/", {**FORM, "password": PASSWORD}).content.decode()
    assert "MEDIMGR_ENCRYPTION_KEYS" in text
    assert PASSWORD not in text
    assert not Workstation.objects.exists()
    site.post(f"{LIST}add/", FORM)
    assert Workstation.objects.exists()


def test_a_password_that_no_key_opens_is_told_on_the_page(site: Client, settings: LazySettings) -> None:
    row = make()
    settings.MEDIMGR_ENCRYPTION_KEYS = (new_key(),)
    response = site.get(change(row))
    assert response.status_code == 200
    assert "can&#x27;t be read with the keys" in response.content.decode()


def test_a_form_writes_what_was_changed_in_it_and_nothing_else(site: Client) -> None:
    row = make(tags=["night", "hall-2"], name="pc-1")
    Workstation.objects.filter(pk=row.pk).update(status="online", failures=3)
    site.post(change(row), {**FORM, "host": row.host, "concurrency": "4"})
    row.refresh_from_db()
    assert (row.concurrency, row.status, row.failures) == (4, "online", 3)


def test_a_viewer_sees_all_but_the_password_and_changes_nothing(bob: User) -> None:
    row = make()
    client = Client()
    client.force_login(bob)
    text = client.get(change(row)).content.decode()
    assert "operator" in text
    assert PASSWORD not in text
    assert "password" not in {*text.split('name="')[1:]}
    assert 'name="password"' not in text
    assert client.post(change(row), {**FORM, "host": "evil.example"}).status_code == 403
    assert client.get(f"{LIST}add/").status_code == 403
    row.refresh_from_db()
    assert row.host == "pc-1.example"


def test_a_deletion_counts_what_it_takes_along_and_is_published(site: Client) -> None:
    row = make()
    Emulator.objects.create(workstation=row, index=0, title="farm")
    text = site.get(f"{LIST}{row.pk}/delete/").content.decode()
    assert "Emulators (forgotten here, left on their machines): 1" in text
    site.post(f"{LIST}{row.pk}/delete/", {"post": "yes"})
    assert not Workstation.objects.exists()
    assert Event.objects.filter(topic="workstation").latest("id").data == {"deleted": True}


def test_many_are_deleted_each_with_its_event(site: Client) -> None:
    rows = [make(f"pc-{number}") for number in range(3)]
    form = {
        "action": "delete_selected",
        "_selected_action": [row.pk for row in rows],
        "post": "yes",
    }
    site.post(LIST, form)
    assert not Workstation.objects.exists()
    told = [event.key for event in Event.objects.filter(topic="workstation") if event.data.get("deleted")]
    assert sorted(told) == sorted(str(row.pk) for row in rows)


def test_one_that_moves_is_looked_for_anew(site: Client) -> None:
    row = make()
    Workstation.objects.filter(pk=row.pk).update(status="online")
    site.post(change(row), {**FORM, "host": "10.0.0.77"})
    row.refresh_from_db()
    assert (row.host, row.status) == ("10.0.0.77", "unknown")
    assert Change.objects.get().after == "unknown"
