"""What the pages are made of: usable without scripts, safe under the policy, honest about names."""

import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from monitoring.models import Dependency, Node, ServiceStatus
from monitoring.states import State
from operations.models import Operation
from tests.factories import make_node, make_service

pytestmark = pytest.mark.django_db

HOSTILE = '<script>alert(1)</script><b title="x">&amp;'
PAGES = (
    "/monitoring/",
    "/monitoring/?show=attention&q=%22%3E%3Cscript%3Ealert(1)%3C/script%3E",
    "/monitoring/services/first/",
    "/monitoring/connections/",
    "/operations/",
    "/operations/?target=service:%22%3E%3Cscript%3E",
    "/operations/5/",
)


class Markup(HTMLParser):
    """Collects what the Content-Security-Policy forbids, ids, and the texts of elements."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.forbidden: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.text = ""
        self._script = False
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        self.tags.append(tag)
        if tag == "style" or (
            tag == "script" and "src" not in given and given.get("type") != "application/json"
        ):
            self.forbidden.append(tag)
        self.forbidden += [name for name in given if name == "style" or name.startswith("on")]
        for name in ("src", "href", "action"):
            if re.match(r"(?:[a-z]+:)?//|javascript:", given.get(name) or ""):
                self.forbidden.append(f"{name}={given[name]}")
        if given.get("id"):
            self.ids.append(str(given["id"]))
        self._script = tag == "script"

    def handle_endtag(self, tag: str) -> None:
        self._script = False

    def handle_data(self, data: str) -> None:
        if not self._script:
            self.text += data


@pytest.fixture(autouse=True)
def hostile_rows() -> None:
    node = make_node()
    Node.objects.update(supervisor_pid=1, heartbeat_at=timezone.now(), problem=HOSTILE)
    first = make_service(
        "first", name=HOSTILE, description=HOSTILE, group=HOSTILE, warning=HOSTILE, node=node
    )
    second = make_service("second", name=HOSTILE, env={"API_TOKEN": "hunter2"})
    Dependency.objects.create(service=first, needs=second)
    ServiceStatus.objects.update(state=State.FATAL, detail=HOSTILE)
    now = timezone.now()
    Operation.objects.create(
        pk=5,
        kind="service.stop",
        target_type="service",
        target_key="first",
        requester=HOSTILE,
        reason=HOSTILE,
        source="page",
        parameters={"force": True},
        created_at=now,
        run_after=now,
        deadline_at=now,
    )


def page(client: Client, user: User, address: str) -> str:
    client.force_login(user)
    return client.get(address).content.decode()


@pytest.mark.parametrize("address", [*PAGES, "/login/", "/no-such-page/"])
def test_no_page_needs_what_the_policy_forbids(client: Client, alice: User, address: str) -> None:
    if address == "/login/":
        markup = Markup(client.get(address).content.decode())
    else:
        markup = Markup(page(client, alice, address))
    assert markup.forbidden == []
    assert "b" not in markup.tags
    assert sorted(set(markup.ids)) == sorted(markup.ids), "an id stands twice"


def test_a_name_with_markup_is_shown_as_text(client: Client, alice: User) -> None:
    for address in ("/monitoring/", "/monitoring/services/first/"):
        assert HOSTILE in Markup(page(client, alice, address)).text


def test_the_data_for_the_scripts_cannot_break_out_of_its_element(client: Client, alice: User) -> None:
    text = page(client, alice, "/monitoring/")
    found = re.search(r'<script id="page-data" type="application/json">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    data: dict[str, Any] = json.loads(found[1])
    assert data["snapshot"]["items"][0]["name"] == HOSTILE


def test_no_value_of_the_environment_is_shown(client: Client, alice: User) -> None:
    text = page(client, alice, "/monitoring/services/second/")
    assert "API_TOKEN" in text
    assert "hunter2" not in text


def test_the_first_byte_carries_every_service(client: Client, alice: User) -> None:
    """Without JavaScript the page is a table to read, with the filter's links working."""
    make_service("third", name="Third")
    ServiceStatus.objects.filter(service__key="third").update(state=State.RUNNING, pid=4711)
    text = page(client, alice, "/monitoring/?show=running")
    shown = re.findall(
        r'<tr class="service" data-service="([^"]*)" data-state="([^"]*)"[^>]*?( hidden)?>', text
    )
    assert ("third", "RUNNING", "") in shown
    assert ("first", "FATAL", " hidden") in shown
    assert "4711" in text
    assert Markup(text).text.count("needs attention") + Markup(text).text.count("need attention") >= 1
    searched = page(client, alice, "/monitoring/?q=nothing-like-this")
    assert 'id="nothing-shown" hidden' not in searched


def test_an_empty_page_says_what_to_do(client: Client, alice: User) -> None:
    from monitoring.models import Service

    Dependency.objects.all().delete()
    Service.objects.all().delete()
    text = page(client, alice, "/monitoring/")
    assert "No services declared yet" in text
    assert "services import" in text
    assert 'href="/admin/monitoring/service/add/"' in text
