"""Every list of the API: counted, in parts, in an order that is told, and as cheap for 30 rows as for 3."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from medimgr.events.models import Connection, StreamWorker
from monitoring.models import Node, Run, Service, Transition
from operations import chores
from operations.models import Batch, Operation
from tests.api import assert_problem, client_of
from tests.factories import make_service
from workstations.models import Change, Emulator, Workstation

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]

FIRST = {"{key}": "service-0", "{workstation_id}": None, "{emulator_id}": None}


@pytest.fixture
def operator(alice: User) -> Client:
    return client_of(alice)


@pytest.fixture
def lists(client: Client) -> list[str]:
    """The addresses of all lists, as the description has them."""
    schema = client.get("/api/openapi.json").json()
    found = []
    for path, methods in schema["paths"].items():
        answer = methods.get("get", {}).get("responses", {}).get("200", {})
        shape = answer.get("content", {}).get("application/json", {}).get("schema", {})
        name = shape.get("$ref", "").rpartition("/")[2]
        if "items" in schema["components"]["schemas"].get(name, {}).get("properties", {}):
            found.append(path)
    return found


def populate(number: int, alice: User) -> None:
    """Have so many rows of everything, all with what belongs to them."""
    now = timezone.now()
    worker, _ = StreamWorker.objects.get_or_create(
        node="n", pid=1, defaults={"started_at": now, "seen_at": now, "start_ticks": 1}
    )
    for n in range(number):
        service = make_service(f"service-{n}", node=Node.objects.get_or_create(name=f"node-{n}")[0])
        machine = Workstation.objects.create(name=f"pc-{n}", host=f"192.0.2.{n + 1}", tags=["lab", f"t{n}"])
        emulator = Emulator.objects.create(workstation=machine, index=0, title="Farm")
        made = {
            "kind": "service.start", "target_type": "service", "requester": "alice", "source": "api",
            "queue": "q", "created_at": now, "run_after": now, "deadline_at": now + timedelta(hours=1),
        }  # fmt: skip
        Operation.objects.create(target_key=service.key, status="PENDING", **made)
        Operation.objects.create(
            target_key=str(emulator.pk),
            status="FAILED",
            finished_at=now,
            **made | {"target_type": "emulator"},
        )
        Batch.objects.create(
            id=f"b{n:03}", kind="service.start", requester="alice", source="api", created_at=now, total=1
        )
        Connection.objects.create(
            token=f"t{n}", user=alice, address="192.0.2.9", page="/", topics=["service"], worker=worker,
            connected_at=now, last_ping_at=now,
        )  # fmt: skip
    first, machine = Service.objects.get(key="service-0"), Workstation.objects.get(name="pc-0")
    for n in range(number):
        at = now + timedelta(seconds=n)
        Run.objects.create(
            service=first, service_key=first.key, node="n", reason="operator", started_at=at, ended_at=at
        )
        Transition.objects.create(service=first, at=at, from_state="STOPPED", to_state="STARTING")
        Change.objects.create(workstation=machine, index=0, at=at, what="state")
        if n:
            Emulator.objects.create(workstation=machine, index=n, title=f"Farm {n}")


def address(path: str) -> str:
    machine = Workstation.objects.filter(name="pc-0").first()
    if machine is None:
        return path
    emulator = machine.emulators.get(index=0)
    return (
        path.replace("{key}", "service-0")
        .replace("{workstation_id}", str(machine.pk))
        .replace("{emulator_id}", str(emulator.pk))
    )


def cost(client: Client, path: str) -> tuple[int, dict[str, Any]]:
    with CaptureQueriesContext(connection) as queries:
        response = client.get(path)
    assert response.status_code == 200, (path, response.content)
    return len(queries), response.json()


def test_a_list_costs_as_many_queries_for_thirty_as_for_three(
    operator: Client, alice: User, lists: list[str]
) -> None:
    assert len(lists) >= 12, lists
    populate(3, alice)
    few = {path: cost(operator, address(path)) for path in lists}
    for model in (Connection, Batch, Operation, Service, Workstation, Node):
        model.objects.all().delete()
    populate(30, alice)
    many = {path: cost(operator, address(path)) for path in lists}
    for path in lists:
        assert many[path][0] == few[path][0], path
        assert many[path][0] <= 12, path
        assert many[path][1]["count"] >= (len(chores.all_chores()) if "chores" in path else 30), path
        assert len(many[path][1]["items"]) == many[path][1]["count"], path


def test_a_list_can_be_read_in_parts_that_are_the_whole(
    operator: Client, alice: User, lists: list[str]
) -> None:
    populate(5, alice)
    for path in lists:
        whole = operator.get(address(path)).json()
        parts: list[Any] = []
        while len(parts) < whole["count"]:
            part = operator.get(address(path), {"limit": 2, "offset": len(parts)}).json()
            assert part["count"] == whole["count"], path
            assert 1 <= len(part["items"]) <= 2, path
            parts += part["items"]
        assert [identity(item) for item in parts] == [identity(item) for item in whole["items"]], path
        assert len({identity(item) for item in parts}) == whole["count"], path


def test_a_part_that_makes_no_sense_is_refused(operator: Client, alice: User, lists: list[str]) -> None:
    populate(1, alice)
    for path in lists:
        for bad in ({"limit": 0}, {"limit": -1}, {"offset": -1}, {"limit": "x"}, {"offset": 10**30}):
            problem = assert_problem(operator.get(address(path), bad), 422, "invalid")
            assert set(problem["errors"]) == set(bad), path


def test_every_list_says_its_order(client: Client, lists: list[str]) -> None:
    schema = client.get("/api/openapi.json").json()
    for path in lists:
        told = schema["paths"][path]["get"]
        words = f"{told['summary']} {told['description']}".lower()
        assert any(
            order in words for order in ("newest first", "by name", "by group", "by index", "by workstation")
        ), path


def test_batches_are_found_by_what_they_are(operator: Client, alice: User) -> None:
    populate(3, alice)
    now = timezone.now()
    Batch.objects.filter(id="b001").update(finished_at=now, kind="service.stop", requester="bob")

    def found(query: str) -> list[str]:
        body = operator.get(f"/api/operations/batches?{query}").json()
        assert body["count"] == len(body["items"])
        return [item["id"] for item in body["items"]]

    assert found("") == ["b002", "b001", "b000"]
    assert found("active=true") == ["b002", "b000"]
    assert found("active=false") == found("kind=service.stop") == found("requested_by=bob") == ["b001"]


def test_streams_are_found_by_account_and_address(operator: Client, alice: User, bob: User) -> None:
    populate(2, alice)
    Connection.objects.filter(token="t1").update(user=bob, address="192.0.2.77")
    for query in ("user=bob", "address=192.0.2.77"):
        body = operator.get(f"/api/events/connections?{query}").json()
        assert [item["user"] for item in body["items"]] == ["bob"]
        assert "token" not in body["items"][0]


def identity(item: dict[str, Any]) -> str:
    return str(item.get("id") or item.get("key") or item.get("run_id") or item["name"])
