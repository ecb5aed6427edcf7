"""What a service's page tells beside its state, a program can ask for too: and it is told no more."""

import tomllib
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from monitoring.models import Dependency, Run
from tests.api import assert_problem, client_of
from tests.factories import make_service

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]

ENV = {"PORT": "8080", "API_TOKEN": "very-secret-value"}


def test_the_declaration_is_told_in_words_without_the_values_of_the_environment(bob: User) -> None:
    service = make_service("web", command=["/bin/web", "--fast"], env=ENV, ports=[8080])
    Dependency.objects.create(service=service, needs=make_service("db"))
    answer = client_of(bob).get("/api/services/web/declaration")
    body = answer.json()
    facts = {fact["label"]: fact["words"] for subject in body["subjects"] for fact in subject["facts"]}
    assert (facts["Command"], facts["Ports"]) == ("/bin/web --fast", "8080")
    assert body["environment"] == ["API_TOKEN", "PORT"]
    assert body["needs"] == ["db"]
    assert b"very-secret" not in answer.content


def test_the_lives_of_a_process_are_told_newest_first(bob: User) -> None:
    service, now = make_service("web"), timezone.now()
    for n, code in enumerate((0, 3)):
        at = now + timedelta(seconds=n)
        Run.objects.create(
            service=service, service_key="web", node="testnode", pid=10 + n, reason="operator",
            started_at=at, ended_at=at, exit_code=code, exit_source="wait", end_reason="crash",
        )  # fmt: skip
    body = client_of(bob).get("/api/services/web/runs?limit=1").json()
    assert body["count"] == 2
    [run] = body["items"]
    assert (run["pid"], run["exit_code"], run["end_reason"]) == (11, 3, "crash")
    assert run["started_at"].endswith("Z")


def test_what_is_exported_can_be_imported_and_holds_no_secret(alice: User) -> None:
    make_service("web", env=ENV, group="front")
    make_service("db", group="back")
    client = client_of(alice)
    answer = client.get("/api/services/export")
    assert answer["Content-Type"] == "application/toml; charset=utf-8"
    assert "services.toml" in answer["Content-Disposition"]
    assert b"very-secret" not in answer.content
    assert set(tomllib.loads(answer.content.decode())["services"]) == {"web", "db"}
    only = client.get("/api/services/export?group=front").content.decode()
    assert set(tomllib.loads(only)["services"]) == {"web"}
    back = client.post("/api/services/import", answer.content, content_type="application/toml").json()
    assert {change["what"] for change in back["services"]} == {"unchanged"}


def test_who_may_only_look_does_not_get_the_values_of_an_export(bob: User) -> None:
    make_service("web", env=ENV)
    assert_problem(client_of(bob).get("/api/services/export"), 403, "not-permitted")


def test_machines_are_listed(bob: User) -> None:
    make_service("web")
    [node] = client_of(bob).get("/api/nodes").json()["items"]
    assert (node["name"], node["supervised"]) == ("testnode", False)


@pytest.mark.parametrize("part", ["declaration", "runs"])
def test_what_does_not_exist_has_neither(bob: User, part: str) -> None:
    for key in ("nothing", "a%00b"):
        assert_problem(client_of(bob).get(f"/api/services/{key}/{part}"), 404, "unknown-service")
