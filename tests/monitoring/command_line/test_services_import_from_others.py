"""``services import`` of other supervisors' files: the difference, the list, and what has to be restarted."""

import sys
from pathlib import Path

import pytest

from medimgr.events.models import Event
from monitoring.models import Service, ServiceStatus
from operations.models import Operation
from tests.factories import make_service
from tests.monitoring.command_line.conftest import report_now, services
from tests.monitoring.importing.files import write

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]

CONF = f"""\
[supervisord]
nodaemon = true
[program:web]
command = {sys.executable} -c "import web"
environment = API_TOKEN="s3cret"
[program:worker]
command = {sys.executable} -c "import worker"
stopasgroup = false
"""


def conf(directory: Path, text: str = CONF) -> str:
    return str(write(directory, text, "supervisord.conf"))


def test_what_is_not_taken_over_is_listed(tmp_path: Path) -> None:
    path = conf(tmp_path)
    shown = services("import", path)
    assert shown.code == 0
    assert shown.lines == [
        "web     created",
        "worker  created",
        "2 services: 2 created.",
        "Not taken over:",
        f"    {path}, line 2: [supervisord] nodaemon: It is about supervisord itself, which medimgr's "
        "supervisor replaces.",
        "Taken over, but not as it was:",
        f"    {path}, line 8: [program:worker] stopasgroup: Here the whole process tree is always asked to "
        "end, and killed where it does not.",
    ]


def test_a_difference_of_new_services_is_shown_on_request(tmp_path: Path) -> None:
    shown = services("import", conf(tmp_path), "--dry-run", "--diff")
    assert '    restart_policy: "on-failure"' in shown.lines
    assert "    env.API_TOKEN: ••••••" in shown.lines
    assert "s3cret" not in shown.out
    assert Service.objects.count() == 0


def test_what_differs_says_whether_it_applies_at_once(tmp_path: Path) -> None:
    services("import", conf(tmp_path))
    events = Event.objects.count()
    text = CONF.replace("s3cret", "s3cret-too").replace(
        "[program:worker]", "stopwaitsecs = 20\n[program:worker]"
    )
    shown = services("import", conf(tmp_path, text))
    assert shown.lines[:5] == [
        "web     changed",
        "    env.API_TOKEN: •••••• → ••••••  (restart needed)",
        "    stop_timeout_seconds: 10.0 → 20.0  (applies live)",
        "worker  unchanged",
        "2 services: 1 changed, 1 unchanged.",
    ]
    # Nothing runs, so nothing has to be restarted; and what is as it was made no event.
    assert "estart to apply" not in shown.out
    assert Event.objects.count() == events + 1


def test_running_services_go_on_until_they_are_restarted(tmp_path: Path) -> None:
    services("import", conf(tmp_path))
    ServiceStatus.objects.update(state="RUNNING")
    text = CONF.replace("import web", "import web2").replace("import worker", "import worker2")
    shown = services("import", conf(tmp_path, text), "--dry-run")
    assert shown.lines[-1] == "This would ask for a restart to apply: services restart web worker"
    shown = services("import", conf(tmp_path, text))
    assert shown.lines[-1] == "Restart to apply: services restart web worker"
    assert Operation.objects.count() == 0


def test_what_applies_at_once_asks_for_no_restart(tmp_path: Path) -> None:
    services("import", conf(tmp_path))
    ServiceStatus.objects.update(state="RUNNING")
    shown = services("import", conf(tmp_path, CONF + "priority = 3\nstopsignal = INT\n"), "--restart")
    assert "2 services: 2 changed." in shown.lines  # the priority of one gives all others the usual one
    assert "estart to apply" not in shown.out
    assert Operation.objects.count() == 0


def test_restarts_are_requested_for_what_needs_them_alone(tmp_path: Path) -> None:
    services("import", conf(tmp_path))
    report_now()
    ServiceStatus.objects.update(state="RUNNING")
    shown = services("import", conf(tmp_path, CONF.replace("import web", "import web2")), "--restart")
    operation = Operation.objects.get()
    assert shown.lines[-1] == f"web: restart requested as operation {operation.pk}."
    assert (operation.kind, operation.target_key) == ("service.restart", "web")
    assert operation.reason == "import of supervisord.conf"


def test_copies_are_restarted_one_after_the_other(tmp_path: Path) -> None:
    text = CONF.replace("stopasgroup = false", "numprocs = 3\nprocess_name = %(process_num)d")
    services("import", conf(tmp_path, text))
    assert set(Service.objects.values_list("key", flat=True)) == {"web", "worker", "worker-2", "worker-3"}
    report_now()
    ServiceStatus.objects.exclude(service__key="worker-3").update(state="RUNNING")
    shown = services("import", conf(tmp_path, text.replace("import worker", "import worker2")), "--restart")
    assert shown.code == 0, shown.err
    asked = Operation.objects.order_by("pk")
    assert [operation.target_key for operation in asked] == ["worker", "worker-2"]
    assert {str(operation.parameters) for operation in asked} == {"{'rolling': True}"}


def test_a_warning_is_confirmed_before_anything_restarts(tmp_path: Path) -> None:
    text = f"[services.web]\ncommand = ['{sys.executable}']\nwarning = 'Closes the polls.'\n"
    services("import", str(write(tmp_path, text)))
    report_now()
    ServiceStatus.objects.update(state="RUNNING")
    changed = str(write(tmp_path, text.replace("']", "', '-V']", 1)))
    shown = services("import", changed, "--restart")
    assert (shown.code, Operation.objects.count()) == (1, 0)
    assert "Closes the polls." in shown.err
    services("import", str(write(tmp_path, text)), "--restart", "--yes")
    assert Operation.objects.count() == 1


def test_variables_come_from_the_environment_of_the_shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY_OF_IT", "/var/state")
    text = CONF.replace("import web", "%(ENV_STATE_DIRECTORY_OF_IT)s")
    services("import", conf(tmp_path, text))
    assert Service.objects.get(key="web").command[-1] == "/var/state"


def test_the_format_can_be_said_and_has_to_be_where_nothing_tells(tmp_path: Path) -> None:
    path = str(write(tmp_path, f"{'x' * 5}\n", "strange"))
    assert "Its format cannot be told. Say which it is: toml, supervisord" in services("import", path).err
    path = str(write(tmp_path, f"one: {sys.executable} -V\n", "strange.toml"))
    assert services("import", path, "--from", "procfile").lines[0] == "one  created"


def test_several_units_are_imported_together_and_other_files_one_by_one(tmp_path: Path) -> None:
    paths = [
        str(write(tmp_path, f"[Service]\nExecStart={sys.executable} -V\n", f"{name}.service"))
        for name in ("a", "b")
    ]
    assert services("import", *paths).lines[:3] == ["a  created", "b  created", "2 services: 2 created."]
    shown = services("import", conf(tmp_path), str(write(tmp_path, "web: x\n", "Procfile")))
    assert "The files are of different formats" in shown.err
    shown = services("import", conf(tmp_path), str(write(tmp_path, CONF, "supervisor2.conf")))
    assert "Only systemd's units are imported together." in shown.err


def test_a_copy_is_not_exported_nor_imported_by_itself(tmp_path: Path) -> None:
    make_service("web", instances=3, ports=[9001])
    exported = services("export").out
    assert exported.count("[services.") == 1
    assert "instances = 3" in exported
    path = str(write(tmp_path, exported))
    assert services("import", path).lines == ["web  unchanged", "1 service: 1 unchanged."]
    shown = services("import", str(write(tmp_path, exported.replace("[services.web]", "[services.web-2]"))))
    assert "services.web-2: It is copy 2 of 'web' and follows that one's declaration." in shown.err


def test_copies_of_a_file_take_no_key_and_no_port_of_another(tmp_path: Path) -> None:
    text = (
        f"[services.web]\ncommand = ['{sys.executable}']\ninstances = 2\nports = [9001]\n"
        f"[services.web-2]\ncommand = ['{sys.executable}']\nports = [9002]\n"
    )
    shown = services("import", str(write(tmp_path, text)))
    assert "services.web.instances: Its copy 2 would be called web-2" in shown.err
    assert "services.web-2.ports: Port 9002 is declared by 'web' in this file already." in shown.err
    assert Service.objects.count() == 0
