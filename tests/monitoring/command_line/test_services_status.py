"""``services status`` shows what is known, says what needs attention, and tells scripts by its exit code."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from medimgr.events.log import write_tick
from monitoring.models import Node, ServiceStatus
from tests.factories import make_node, make_service
from tests.monitoring.command_line.conftest import report_now, services

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


def running(key: str, **status: object) -> None:
    make_service(key)
    since = timezone.now() - timedelta(hours=3)
    values = {"state": "RUNNING", "health": "healthy", "pid": 4711, "since": since, **status}
    ServiceStatus.objects.filter(service__key=key).update(**values)


def test_all_well_is_a_sentence_a_table_and_exit_code_0() -> None:
    node = report_now()
    running("backend", restarts=2)
    running("db")
    write_tick(node.name, {"backend": [1.25, 23.0]})
    shown = services("status")
    assert shown.code == 0
    assert shown.lines[0] == "All 2 services are running."
    table = [" ".join(line.split()) for line in shown.lines[2:]]
    assert table == [
        "SERVICE STATE HEALTH SINCE PID CPU MEMORY RESTARTS",
        "backend RUNNING healthy 3 h 4711 1.2 % 23 MB 2",
        "db RUNNING healthy 3 h 4711 – – 0",
    ]


def test_columns_are_aligned() -> None:
    report_now()
    running("a")
    running("a-much-longer-key", pid=1, restarts=12345)
    shown = services("status")
    headings, *rows = shown.lines[2:]
    assert {row.index("RUNNING") for row in rows} == {headings.index("STATE")}
    assert len({len(row) for row in (headings, *rows)}) == 1


def test_trouble_is_exit_code_3_and_says_why() -> None:
    report_now()
    running("backend")
    running(
        "db", state="FATAL", pid=None, reason="port-busy", detail="Port 5432 is held by postgres (pid 7)."
    )
    shown = services("status")
    assert shown.code == 3
    assert shown.lines[0].startswith("1 of 2 services needs attention: Db ")
    assert shown.lines[4].endswith("Port 5432 is held by postgres (pid 7).")


def test_a_node_without_supervisor_is_exit_code_3() -> None:
    running("backend")
    Node.objects.update(heartbeat_at=timezone.now() - timedelta(minutes=5), supervisor_pid=1)
    shown = services("status")
    assert shown.code == 3
    assert "No supervisor reports for node testnode since" in shown.lines[0]
    assert shown.lines[3].split()[:2] == ["backend", "UNKNOWN"]


def test_only_the_named_services_are_shown_and_judged() -> None:
    report_now()
    running("backend")
    running("db", state="FATAL", pid=None)
    assert services("status", "backend").code == 0
    shown = services("status", "db")
    assert shown.code == 3
    assert "backend" not in shown.out


def test_services_of_several_nodes_name_their_node() -> None:
    report_now()
    elsewhere = report_now("elsewhere")
    running("backend")
    make_service("far", node=elsewhere)
    shown = services("status")
    assert shown.lines[2].split()[:2] == ["SERVICE", "NODE"]
    only = services("status", "--node", "elsewhere")
    assert "far" in only.out
    assert "backend" not in only.out
    assert "NODE" not in only.out


def test_nothing_declared_is_said() -> None:
    shown = services("status")
    assert (shown.code, shown.out) == (0, "No services declared yet: import or add some.\n")


def test_json_has_everything_and_the_same_exit_code() -> None:
    report_now()
    running("db", state="FATAL", pid=None, reason="crash")
    shown = services("status", "--json")
    content = json.loads(shown.out)
    assert shown.code == 3
    assert content["summary"]["level"] == "attention"
    assert list(content["needs_attention"]) == ["db"]
    assert content["services"][0]["key"] == "db"
    assert content["services"][0]["state"] == "FATAL"
    assert content["nodes"][0]["supervised"] is True


def test_an_unknown_key_is_an_error_that_suggests_what_is_near() -> None:
    make_service("backend")
    make_service("blockchain-node")
    shown = services("status", "backnd", "zzz")
    assert shown.code == 1
    assert shown.err == (
        "There is no service 'backnd'. Did you mean backend? "
        "There is no service 'zzz'. Known: backend, blockchain-node.\n"
    )


def test_an_unknown_node_is_an_error_that_names_the_known_ones() -> None:
    make_node("alpha")
    shown = services("status", "--node", "beta")
    assert (shown.code, shown.err) == (1, "There is no node 'beta'. Known: alpha.\n")


def test_what_keeps_failing_and_what_runs_at_its_time_is_said() -> None:
    report_now()
    running("backend")
    running("crasher", state="BACKOFF", pid=None, reason="crash", detail="exited with code 3", flapping=True)
    ServiceStatus.objects.filter(service__key="crasher").update(restarts=5)
    soon = timezone.now() + timedelta(hours=3, seconds=30)
    make_service("nightly", schedule="30 2 * * *")
    ServiceStatus.objects.filter(service__key="nightly").update(
        state="EXITED", reason="completed", next_run_at=soon
    )
    shown = services("status")
    assert shown.code == 3
    sentence = "1 of 3 services needs attention: Crasher keeps failing (5 restarts) and is tried again."
    assert shown.lines[0] == sentence
    assert shown.lines[4].endswith("keeps failing: 5 restarts; exited with code 3")
    assert " next in 3 h, " in shown.lines[5]
    items = {item["key"]: item for item in json.loads(services("status", "--json").out)["services"]}
    assert items["crasher"]["flapping"] is True
    assert items["nightly"]["schedule"] == "30 2 * * *"
    assert items["nightly"]["next_run_at"].startswith(soon.strftime("%Y-%m-%dT%H:%M:%S"))
    ServiceStatus.objects.filter(service__key="crasher").update(state="RUNNING", flapping=False)
    shown = services("status")
    assert (shown.code, shown.lines[0]) == (
        0,
        "2 of 3 services are running, 1 waits for its next run.",
    )
