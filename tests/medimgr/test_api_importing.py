"""Services are imported through the API by the command's rules: a difference, a list, faults with lines."""

import sys
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from medimgr.events.models import Event
from monitoring.models import Service, ServiceStatus
from operations.models import Operation
from tests.api import assert_problem, client_of
from tests.factories import make_service

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]

PATH = "/api/services/import"
SUPERVISORD = f"""\
[supervisord]
nodaemon = true
[program:web]
command = {sys.executable} -m http.server 8000
environment = API_TOKEN="s3cret",PORT="8000"
stdout_logfile = /var/log/web.log
[program:worker]
command = {sys.executable} -c "import time"
autorestart = true
"""


@pytest.fixture
def operator(alice: User) -> Client:
    return client_of(alice)


def send(client: Client, text: str, query: str = "", kind: str = "text/plain") -> Any:
    return client.post(f"{PATH}?{query}", data=text.encode(), content_type=kind)


def test_a_dry_run_answers_what_would_change_and_writes_nothing(operator: Client) -> None:
    answer = send(operator, SUPERVISORD, "dry_run=true&format=supervisord")
    assert answer.status_code == 200, answer.content
    body = answer.json()
    assert [(row["key"], row["what"]) for row in body["services"]] == [
        ("web", "created"),
        ("worker", "created"),
    ]
    assert (body["dry_run"], Service.objects.count(), Event.objects.count()) == (True, 0, 0)
    listed = {(row["line"], row["key"]) for row in body["not_mapped"]}
    assert (6, "[program:web] stdout_logfile") in listed
    assert (2, "[supervisord] nodaemon") in listed


def test_no_value_of_a_variable_is_answered(operator: Client) -> None:
    body = send(operator, SUPERVISORD).content.decode()
    assert "s3cret" not in body
    assert Service.objects.get(key="web").env["API_TOKEN"] == "s3cret"
    changed = send(operator, SUPERVISORD.replace("s3cret", "other-s3cret")).json()
    (field,) = changed["services"][0]["fields"]
    assert field == {"field": "env.API_TOKEN", "old": "••••••", "new": "••••••", "restart": True}


def test_what_is_as_it_was_makes_no_event(operator: Client) -> None:
    send(operator, SUPERVISORD)
    events = Event.objects.count()
    body = send(operator, SUPERVISORD).json()
    assert {row["what"] for row in body["services"]} == {"unchanged"}
    assert Event.objects.count() == events


def test_faults_are_told_with_their_lines(operator: Client) -> None:
    text = SUPERVISORD.replace("autorestart = true", "autorestart = perhaps\nstopsignal = NONE")
    document = assert_problem(send(operator, text), 422, "bad-declaration")
    assert document["errors"] == {
        "[program:worker] autorestart": ["line 9: Write true or false."],
        "[program:worker] stopsignal": [
            "line 10: There is no signal NONE. Write TERM, INT, QUIT or another name."
        ],
    }
    assert Service.objects.count() == 0


def test_files_come_as_a_form_and_units_together(operator: Client) -> None:
    first = f"[Service]\nExecStart={sys.executable} -c pass\n"
    second = f"[Unit]\nRequires=a.service\n[Service]\nExecStart={sys.executable} -c pass\n"
    files = [
        SimpleUploadedFile("a.service", first.encode()),
        SimpleUploadedFile("b.service", second.encode()),
    ]
    answer = operator.post(PATH, {"file": files, "dry_run": "false", "directory": "/"})
    assert answer.status_code == 200, answer.content
    assert [d.needs.key for d in Service.objects.get(key="b").dependencies.all()] == ["a"]


def test_a_running_service_is_restarted_where_that_is_asked_for(operator: Client) -> None:
    send(operator, SUPERVISORD)
    ServiceStatus.objects.update(state="RUNNING")
    text = SUPERVISORD.replace("8000", "8001")
    assert send(operator, text, "dry_run=1&restart=1").json()["to_restart"] == ["web"]
    body = send(operator, text, "restart=1").json()
    rows = [(row["target"], row["kind"]) for row in body["operations"]]
    assert rows == [("service:web", "service.restart")]
    assert Operation.objects.get().reason == "import of services"


def test_who_may_not_declare_services_may_not_import_any(bob: User, charlie: User) -> None:
    for user, status in ((bob, 403), (charlie, 403)):
        assert send(client_of(user), SUPERVISORD).status_code == status
    assert send(client_of(None), SUPERVISORD).status_code == 401
    # To change alone is not enough: an import may make services.
    bob.user_permissions.add(Permission.objects.get(codename="change_service"))
    assert_problem(send(client_of(bob), SUPERVISORD), 403, "not-permitted")
    assert Service.objects.count() == 0


def test_to_restart_needs_its_own_permission(bob: User) -> None:
    for name in ("change_service", "add_service"):
        bob.user_permissions.add(Permission.objects.get(codename=name))
    assert_problem(send(client_of(bob), SUPERVISORD, "restart=1"), 403, "not-permitted")
    assert Service.objects.count() == 0


def test_a_body_without_end_is_refused(operator: Client) -> None:
    assert_problem(send(operator, "#" * (1024 * 1024 + 1)), 413, "too-large")
    file = SimpleUploadedFile("a.toml", b"#" * (1024 * 1024 + 1))
    assert_problem(operator.post(PATH, {"file": file}), 413, "too-large")


@pytest.mark.parametrize(
    ("text", "query", "status", "code"),
    [
        ("", "", 422, "bad-declaration"),
        ("what is this", "", 422, "bad-declaration"),
        ("web: x\0y", "format=procfile", 422, "bad-declaration"),
        ("web: x", "format=cron", 422, "invalid"),
        ("web: x", "format=procfile&dry_run=perhaps", 422, "invalid"),
        ('{"apps": [', "", 422, "bad-declaration"),
    ],
)
def test_what_cannot_be_read_is_a_problem(
    operator: Client, text: str, query: str, status: int, code: str
) -> None:
    assert_problem(send(operator, text, query), status, code)


def test_this_server_shows_nothing_of_itself(operator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither its environment nor its files: whoever sends a text may be anywhere."""
    monkeypatch.setenv("DJANGO_SECRET_KEY", "of-this-server")
    text = "[program:web]\ncommand = echo %(ENV_DJANGO_SECRET_KEY)s\n"
    document = assert_problem(send(operator, text, "format=supervisord"), 422, "bad-declaration")
    assert "There is no DJANGO_SECRET_KEY in the environment of this import" in str(document)
    unit = f"[Service]\nExecStart={sys.executable}\nEnvironmentFile=/etc/hostname\n"
    body = send(operator, unit, "name=a.service").json()
    assert "read only by manage.py services import" in body["not_mapped"][0]["message"]


def test_a_service_that_is_declared_is_changed(operator: Client) -> None:
    make_service("web", priority=5)
    body = send(operator, f"[services.web]\ncommand = ['{sys.executable}']\npriority = 7\n").json()
    fields = {row["field"]: (row["old"], row["new"], row["restart"]) for row in body["services"][0]["fields"]}
    assert fields["priority"] == ("5", "7", False)
    assert fields["command"][2] is True
