"""``ETag`` and ``If-None-Match``: nobody is sent again what he has. At every address that is read."""

import re

import pytest
import time_machine
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from medimgr.lib.conditional import REVALIDATED
from monitoring.models import Service
from operations.models import Operation
from tests.api import client_of
from tests.factories import make_node, make_service
from tests.medimgr.test_api_lists import address, populate

pytestmark = pytest.mark.django_db

STREAMED = {"/api/services/{key}/log/download"}
"""Files of any size, whose end nobody has read yet."""


@pytest.fixture
def operator(alice: User) -> Client:
    alice.is_superuser = True
    alice.save()
    return client_of(alice)


@pytest.fixture
def reads(client: Client) -> list[str]:
    schema = client.get("/api/openapi.json").json()
    return [path for path, methods in schema["paths"].items() if "get" in methods]


def fill(path: str, pk: int) -> str:
    return address(path).replace("{operation_id}", str(pk)).replace("{batch_id}", "b000")


def test_every_answer_to_a_get_has_a_tag_and_is_not_sent_twice(
    operator: Client, alice: User, reads: list[str]
) -> None:
    populate(2, alice)
    Service.objects.filter(key="service-0").update(node=make_node())
    logs = settings.MEDIMGR_DATA_DIR / "logs"
    logs.mkdir(exist_ok=True)
    log = logs / "service-0.log"
    log.write_text("one\ntwo\n")
    pk = Operation.objects.latest("id").pk
    try:
        with time_machine.travel(timezone.now(), tick=False):
            for path in [*reads, "/api/openapi.json"]:
                if path.startswith("/api/auth/"):
                    continue
                first = operator.get(fill(path, pk))
                assert first.status_code == 200, (path, getattr(first, "content", b""))
                assert first["Cache-Control"] in {REVALIDATED, "no-store"}, path
                if path in STREAMED:
                    assert "ETag" not in first
                    continue
                assert re.fullmatch(r'W/"[0-9a-f]{32}"', first["ETag"]), path
                again = operator.get(fill(path, pk), headers={"If-None-Match": first["ETag"]})
                assert (again.status_code, again.content) == (304, b""), path
                assert again["ETag"] == first["ETag"]
                assert {"Cookie", "Authorization"} <= {part.strip() for part in again["Vary"].split(",")}
                assert "Content-Type" not in again
    finally:
        log.unlink()


@pytest.mark.parametrize("header", ["{}", '"other", {}', "*", "{strong}"])
def test_any_way_to_name_the_tag_will_do(operator: Client, header: str) -> None:
    tag = operator.get("/api/version")["ETag"]
    named = header.format(tag, strong=tag.removeprefix("W/"))
    assert operator.get("/api/version", headers={"If-None-Match": named}).status_code == 304


@pytest.mark.parametrize("header", ['"other"', "nonsense", "", '"', "W/", "\u00e4", "," * 5000])
def test_a_tag_of_something_else_or_no_tag_at_all_is_answered_in_full(operator: Client, header: str) -> None:
    answer = operator.get("/api/version", headers={"If-None-Match": header})
    assert (answer.status_code, answer.json()["name"]) == (200, "medimgr")


def test_what_has_changed_has_another_tag(operator: Client) -> None:
    service = make_service("web")
    first = operator.get("/api/services/web")
    service.name = "Another name"
    service.save()
    again = operator.get("/api/services/web", headers={"If-None-Match": first["ETag"]})
    assert again.status_code == 200
    assert again["ETag"] != first["ETag"]


def test_the_tag_of_one_account_says_nothing_about_anothers_answer(operator: Client, bob: User) -> None:
    make_service("web")
    tag = operator.get("/api/services/web")["ETag"]
    answer = client_of(None).get("/api/services/web", headers={"If-None-Match": tag})
    assert answer.status_code == 401
    assert "ETag" not in answer


def test_errors_and_what_changes_something_have_none(operator: Client) -> None:
    assert "ETag" not in operator.get("/api/services/nothing")
    make_service("web")
    assert "ETag" not in operator.post("/api/services/web/start", headers={"If-None-Match": "*"})
