"""An export holds all that is declared, and no secret: importing it changes nothing, or makes it anew."""

import io
import stat
import tomllib
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import CommandError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from medimgr.lib.sealing import new_key
from tests.api import assert_problem, client_of
from workstations import declaring
from workstations.declaring import DECLARED, declare
from workstations.fleet_file.reading import FIELDS, read
from workstations.fleet_file.saving import import_fleet
from workstations.fleet_file.writing import export_fleet
from workstations.models import Workstation
from workstations.states import Auth, Launch

CERTIFICATE = (Path(__file__).parent / "certificate.pem").read_text(encoding="ascii")
PASSWORD = "canary-pass-4711"

_seen = st.characters(codec="utf-8", exclude_categories=("C", "Z"))
_text = st.text(_seen | st.just(" "), max_size=30)
_names = st.text(_seen | st.sampled_from(" .\"'#[]=\\,-"), min_size=1, max_size=60)
_tags = st.lists(st.from_regex(r"\A[a-z0-9_][a-z0-9_.-]{0,10}\Z"), max_size=5).map(lambda t: sorted(set(t)))
_fields = st.fixed_dictionaries(
    {"host": st.from_regex(r"\A[a-z0-9]([a-z0-9.-]{0,20}[a-z0-9])?\Z")},
    optional={
        "port": st.integers(1, 65535),
        "tls": st.booleans(),
        "ca_certificates": st.sampled_from([CERTIFICATE, CERTIFICATE.rstrip("\n"), CERTIFICATE * 2, "\n"]),
        "auth": st.sampled_from([auth.value for auth in Auth]),
        "username": _text,
        "ldconsole_path": st.just(r"D:\Spiele und \"mehr\"".replace('\\"', "") + r"\漢字\ldconsole.exe"),
        "code_page": st.sampled_from(["", "cp1258", "gbk"]),
        "launch": st.sampled_from([launch.value for launch in Launch]),
        "desktop_user": _text,
        "boot_seconds": st.integers(5, 1800),
        "concurrency": st.integers(1, 8),
        "tags": _tags,
        "polled": st.booleans(),
    },
)
FLEETS = st.dictionaries(_names, _fields, min_size=1, max_size=4)


def declared_of(row: Workstation) -> dict[str, Any]:
    return {name: getattr(row, name) for name in DECLARED}


class AnyFleet(TestCase):
    """Each example is rolled back."""

    @settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
    @given(FLEETS)
    def test_what_was_exported_comes_back_as_it_was(self, fleet: dict[str, dict[str, Any]]) -> None:
        rows = [Workstation(name=name, **fields) for name, fields in fleet.items()]
        listeners = {(row.host, row.port) for row in rows}
        if len(listeners) < len(rows) or any(declaring.own_faults(row) for row in rows):
            return
        for name, fields in fleet.items():
            declare({"name": name, **fields})
        before = {row.name: declared_of(row) for row in Workstation.objects.all()}
        text = export_fleet(Workstation.objects.all())
        tomllib.loads(text)
        assert {one.what for one in import_fleet(read("f", text)).changes} == {"unchanged"}
        for row in Workstation.objects.all():
            row.delete()
        assert {one.what for one in import_fleet(read("f", text)).changes} == {"created"}
        assert {row.name: declared_of(row) for row in Workstation.objects.all()} == before
        assert export_fleet(Workstation.objects.all()) == text


@pytest.fixture
def keys(settings: LazySettings) -> None:
    settings.MEDIMGR_ENCRYPTION_KEYS = (new_key(),)


@pytest.fixture
def fleet(db: None, keys: None) -> list[Workstation]:
    return [
        declare({"name": "pc-1", "host": "h1", "tags": ["a"], "username": "operator"}, PASSWORD),
        declare({"name": "pc-2", "host": "h2", "ca_certificates": CERTIFICATE}, PASSWORD),
    ]


def test_a_file_may_say_all_that_is_declared_and_nothing_else() -> None:
    assert set(FIELDS) == set(DECLARED) - {"name"}
    kept = {"id", "password_sealed"}
    known = {field.name for field in Workstation._meta.concrete_fields if not field.editable}
    assert {field.name for field in Workstation._meta.concrete_fields} == set(DECLARED) | kept | known


def test_no_password_is_in_it_and_certificates_can_be_read(fleet: list[Workstation]) -> None:
    text = export_fleet(fleet)
    assert PASSWORD not in text
    assert all(row.password_sealed not in text for row in fleet)
    assert f'ca_certificates = """\n{CERTIFICATE}"""' in text


def run(*words: str) -> str:
    out = io.StringIO()
    call_command("workstations", *words, stdout=out)
    return out.getvalue()


def test_the_command_exports_to_a_file_of_its_owner_and_replaces_none(
    fleet: list[Workstation], tmp_path: Path
) -> None:
    file = tmp_path / "fleet.toml"
    run("export", str(file))
    assert file.read_text(encoding="utf-8") == export_fleet(fleet) == run("export")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with pytest.raises(CommandError, match="--overwrite"):
        run("export", str(file))
    run("export", str(file), "--tag", "a", "--overwrite")
    assert "pc-2" not in file.read_text(encoding="utf-8")
    assert "2 unchanged" in run("import", str(write(tmp_path, export_fleet(fleet))))


def write(directory: Path, text: str) -> Path:
    file = directory / "all.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_the_api_exports_the_same(fleet: list[Workstation], bob: User, charlie: User) -> None:
    response = client_of(bob).get("/api/workstations/export")
    assert response.content.decode() == export_fleet(fleet)
    assert "pc-2" not in client_of(bob).get("/api/workstations/export?tag=a").content.decode()
    assert_problem(client_of(charlie).get("/api/workstations/export"), 403, "not-permitted")


def test_the_list_and_one_are_shown_without_a_password(fleet: list[Workstation]) -> None:
    fleet[0].emulators.create(index=0, title="farm, 農場", state="running")
    for told in (run("list"), run("list", "--json"), run("show", "pc-1"), run("show", "pc-1", "--json")):
        assert "pc-1" in told
        assert PASSWORD not in told
        assert fleet[0].password_sealed not in told
    assert "1/1" in run("list")
    assert "pc-2" not in run("list", "--tag", "a")
    assert "farm, 農場" in run("show", "pc-1")
    assert "stored, encrypted" in run("show", "pc-1")
    with pytest.raises(CommandError, match="Tags in use: a") as caught:
        run("list", "--tag", "b")
    assert caught.value.returncode == 2
