"""A fleet file declares workstations: all of it or, when anything is wrong, nothing; every fault at once."""

import io
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import Permission, User
from django.core.management import call_command
from django.core.management.base import CommandError

from medimgr.events.models import Event
from medimgr.lib.sealing import new_key
from tests.api import assert_problem, client_of
from workstations.declaring import declare
from workstations.fleet_file.reading import FleetProblem, read
from workstations.fleet_file.saving import Imported, import_fleet
from workstations.models import Workstation

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db]
PASSWORD = "canary-pass-4711"
TWO = """
[workstations.pc-1]
host = "10.0.0.1"
tags = ["night", "hall-2"]

[workstations."pc, the second"]
host = "10.0.0.2"
port = 5986
tls = true
concurrency = 4
"""


@pytest.fixture(autouse=True)
def keys(settings: LazySettings) -> None:
    settings.MEDIMGR_ENCRYPTION_KEYS = (new_key(),)


def imported(text: str, **options: Any) -> Imported:
    return import_fleet(read("fleet.toml", text), **options)


def faults(text: str) -> list[str]:
    with pytest.raises(FleetProblem) as caught:
        imported(text)
    return [str(fault) for fault in caught.value.faults]


def test_what_is_not_there_is_created_and_published() -> None:
    done = imported(TWO)
    assert [(one.name, one.what) for one in done.changes] == [
        ("pc-1", "created"),
        ("pc, the second", "created"),
    ]
    row = Workstation.objects.get(name="pc, the second")
    assert (row.host, row.port, row.tls, row.concurrency, row.auth) == ("10.0.0.2", 5986, True, 4, "ntlm")
    assert Workstation.objects.get(name="pc-1").tags == ["hall-2", "night"]
    assert done.without_password == ["pc-1", "pc, the second"]
    assert Event.objects.filter(topic="workstation").count() == 2


def test_a_second_import_changes_and_publishes_nothing() -> None:
    imported(TWO)
    told = Event.objects.count()
    assert {one.what for one in imported(TWO).changes} == {"unchanged"}
    assert Event.objects.count() == told


def test_what_differs_is_changed_and_what_is_not_named_is_left_alone() -> None:
    declare({"name": "pc-1", "host": "10.0.0.1", "boot_seconds": 90}, PASSWORD)
    declare({"name": "other", "host": "10.0.0.9"})
    done = imported(TWO)
    assert done.changes[0].fields == {"boot_seconds": (90, 240), "tags": ([], ["hall-2", "night"])}
    assert (done.left_alone, done.without_password) == (["other"], ["pc, the second"])
    assert Workstation.objects.get(name="pc-1").access().password == PASSWORD


def test_a_dry_run_tells_the_same_and_writes_nothing() -> None:
    told = imported(TWO, dry_run=True)
    assert not Workstation.objects.exists()
    assert not Event.objects.exists()
    assert imported(TWO).changes == told.changes


def test_two_may_change_places() -> None:
    imported(TWO)
    swapped = """
        [workstations.pc-1]
        host = "10.0.0.2"
        port = 5986
        [workstations."pc, the second"]
        host = "10.0.0.1"
    """
    imported(swapped)
    assert list(Workstation.objects.order_by("name").values_list("name", "host", "port")) == [
        ("pc, the second", "10.0.0.1", 5985),
        ("pc-1", "10.0.0.2", 5986),
    ]


def test_one_may_change_its_port_alone_and_take_that_of_another_that_moves() -> None:
    declare({"name": "a", "host": "h", "port": 1})
    declare({"name": "b", "host": "h", "port": 2})
    imported('[workstations.a]\nhost = "h"\nport = 2\n[workstations.b]\nhost = "h"\nport = 1\n')
    assert dict(Workstation.objects.values_list("name", "port")) == {"a": 2, "b": 1}
    assert {row.host for row in Workstation.objects.all()} == {"h"}


def test_every_fault_is_told_at_once_with_its_line_and_nothing_is_written() -> None:
    told = faults(
        """
[workstations.pc-1]
host = "http://pc"
port = "many"
conurrency = 3
password = "canary-pass-4711"
[workstations.pc-2]
tls = 1
tags = ["two words"]
[workstations.pc-3]
host = "10.0.0.3"
auth = "basic"
port = 70000
[other]
x = 1
"""
    )
    assert len(told) == 10
    text = "\n".join(told)
    assert "line 3: workstations.pc-1.host: Write a host name" in text
    assert "line 4: workstations.pc-1.port: Write a whole number" in text
    assert "line 5: workstations.pc-1.conurrency: Unknown key. Did you mean concurrency?" in text
    assert "line 6: workstations.pc-1.password: No secret belongs into this file" in text
    assert "line 7: workstations.pc-2.host: host is missing" in text
    assert "line 8: workstations.pc-2.tls: Write true or false" in text
    assert "line 9: workstations.pc-2.tags: Tags are words" in text
    assert 'line 12: workstations.pc-3.auth: Write "ntlm" or "kerberos"' in text
    assert "line 14: other" in text
    assert PASSWORD not in text
    assert not Workstation.objects.exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "No workstation is declared here"),
        ("workstations = 3", "has to be a table"),
        ("[workstations]\npc = 3", "has to be a table"),
        ("[workstations.pc\n", "line 1: This is no valid TOML"),
        ('[workstations.""]\nhost = "h"', "cannot be blank"),
        (f'[workstations.{"x" * 61}]\nhost = "h"', "at most 60 characters"),
        ('[workstations."a\\u0000b"]\nhost = "h"', "can't be seen"),
        ('[workstations.pc]\nhost = "h\\u0000"', "Write a text in quotes"),
        (f'[workstations.pc]\nhost = "h"\nport = {10**30}', "less than or equal"),
        ('[workstations.a]\nhost = "h"\n[workstations.b]\nhost = "H"', "is a already"),
        ('[workstations.pc]\nhost = "h"\nca_certificates = "-----BEGIN PRIVATE KEY-----"', "private key"),
    ],
)
def test_a_bad_file_is_refused_in_words(text: str, words: str) -> None:
    assert words in "\n".join(faults(text))
    assert not Workstation.objects.exists()


def test_a_listener_of_one_that_is_not_in_the_file_is_a_fault() -> None:
    declare({"name": "other", "host": "10.0.0.1"})
    assert "10.0.0.1, port 5985, is other already" in faults(TWO)[0]


def run(*words: str, **options: Any) -> str:
    out = io.StringIO()
    call_command("workstations", *words, stdout=out, **options)
    return out.getvalue()


def test_the_command_shows_what_changes_and_what_is_to_be_done(tmp_path: Path) -> None:
    file = tmp_path / "fleet.toml"
    file.write_text(TWO, encoding="utf-8")
    told = run("import", str(file), "--dry-run", "--diff")
    assert "2 workstations: 2 would be created." in told
    assert "nothing was written" in told
    assert "    port: 5986" in told
    assert not Workstation.objects.exists()
    assert "2 workstations: 2 created." in run("import", str(file))
    file.write_text(TWO.replace("10.0.0.1", "10.0.0.7"), encoding="utf-8")
    told = run("import", str(file))
    assert '    host: "10.0.0.1" → "10.0.0.7"' in told
    assert "1 changed, 1 unchanged" in told
    assert "workstations set-password NAME" in told


def test_the_command_says_why_a_file_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="No such file"):
        run("import", str(tmp_path / "none.toml"))
    file = tmp_path / "latin.toml"
    file.write_bytes(b'[workstations.pc]\nhost = "\xe4"')
    with pytest.raises(CommandError, match="line 2: This is no UTF-8"):
        run("import", str(file))
    file.write_text("[workstations.pc]\nport = 1", encoding="utf-8")
    with pytest.raises(CommandError, match="host is missing"):
        run("import", str(file))


def post(user: User, text: str, query: str = "") -> Any:
    return client_of(user).post(f"/api/workstations/import{query}", text, content_type="text/plain")


def test_the_api_imports_too_and_tells_faults_by_place(alice: User) -> None:
    answer = post(alice, TWO, "?dry_run=true").json()
    assert [one["what"] for one in answer["workstations"]] == ["created", "created"]
    assert not Workstation.objects.exists()
    assert post(alice, TWO).status_code == 200
    assert Workstation.objects.count() == 2
    problem = assert_problem(post(alice, TWO.replace("4", '"four"')), 422, "bad-declaration")
    assert problem["errors"].keys() == {'workstations."pc, the second".concurrency'}
    assert_problem(post(alice, "x" * (1024 * 1024 + 1)), 413, "too-large")


def test_an_import_takes_the_permission_for_what_it_does(alice: User, bob: User) -> None:
    assert_problem(post(bob, TWO), 403, "not-permitted")
    bob.user_permissions.add(Permission.objects.get(codename="change_workstation"))
    bob = User.objects.get(pk=bob.pk)
    assert "add_workstation" in assert_problem(post(bob, TWO), 403, "not-permitted")["detail"]
    assert not Workstation.objects.exists()
    post(alice, TWO)
    assert post(bob, TWO.replace("10.0.0.1", "10.0.0.8")).status_code == 200
    assert Workstation.objects.filter(host="10.0.0.8").exists()
