"""``services import`` shows what it changes; ``services export`` writes what it reads."""

import stat
from pathlib import Path

import pytest

from monitoring.models import Service
from tests.factories import make_node, make_service
from tests.monitoring.command_line.conftest import services
from tests.monitoring.importing.files import DEMO, TWO, write

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


def test_an_import_tells_what_it_made(tmp_path: Path) -> None:
    shown = services("import", str(write(tmp_path, TWO)))
    assert shown.code == 0
    assert shown.lines == ["database  created", "backend   created", "2 services: 2 created."]


def test_a_dry_run_shows_the_difference_and_writes_nothing(tmp_path: Path) -> None:
    services("import", str(write(tmp_path, TWO)))
    make_service("other")
    changed = TWO.replace("[9002]", "[9003]").replace('PORT = "9002"', 'PORT = "9003", API_TOKEN = "s3cret"')
    shown = services("import", str(write(tmp_path, changed)), "--dry-run")
    assert shown.lines == [
        "database  unchanged",
        "backend   changed",
        "    env.PORT: •••••• → ••••••  (restart needed)",
        "    env.API_TOKEN: nothing → ••••••  (restart needed)",
        "    ports: [9002] → [9003]  (applies live)",
        "2 services: 1 would be changed, 1 unchanged.",
        "This was a dry run: nothing was written.",
        "Not in the file and left as they are: other.",
    ]
    assert Service.objects.get(key="backend").ports == [9002]


def test_faults_are_told_and_nothing_is_imported(tmp_path: Path) -> None:
    path = write(tmp_path, TWO.replace('"{python}"', '"no-such-program"', 1))
    shown = services("import", str(path))
    assert shown.code == 1
    assert f"{path} has 1 fault; nothing was imported." in shown.err
    assert (
        "line 3: services.database.command: There is no program 'no-such-program' on the PATH." in shown.err
    )
    assert Service.objects.count() == 0


def test_an_import_for_a_first_start_does_nothing_where_services_are() -> None:
    make_service("web", builtin=True)
    assert "7 services: 7 created." in services("import", "--if-none", str(DEMO)).out
    Service.objects.filter(key="frontend").delete()
    shown = services("import", "--if-none", str(DEMO))
    assert shown.out == "6 services are declared already; nothing was imported.\n"


def test_an_import_can_be_for_another_node(tmp_path: Path) -> None:
    services("import", str(write(tmp_path, TWO)), "--node", "elsewhere")
    assert set(Service.objects.values_list("node__name", flat=True)) == {"elsewhere"}
    assert services("export", "--node", "elsewhere").out.count("[services.") == 2


def test_an_export_can_be_imported_again(tmp_path: Path) -> None:
    services("import", str(DEMO))
    path = tmp_path / "export.toml"
    assert services("export", str(path)).code == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert services("import", str(path)).lines[-1] == "7 services: 7 unchanged."
    assert path.read_text(encoding="utf-8") == services("export").out


def test_an_export_replaces_no_file_unasked(tmp_path: Path) -> None:
    make_service("web")
    path = write(tmp_path, "precious")
    shown = services("export", str(path))
    assert shown.code == 1
    assert "exists already. Give --overwrite to replace it" in shown.err
    assert path.read_text(encoding="utf-8") == "precious"
    assert services("export", str(path), "--overwrite").code == 0
    assert "[services.web]" in path.read_text(encoding="utf-8")
    assert [p.name for p in tmp_path.iterdir()] == ["services.toml"]


def test_an_export_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    make_node()
    shown = services("export", str(tmp_path / "none" / "x.toml"))
    assert (shown.code, "cannot be written: No such file or directory." in shown.err) == (1, True)


def test_secrets_in_an_export_are_pointed_out_or_left_out() -> None:
    make_service("web", env={"API_TOKEN": "s3cret"})
    shown = services("export")
    assert 'API_TOKEN = "s3cret"' in shown.out
    assert "1 value(s) in clear that look like secrets: web: API_TOKEN." in shown.err
    without = services("export", "--without-secrets")
    assert "s3cret" not in without.out + without.err
    assert without.err == ""
