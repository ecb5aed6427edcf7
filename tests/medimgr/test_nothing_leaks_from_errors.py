"""What comes back where something breaks: words, a code and the request's id; never what it was that broke.

The failures are real ones: a bad statement, a file that is not there, a template that is wrong.
"""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.db import connection
from django.http import HttpResponse
from django.template import Context, Engine

import medimgr.events.desk
import medimgr.events.polling
import monitoring.api
import monitoring.views
from medimgr.asgi import StreamHandler
from medimgr.events import broadcaster
from medimgr.lib.log_context import request_id
from monitoring.admin import ServiceAdmin
from tests.api import client_of
from tests.events.sessions import log_in
from tests.events.test_streams_over_asgi import Caller
from tests.factories import make_service
from tests.running import ROOT

pytestmark = [pytest.mark.both_databases]

SECRET = "hunter2-canary"
TELLTALE = (
    SECRET,
    "Traceback",
    'File "',
    str(ROOT),
    "site-packages",
    "canary_table",
    "auth_group",
    "SELECT",
    "INSERT",
    "no such table",
    "does not exist at",
    "UNIQUE",
    "duplicate key",
    "psycopg",
    "sqlite3",
    "OperationalError",
    "ProgrammingError",
    "IntegrityError",
    "DataError",
    "RuntimeError",
    "FileNotFoundError",
    "TemplateSyntaxError",
    "Errno",
)


def fail_by_missing_table() -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT password FROM canary_table WHERE password = '{SECRET}'")


def fail_by_bad_statement() -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SELEKT '{SECRET}' FROM canary_table")


def fail_by_double_row() -> None:
    with connection.cursor() as cursor:
        for _ in range(2):
            cursor.execute("INSERT INTO auth_group (name) VALUES (%s)", [SECRET])


def fail_by_missing_file() -> None:
    Path(f"/{SECRET}/keys.pem").read_text(encoding="utf-8")


def fail_by_full_disk() -> None:
    # Linux has a device for it: each write ends as on a disk without room.
    with open("/dev/full", "w", encoding="utf-8") as full:
        full.write(SECRET)


def fail_by_bad_template() -> None:
    Engine(debug=False).from_string("{% canary_table " + SECRET + " %}").render(Context())


def fail_by_bug() -> None:
    raise RuntimeError(f"the password is {SECRET}")


def fail_by_decoding() -> None:
    json.loads('{"password": "' + SECRET)


FAILURES: dict[Callable[[], None], tuple[int, str]] = {
    fail_by_missing_table: (503, "database-not-migrated"),
    fail_by_bad_statement: (500, ""),
    fail_by_double_row: (500, "internal-error"),
    fail_by_missing_file: (500, "internal-error"),
    fail_by_full_disk: (507, "disk-full"),
    fail_by_bad_template: (500, "internal-error"),
    fail_by_bug: (500, "internal-error"),
    fail_by_decoding: (500, "internal-error"),
}
"""Status and code. What a bad statement of SQL is, the drivers tell apart differently."""
each_failure = pytest.mark.parametrize(
    "fail", FAILURES, ids=lambda fail: fail.__name__.removeprefix("fail_by_")
)


def breaking(fail: Callable[[], None]) -> Callable[..., Any]:
    def broken(*_: Any, **__: Any) -> None:
        fail()
        raise AssertionError("It was to fail.")

    return broken


def assert_silent(response: HttpResponse) -> str:
    """Return the text of an answer that gives nothing away, in its body or its headers."""
    text = response.content.decode() + str(dict(response.items()))
    for telltale in TELLTALE:
        assert telltale not in text, telltale
    return text


def asked(user: User, path: str, **headers: str) -> HttpResponse:
    client = client_of(user)
    client.raise_request_exception = False
    token = request_id.set("name-of-this-request")
    try:
        response: Any = client.get(path, headers=headers)
    finally:
        request_id.reset(token)
    return response  # type: ignore[no-any-return]


@pytest.mark.django_db
@each_failure
def test_a_page_that_breaks(fail: Callable[[], None], alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    make_service("web")
    monkeypatch.setattr(monitoring.views, "services_snapshot", breaking(fail))
    response = asked(alice, "/monitoring/", Accept="text/html")
    text = assert_silent(response)
    assert response.status_code == FAILURES[fail][0] or not FAILURES[fail][1]
    assert text.startswith("<!DOCTYPE html>")
    assert "name-of-this-request" in text


@pytest.mark.django_db
@each_failure
def test_a_page_that_breaks_for_a_program(
    fail: Callable[[], None], alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_service("web")
    monkeypatch.setattr(monitoring.views, "services_snapshot", breaking(fail))
    assert_document(fail, asked(alice, "/monitoring/", Accept="application/json"))


@pytest.mark.django_db
@each_failure
def test_an_address_of_the_api_that_breaks(
    fail: Callable[[], None], alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monitoring.api, "services_snapshot", breaking(fail))
    assert_document(fail, asked(alice, "/api/services"))


@pytest.mark.django_db
@each_failure
def test_the_admin_that_breaks(
    fail: Callable[[], None], alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ServiceAdmin, "get_queryset", breaking(fail))
    response = asked(alice, "/admin/monitoring/service/", Accept="text/html")
    assert response.status_code >= 500
    assert "name-of-this-request" in assert_silent(response)


@pytest.mark.django_db
@each_failure
def test_a_poll_that_breaks(fail: Callable[[], None], alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(medimgr.events.polling, "read_missed", breaking(fail))
    response = asked(alice, "/events/poll/?topics=service")
    assert response.status_code >= 500
    assert response["Content-Type"] == "application/problem+json"
    assert_silent(response)


def assert_document(fail: Callable[[], None], response: HttpResponse) -> None:
    status, code = FAILURES[fail]
    assert_silent(response)
    document = json.loads(response.content)
    assert response["Content-Type"] == "application/problem+json"
    assert document["request_id"] == "name-of-this-request"
    if code:
        assert (response.status_code, document["code"]) == (status, code)
    else:
        assert response.status_code >= 500


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("fail", [fail_by_missing_table, fail_by_double_row, fail_by_bug])
async def test_a_stream_that_breaks(
    fail: Callable[[], None], alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(medimgr.events.desk, "admit_all", breaking(fail))
    caller = Caller(StreamHandler(), await sync_to_async(log_in)(alice))
    try:
        started = await caller.begin()
        body = (await caller.take())["body"]
        await asyncio.wait_for(caller.future, 5)
    finally:
        await broadcaster.current().aclose()
    assert started["status"] >= 500
    assert json.loads(body)["code"] in {"internal-error", "database-away"}
    assert_silent(HttpResponse(body))


def command(directory: Path, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run a command as its own process, far from this one's settings."""
    environment = {
        "PATH": os.environ["PATH"],
        "DJANGO_SECRET_KEY": "k" * 50,
        "MEDIMGR_DATA_DIR": str(directory),
        **variables,
    }
    return subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), *arguments],
        env=environment,
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def said(done: "subprocess.CompletedProcess[str]") -> str:
    """Return what a command that failed has said: sentences, and no traceback."""
    text = done.stdout + done.stderr
    assert "Traceback" not in text, text
    assert 'File "' not in text, text
    return text


def test_a_command_without_its_database(tmp_path: Path) -> None:
    gone = f"postgresql://medimgr:{SECRET}@127.0.0.1:1/medimgr"
    for arguments in (("migrate",), ("services", "status"), ("create_first_admin",)):
        done = command(tmp_path, *arguments, DATABASE_URL=gone)
        assert done.returncode == 1
        text = said(done)
        assert SECRET not in text
        assert "database" in text.lower()


def test_a_command_before_the_database_was_migrated(tmp_path: Path) -> None:
    done = command(tmp_path, "create_first_admin")
    assert done.returncode == 1
    assert said(done).startswith("database-not-migrated: The database has not the tables")
    assert "What to do: Run manage.py migrate" in done.stderr


def test_a_command_that_names_a_bad_setting(tmp_path: Path) -> None:
    done = command(tmp_path, "check", DATABASE_URL="nonsense")
    assert done.returncode == 1
    assert "DATABASE_URL" in said(done)
