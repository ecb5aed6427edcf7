"""Texts with line ends, NULs, escapes of terminals, marks of direction, and the syntax of SQL and templates.

At each door such a text is refused in a sentence, or shown as text wherever it comes out again. What streams
make of it is in tests/events/test_hostile_names.py, log lines in tests/medimgr/test_logs_lines.py.
"""

import json
import re
from io import StringIO
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib import admin
from django.core.management import call_command
from django.test import Client

from medimgr.api import api
from monitoring.models import Service
from operations.models import Operation
from tests.medimgr.doors import API, PAGES
from tests.medimgr.doors_world import NEAR, PEOPLE, World, rolled_back
from workstations.models import Workstation

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]

LIES = {
    "a line": "good\nevil=1",
    "a return": "good\r\nSet-Cookie: a=b",
    "a NUL": "good\0evil",
    "a line of Unicode": "good\u2028evil\u2029",
    "the other direction": "good\u202egpj.exe",
    "isolated": "a\u2066b\u2069",
    "an escape": "\x1b[2J\x1b]0;evil\x07\x1b[31mred",
    "an escape in one": "\x9b31mred\x85",
    "a backspace": "rm -rf x\b\b\b",
    "nothing wide": "\u200b\ufeff\u00ad",
}
SYNTAX = [
    "' OR '1'='1",
    "1; DROP TABLE monitoring_service;--",
    "x' UNION SELECT password FROM auth_user--",
    "%' ESCAPE '!",
    "%_%[a-z]%",
    "\\",
    "{{7*7}}",
    "{% load static %}{% debug %}",
    "${7*7}",
    "#{7*7}",
    "{0.__class__}",
    "%(password)s",
    "__class__",
    "password__startswith",
    "user__password",
    "\ud7ff\uffff",
]
TERMINAL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def person(name: str) -> Any:
    return next(one for one in PEOPLE if one.name == name)


def client_of(world: World) -> Client:
    client = world.client(person("superuser"))
    client.raise_request_exception = False
    return client


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES.keys())
def test_a_reason_is_refused_or_comes_out_as_text_everywhere(lie: str) -> None:
    world = World()
    client = client_of(world)
    address = world.called("/api/services/{service}/restart", "near")
    answer = client.post(address, json.dumps({"reason": lie}), content_type="application/json")
    if answer.status_code != 202:
        assert answer.status_code in (400, 422), answer.content
        assert answer.json()["detail"]
        return
    operation = Operation.objects.order_by("-pk").first()
    assert operation is not None
    page = client.get(operation.get_absolute_url())
    assert page.status_code == 200
    assert "evil" not in str(page.headers)


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES.keys())
def test_a_name_of_a_workstation_is_refused_or_shown_as_text(lie: str) -> None:
    world = World()
    client = client_of(world)
    for field in ("name", "host", "username", "desktop_user", "ldconsole_path"):
        body = {"name": "pc-lie", "host": "10.77.0.1", field: lie}
        answer = client.post("/api/workstations", json.dumps(body), content_type="application/json")
        assert answer.status_code in (201, 400, 422), f"{field}: {answer.content!r}"
        if answer.status_code == 201:
            said = StringIO()
            call_command("workstations", "list", stdout=said, no_color=True)
            assert not TERMINAL.search(said.getvalue()), field
            Workstation.objects.filter(host="10.77.0.1").delete()
    toml = f'[[workstations]]\nname = {json.dumps(lie)}\nhost = "10.77.0.2"\n'
    answer = rolled_back(
        lambda: client.generic(
            "POST", "/api/workstations/import?dry_run=true", toml, content_type="text/plain"
        )
    )
    assert answer.status_code < 500


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES.keys())
def test_a_service_that_was_stored_so_breaks_no_page(lie: str) -> None:
    world = World()
    key = world.rows["near"]["service"]
    stored = lie.replace("\0", "")
    Service.objects.filter(key=key).update(name=stored, description=stored, group=stored[:60])
    client = client_of(world)
    for path in ("/monitoring/", f"/monitoring/services/{key}/", "/admin/monitoring/service/"):
        assert client.get(path).status_code == 200, path


def parameters() -> list[tuple[str, list[str]]]:
    """Return every address of the API that is looked at, with what may be asked of it."""
    found = []
    for path, methods in api.get_openapi_schema()["paths"].items():
        names = [one["name"] for one in methods.get("get", {}).get("parameters", ()) if "name" in one]
        found.append((path, names))
    return found


def test_no_filter_search_or_order_takes_syntax_for_more_than_text() -> None:
    world = World()
    client = client_of(world)
    before = Service.objects.count()
    described = dict(parameters())
    common = ("search", "q", "group", "state", "status", "target", "kind", "tag", "order", "ordering", "sort")
    for turn in range(0, len(SYNTAX), 4):
        for door in (*API, *PAGES):
            if door.method != "GET":
                continue
            names = [*described.get(door.address, ()), *common]
            wanted = {name: SYNTAX[(turn + at) % len(SYNTAX)] for at, name in enumerate(names)}
            for query in (wanted, {"search": SYNTAX[turn]}):
                address = f"{world.called(door.address, 'near')}?{urlencode(query)}"
                assert client.get(address).status_code < 500, address
    for at, text in enumerate(SYNTAX):
        for model in list(admin.site._registry)[at % 2 :: 2]:
            query = {("q", "o", "p", "e", "all", text)[at % 6]: text}
            address = f"/admin/{model._meta.label_lower.replace('.', '/')}/?{urlencode(query)}"
            answer = client.get(address)
            assert answer.status_code < 500, address
            assert b"md5$" not in answer.content
    assert Service.objects.count() == before


@pytest.mark.parametrize("text", ["{{7*7}}", "{% now 'Y' %}", "${7*7}", "{{request.user.password}}"])
def test_no_name_is_a_template(text: str) -> None:
    world = World()
    row = Service.objects.get(key=world.rows["near"]["service"])
    Service.objects.filter(pk=row.pk).update(name=text, description=text, warning=text, group=text)
    Workstation.objects.filter(pk=world.rows["near"]["workstation"]).update(name=text, tags=[text])
    client = client_of(world)
    escaped = text.replace("'", "&#x27;")
    for path in (
        "/monitoring/",
        f"/monitoring/services/{row.key}/",
        "/admin/monitoring/service/",
        "/workstations/",
    ):
        page = client.get(path).content.decode()
        assert text in page or escaped in page, path
    assert NEAR in row.key
