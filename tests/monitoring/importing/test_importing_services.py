"""A file of declarations becomes services: all or nothing, the same each time, on both databases."""

import sys
from pathlib import Path

import pytest
from django.conf import settings

from medimgr.events.models import Event
from monitoring.importers.faults import ImportProblem
from monitoring.importers.toml import import_services
from monitoring.models import Dependency, Node, Service, ServiceStatus
from tests.factories import make_service
from tests.monitoring.importing.files import DEMO, NODE, TWO, fields_of, load, what_changed

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


def test_a_file_makes_services_with_their_dependencies(tmp_path: Path) -> None:
    assert what_changed(load(tmp_path, TWO)) == {"database": "created", "backend": "created"}
    backend = Service.objects.get(key="backend")
    assert (backend.name, backend.ports, backend.env) == ("Backend", [9002], {"PORT": "9002"})
    assert [(d.needs.key, d.condition) for d in backend.dependencies.all()] == [("database", "healthy")]


def test_a_second_import_changes_nothing_and_makes_no_event(tmp_path: Path) -> None:
    load(tmp_path, TWO)
    events = Event.objects.count()
    updated = dict(Service.objects.values_list("key", "updated_at"))
    assert what_changed(load(tmp_path, TWO)) == {"database": "unchanged", "backend": "unchanged"}
    assert Event.objects.count() == events
    assert dict(Service.objects.values_list("key", "updated_at")) == updated


def test_only_what_differs_is_written_and_told(tmp_path: Path) -> None:
    load(tmp_path, TWO)
    newest = Event.objects.order_by("-id").values_list("id", flat=True)[0]
    changes = load(tmp_path, TWO.replace('"Backend"', '"The backend"').replace("[9002]", "[9003]"))
    assert changes[0].what == "unchanged"
    assert fields_of(changes[1]) == {"name": ("Backend", "The backend"), "ports": ([9002], [9003])}
    assert list(Event.objects.filter(id__gt=newest).values_list("topic", "key")) == [("service", "backend")]


def test_what_the_file_no_longer_says_goes_back_to_its_default(tmp_path: Path) -> None:
    load(tmp_path, TWO.replace('name = "Backend"', 'name = "Backend"\npriority = 7'))
    assert Service.objects.get(key="backend").priority == 7
    changes = load(tmp_path, TWO)
    assert fields_of(changes[1]) == {"priority": (7, 100)}
    assert Service.objects.get(key="backend").priority == 100


def test_a_dependency_that_changed_is_an_event_of_its_service(tmp_path: Path) -> None:
    load(tmp_path, TWO)
    newest = Event.objects.order_by("-id").values_list("id", flat=True)[0]
    changes = load(tmp_path, TWO.replace('"healthy"', '"started"'))
    assert fields_of(changes[1]) == {"depends_on": ({"database": "healthy"}, {"database": "started"})}
    assert Dependency.objects.get().condition == "started"
    assert [event.key for event in Event.objects.filter(id__gt=newest)] == ["backend"]


def test_a_dry_run_tells_the_same_and_writes_nothing(tmp_path: Path) -> None:
    changes = load(tmp_path, TWO, dry_run=True)
    assert what_changed(changes) == {"database": "created", "backend": "created"}
    assert (Service.objects.count(), Node.objects.count(), Event.objects.count()) == (0, 0, 0)
    assert load(tmp_path, TWO) == changes


def test_a_dry_run_over_what_is_declared_writes_nothing(tmp_path: Path) -> None:
    load(tmp_path, TWO)
    events = Event.objects.count()
    assert load(tmp_path, TWO.replace("9001", "9009"), dry_run=True)[0].what == "changed"
    assert Service.objects.get(key="database").ports == [9001]
    assert Event.objects.count() == events


def test_a_fault_anywhere_leaves_everything_as_it_was(tmp_path: Path) -> None:
    with pytest.raises(ImportProblem):
        load(tmp_path, TWO.replace('"{python}", "-c", "pass"', '"no-such-program"', 1))
    assert (Service.objects.count(), Node.objects.count(), Event.objects.count()) == (0, 0, 0)


def test_a_service_that_the_file_does_not_name_is_left_alone(tmp_path: Path) -> None:
    other = make_service("other")
    load(tmp_path, TWO)
    assert Service.objects.get(key="other").updated_at == other.updated_at


def test_what_the_supervisor_reported_and_the_operator_wants_stays(tmp_path: Path) -> None:
    load(tmp_path, TWO)
    ServiceStatus.objects.filter(service__key="backend").update(state="RUNNING", pid=4711, intent="down")
    load(tmp_path, TWO.replace('"Backend"', '"The backend"'))
    status = ServiceStatus.objects.get(service__key="backend")
    assert (status.state, status.pid, status.intent) == ("RUNNING", 4711, "down")


def test_a_new_service_is_wanted_up_or_down_as_autostart_says(tmp_path: Path) -> None:
    load(tmp_path, TWO.replace('name = "Backend"', "autostart = false"))
    intents = dict(ServiceStatus.objects.values_list("service__key", "intent"))
    assert intents == {"database": "up", "backend": "down"}


def test_a_dependency_may_be_a_service_that_is_declared_already(tmp_path: Path) -> None:
    make_service("database")
    load(tmp_path, TWO[TWO.index("[services.backend]") :])
    assert Dependency.objects.get().needs.key == "database"


def test_placeholders_are_this_python_and_this_project(tmp_path: Path) -> None:
    load(
        tmp_path,
        '[services.web]\ncommand = ["{python}", "{project}/manage.py", "{{python}}", "{other}"]\n'
        'cwd = "{project}"\nenv = { HOME_OF_IT = "{project}/var" }\n',
    )
    web = Service.objects.get()
    assert web.command == [sys.executable, f"{settings.BASE_DIR}/manage.py", "{python}", "{other}"]
    assert web.cwd == str(settings.BASE_DIR)
    assert web.env == {"HOME_OF_IT": f"{settings.BASE_DIR}/var"}


def test_a_number_in_the_environment_is_the_text_that_the_process_gets(tmp_path: Path) -> None:
    text = '[services.web]\ncommand = ["{python}"]\nenv = { PORT = 8001, RATIO = 0.5 }\n'
    load(tmp_path, text)
    assert Service.objects.get().env == {"PORT": "8001", "RATIO": "0.5"}
    assert what_changed(load(tmp_path, text)) == {"web": "unchanged"}


def test_a_whole_number_of_seconds_is_the_same_as_its_fraction(tmp_path: Path) -> None:
    text = '[services.web]\ncommand = ["{python}"]\nstop_timeout_seconds = 5\n'
    load(tmp_path, text)
    assert what_changed(load(tmp_path, text.replace("= 5", "= 5.0"))) == {"web": "unchanged"}


def test_a_variable_that_is_kept_keeps_its_value(tmp_path: Path) -> None:
    make_service("web", env={"API_TOKEN": "s3cret", "OLD": "1"})
    load(tmp_path, '[services.web]\ncommand = ["{python}"]\nenv_kept = ["API_TOKEN"]\nenv = { NEW = "2" }\n')
    assert Service.objects.get().env == {"API_TOKEN": "s3cret", "NEW": "2"}


def test_a_file_from_a_windows_editor_is_read(tmp_path: Path) -> None:
    path = tmp_path / "services.toml"
    path.write_bytes(b"\xef\xbb\xbf" + TWO.replace("\n", "\r\n").encode())
    assert len(import_services(path, node=NODE)) == 2


def test_the_demo_file_declares_the_seven_services_and_a_second_import_changes_nothing() -> None:
    first = import_services(DEMO, node=NODE)
    assert {c.key for c in first} == {
        "coordinator",
        "blockchain-node",
        "incentive-system",
        "backend",
        "frontend",
        "network-dashboard",
        "ballot-microservice",
    }
    assert {c.what for c in first} == {"created"}
    assert {c.what for c in import_services(DEMO, node=NODE)} == {"unchanged"}
    needs = {(d.service.key, d.needs.key): d.condition for d in Dependency.objects.all()}
    assert needs["frontend", "backend"] == "healthy"
    assert needs["blockchain-node", "coordinator"] == needs["network-dashboard", "coordinator"] == "healthy"
    assert set(Service.objects.values_list("group", flat=True)) == {"medivote", "amarvote"}
    assert sorted(port for s in Service.objects.all() for port in s.ports) == list(range(8101, 8108))
