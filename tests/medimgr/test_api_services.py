"""Services through the API: what is shown, what is asked for, and what comes back."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from medimgr.events.models import Tick
from monitoring.models import Dependency, Node, Service, ServiceStatus, Transition
from operations.models import Operation
from operations.states import Status
from tests.api import assert_problem, client_of, post
from tests.factories import make_node, make_service

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]

PROMISED = {
    "key", "name", "node", "group", "state", "health", "intent", "reason", "pid", "since", "restarts",
    "cpu_percent", "memory_mb", "ports", "warning", "auto_recovery", "builtin",
}  # fmt: skip


@pytest.fixture
def operator(alice: User) -> Client:
    return client_of(alice)


def supervise(node: Node, started_ago: float = 3661.0) -> None:
    now = timezone.now()
    Node.objects.filter(pk=node.pk).update(
        supervisor_pid=1, heartbeat_at=now, started_at=now - timedelta(seconds=started_ago)
    )


def running(key: str, **fields: Any) -> Service:
    service = make_service(key, **fields)
    ServiceStatus.objects.filter(service=service).update(
        state="RUNNING", health="healthy", pid=4711, process_started_at=timezone.now() - timedelta(seconds=90)
    )
    return service


def test_a_list_shows_what_is_promised(operator: Client) -> None:
    service = running("web", ports=[8001], warning="Careful.", group="core")
    supervise(service.node)
    Tick.objects.create(node=service.node.name, at=timezone.now(), data={"web": [12.5, 64.0]})
    body = operator.get("/api/services").json()
    assert body["count"] == 1
    (item,) = body["items"]
    assert set(item) >= PROMISED
    assert item["state"] == "RUNNING"
    assert (item["cpu_percent"], item["memory_mb"]) == (12.5, 64.0)
    assert (item["ports"], item["warning"], item["builtin"]) == ([8001], "Careful.", False)
    assert item["since"].endswith("Z")
    assert body["nodes"][0]["supervised"] is True
    assert isinstance(body["last_event_id"], int)


def test_without_a_supervisor_nothing_is_claimed_to_run(operator: Client) -> None:
    running("web")
    item = operator.get("/api/services/web").json()
    assert (item["state"], item["last_state"], item["cpu_percent"]) == ("UNKNOWN", "RUNNING", None)


def test_filters_and_pages(operator: Client) -> None:
    supervise(make_node())
    for key in ("a", "b", "c"):
        running(key, group="core")
    make_service("d", group="edge")
    make_service("e", node=make_node("elsewhere"))

    def keys(query: str) -> tuple[int, list[str]]:
        body = operator.get(f"/api/services?{query}").json()
        return body["count"], [item["key"] for item in body["items"]]

    assert keys("group=core") == (3, ["a", "b", "c"])
    assert keys("group=core&limit=1&offset=1") == (3, ["b"])
    assert keys("state=RUNNING") == (3, ["a", "b", "c"])
    assert keys("state=STOPPED") == (1, ["d"])
    assert keys("state=UNKNOWN") == (1, ["e"])
    assert keys("health=healthy&group=core") == (3, ["a", "b", "c"])
    assert keys("node=elsewhere") == (1, ["e"])
    assert keys("group=none") == (0, [])


@pytest.mark.parametrize(
    "path", ["/api/services", "/api/status", "/api/services/s0", "/api/services/s0/history"]
)
def test_the_number_of_queries_does_not_grow(operator: Client, path: str) -> None:
    def add(numbers: range) -> None:
        for number in numbers:
            service = running(f"s{number}")
            Transition.objects.create(
                service=Service.objects.get(key="s0"),
                at=timezone.now(),
                from_state="STOPPED",
                to_state="STARTING",
            )
            if number:
                Dependency.objects.create(service=service, needs=Service.objects.get(key="s0"))

    def questions() -> int:
        with CaptureQueriesContext(connection) as asked:
            assert operator.get(path).status_code == 200
        return len(asked)

    add(range(2))
    few = questions()
    add(range(2, 12))
    assert questions() == few
    assert few <= 14


def test_status_is_one_node_in_a_few_words(operator: Client) -> None:
    service = running("web")
    supervise(service.node)
    Tick.objects.create(node=service.node.name, at=timezone.now(), data={"web": [1.0, 2.5]})
    make_service("down")
    make_service("elsewhere", node=make_node("other"))
    body = operator.get("/api/status").json()
    assert (body["node"], body["uptime"], body["supervised"]) == ("testnode", "01:01:01", True)
    assert set(body["services"]) == {"web", "down"}
    web, down = body["services"]["web"], body["services"]["down"]
    assert set(web) == {"name", "status", "health", "cpu", "mem", "pid", "uptime"}
    assert (web["status"], web["cpu"], web["mem"], web["pid"], web["uptime"]) == (
        "RUNNING", 1.0, 2.5, 4711, "00:01:30",
    )  # fmt: skip
    assert (down["status"], down["pid"], down["uptime"]) == ("STOPPED", None, None)


def test_status_without_a_supervisor_says_so(operator: Client) -> None:
    running("web")
    body = operator.get("/api/status").json()
    assert (body["supervised"], body["uptime"]) == (False, "00:00:00")
    assert body["services"]["web"]["status"] == "UNKNOWN"
    assert body["services"]["web"]["uptime"] is None


def test_status_of_another_node(operator: Client) -> None:
    make_service("elsewhere", node=make_node("other"))
    assert set(operator.get("/api/status?node=other").json()["services"]) == {"elsewhere"}
    assert_problem(operator.get("/api/status?node=nowhere"), 404, "unknown-node")


def test_history_is_newest_first_and_paged(operator: Client) -> None:
    service = make_service("web")
    for number in range(5):
        Transition.objects.create(
            service=service, at=timezone.now(), from_state="STARTING", to_state="RUNNING", detail=str(number)
        )
    body = operator.get("/api/services/web/history?limit=2&offset=1").json()
    assert body["count"] == 5
    assert [item["detail"] for item in body["items"]] == ["3", "2"]
    assert (body["items"][0]["from"], body["items"][0]["to"]) == ("STARTING", "RUNNING")


@pytest.mark.parametrize("verb", ["start", "stop", "restart"])
def test_an_action_answers_with_the_operation_to_follow(operator: Client, verb: str) -> None:
    make_service("web")
    answer = post(operator, f"/api/services/web/{verb}", {"reason": "  because  "})
    assert answer.status_code == 202
    shown = answer.json()["operation"]
    row = Operation.objects.get()
    assert shown["id"] == row.pk
    assert (shown["kind"], shown["target"]) == (f"service.{verb}", "service:web")
    assert (shown["status"], shown["requested_by"], shown["reason"]) == ("PENDING", "alice", "because")
    assert (row.source, row.address, row.queue) == ("api", "127.0.0.1", "node:testnode")
    assert operator.get(f"/api/operations/{row.pk}").json() == shown
    assert operator.get("/api/services/web").json()["operation"]["id"] == row.pk


def test_a_form_without_fields_is_no_body(operator: Client) -> None:
    make_service("web")
    assert operator.post("/api/services/web/start").status_code == 202


@pytest.mark.parametrize("force", [False, True])
def test_a_stop_may_be_forced(operator: Client, force: bool) -> None:
    make_service("web")
    assert post(operator, "/api/services/web/stop", {"force": force}).status_code == 202
    assert Operation.objects.get().parameters == {"force": force}


@pytest.mark.parametrize(("enabled", "kind"), [(True, "auto-recovery-on"), (False, "auto-recovery-off")])
def test_auto_recovery_is_turned_on_and_off(operator: Client, enabled: bool, kind: str) -> None:
    make_service("web")
    answer = post(operator, "/api/services/web/auto-recovery", {"enabled": enabled})
    assert answer.json()["operation"]["kind"] == f"service.{kind}"


def test_a_busy_service_refuses_and_names_what_is_in_the_way(operator: Client) -> None:
    make_service("web")
    first = post(operator, "/api/services/web/restart").json()["operation"]["id"]
    Operation.objects.update(status=Status.RUNNING, started_at=timezone.now())
    problem = assert_problem(post(operator, "/api/services/web/restart"), 409, "target-busy")
    assert f"operation {first}" in problem["detail"]
    assert Operation.objects.count() == 1


def test_the_same_key_returns_the_same_operation(operator: Client) -> None:
    make_service("web")
    key = {"Idempotency-Key": "deploy-7"}
    first = post(operator, "/api/services/web/restart", **key)
    again = post(operator, "/api/services/web/restart", **key)
    assert first.status_code == again.status_code == 202
    assert first.json() == again.json()
    assert_problem(post(operator, "/api/services/web/stop", **key), 409, "idempotency-key-reused")


def test_a_batch_gives_each_service_an_operation_or_a_reason(operator: Client) -> None:
    make_service("free")
    make_service("busy")
    post(operator, "/api/services/busy/restart")
    Operation.objects.update(status=Status.RUNNING, started_at=timezone.now())
    body = {"action": "restart", "services": ["free", "busy", "missing", "free"], "reason": "update"}
    answer = post(operator, "/api/services/batch", body)
    assert answer.status_code == 202
    outcome = answer.json()
    (operation,) = outcome["operations"]
    assert (operation["target"], operation["batch"], operation["reason"]) == (
        "service:free",
        outcome["batch"],
        "update",
    )
    assert [(r["service"], r["code"]) for r in outcome["refused"]] == [
        ("busy", "target-busy"),
        ("missing", "unknown-service"),
    ]
    assert all(refusal["detail"] for refusal in outcome["refused"])


def test_a_batch_shares_one_id_by_which_it_is_found(operator: Client) -> None:
    for key in ("a", "b", "c"):
        make_service(key)
    batch = post(operator, "/api/services/batch", {"action": "start", "services": ["a", "b"]}).json()["batch"]
    post(operator, "/api/services/c/start")
    found = operator.get(f"/api/operations?batch={batch}").json()
    assert {item["target"] for item in found["items"]} == {"service:a", "service:b"}


def test_a_repeated_batch_returns_the_same_operations(operator: Client) -> None:
    for key in ("a", "b"):
        make_service(key)
    body = {"action": "restart", "services": ["a", "b"]}
    once = {"Idempotency-Key": "nightly"}
    first = post(operator, "/api/services/batch", body, **once).json()
    again = post(operator, "/api/services/batch", body, **once).json()
    assert first == again
    assert Operation.objects.count() == 2


def test_one_service_shows_its_schedule_its_copies_and_its_limits(operator: Client) -> None:
    make_service("web", instances=2, ports=[8001], max_memory_mb=500, min_ready=1, group="front")
    nightly = make_service("nightly", schedule="30 2 * * *")
    at = timezone.now().replace(microsecond=0) + timedelta(hours=3)
    ServiceStatus.objects.filter(service=nightly).update(next_run_at=at, flapping=True)
    first = operator.get("/api/services/web").json()
    assert (first["instance"], first["instance_of"], first["instances"]) == (0, None, 2)
    assert first["limits"] == {
        "memory_mb": 500,
        "cpu_percent": 0.0,
        "cpu_seconds": 60.0,
        "age_seconds": 0.0,
        "requests": 0,
        "min_ready": 1,
    }
    copy = operator.get("/api/services/web-2").json()
    assert (copy["instance"], copy["instance_of"], copy["ports"]) == (1, "web", [8002])
    other = operator.get("/api/services/nightly").json()
    assert (other["schedule"], other["flapping"]) == ("30 2 * * *", True)
    assert other["next_run_at"] == at.strftime("%Y-%m-%dT%H:%M:%SZ")


def test_copies_stand_behind_their_first_in_a_list(operator: Client) -> None:
    make_service("web", instances=11)
    make_service("web-app")
    keys = [item["key"] for item in operator.get("/api/services").json()["items"]]
    assert keys == ["web", *(f"web-{number}" for number in range(2, 12)), "web-app"]
