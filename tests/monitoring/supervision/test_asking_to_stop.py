"""A service is asked to end in its own way before it gets a signal, and killed where nothing helps."""

import signal
from typing import Any

import pytest

from monitoring.models import Service
from tests.monitoring.supervision.ward import Ward, program, sleeper
from tests.running import free_port


def declare(ward: Ward, manner: str, *more: str, **fields: Any) -> Service:
    """Declare a service that is asked by POST and behaves in ``manner``; return it once it serves."""
    port = free_port()
    values: dict[str, Any] = {
        "command": program("polite", str(port), manner, *more),
        "stop_url": f"http://localhost:{port}/shutdown?now=1",
        "stop_request_seconds": 10.0,
        **fields,
    }
    service = ward.declare(**values)
    ward.reaches(service, "RUNNING")
    ward.wait(lambda: "ready" in ward.log(service), "it serves")
    return service


def story(ward: Ward, service: Service) -> list[str]:
    return ward.log(service).splitlines()[1:]


ASKED = "asked by POST /shutdown?now=1 HTTP/1.1"


def test_it_ends_when_it_is_asked_by_url_and_sees_no_signal(shared_ward: Ward) -> None:
    service = declare(shared_ward, "ends")
    assert shared_ward.act(service, "stop").status == "SUCCESS"
    assert story(shared_ward, service) == [ASKED, "ends by itself"]
    (run,) = shared_ward.runs(service)
    assert (run.exit_code, run.end_reason) == (7, "operator")
    assert shared_ward.status(service).reason == "operator"


def test_a_restart_asks_as_well(shared_ward: Ward) -> None:
    service = declare(shared_ward, "ends")
    old = shared_ward.status(service).pid
    assert shared_ward.act(service, "restart").status == "SUCCESS"
    assert shared_ward.status(service).pid != old
    assert story(shared_ward, service)[:2] == [ASKED, "ends by itself"]


@pytest.mark.parametrize(("manner", "seconds"), [("refuses", 60.0), ("agrees", 0.3), ("hangs", 0.3)], ids=str)
def test_one_that_does_not_end_gets_the_signal(shared_ward: Ward, manner: str, seconds: float) -> None:
    service = declare(shared_ward, manner, stop_request_seconds=seconds)
    assert shared_ward.act(service, "stop").status == "SUCCESS"
    assert story(shared_ward, service) == [ASKED, "signalled"]
    words = "failed: answered 403 Forbidden" if manner == "refuses" else "still there after 0.3 s"
    assert words in shared_ward.status(service).detail


def test_one_that_cannot_be_asked_gets_the_signal_at_once(shared_ward: Ward) -> None:
    service = declare(
        shared_ward, "ends", stop_url=f"http://127.0.0.1:{free_port()}/", stop_request_seconds=60.0
    )
    assert shared_ward.act(service, "stop").status == "SUCCESS"
    assert story(shared_ward, service) == ["signalled"]
    assert "connection refused" in shared_ward.status(service).detail


def test_one_that_nothing_helps_with_is_killed(shared_ward: Ward) -> None:
    service = declare(shared_ward, "agrees", "deaf", stop_request_seconds=0.3, stop_timeout_seconds=0.3)
    assert shared_ward.act(service, "stop").status == "SUCCESS"
    assert story(shared_ward, service) == [ASKED, "signalled"]
    assert shared_ward.runs(service)[0].exit_signal == "SIGKILL"
    assert shared_ward.status(service).reason == "stop-timeout"


def test_scenario_11_a_second_stop_with_force_kills_one_that_was_only_asked(shared_ward: Ward) -> None:
    service = declare(shared_ward, "agrees", stop_request_seconds=60.0)
    shared_ward.ask(service, "stop")
    shared_ward.wait(lambda: ASKED in shared_ward.log(service), "it is asked")
    assert shared_ward.act(service, "stop", force=True).status == "SUCCESS"
    assert story(shared_ward, service) == [ASKED]
    assert shared_ward.runs(service)[0].exit_signal == "SIGKILL"


def by_command(ward: Ward, *script: str, **fields: Any) -> Service:
    """Declare a service that ends once a file is there, and a stop command of its own."""
    gate = ward.instance.directory / f"gate-{free_port()}"
    wait = f"trap 'echo signalled; exit' TERM; echo ready; until [ -e {gate} ]; do sleep 0.02; done"
    service = ward.declare(
        command=["/bin/sh", "-c", f"{wait}; echo ends by itself"],
        stop_command=["/bin/sh", "-c", "; ".join(script).replace("GATE", str(gate))],
        **{"stop_request_seconds": 10.0, **fields},
    )
    ward.reaches(service, "RUNNING")
    ward.wait(lambda: "ready" in ward.log(service), "it waits")
    return service


def test_it_ends_when_its_stop_command_asks_and_the_command_is_waited_for(shared_ward: Ward) -> None:
    service = by_command(
        shared_ward,
        "echo stopping $MEDIMGR_PID; touch GATE",
        "while kill -0 $MEDIMGR_PID 2>/dev/null; do sleep 0.02; done; sleep 0.2; echo tidied up",
    )
    pid = shared_ward.status(service).pid
    assert shared_ward.act(service, "stop").status == "SUCCESS"
    assert story(shared_ward, service) == [f"stopping {pid}", "ends by itself", "tidied up"]


def test_a_stop_command_that_fails_is_followed_by_the_signal(shared_ward: Ward) -> None:
    service = by_command(shared_ward, "echo no such host", "exit 9", stop_request_seconds=60.0)
    assert shared_ward.act(service, "stop").status == "SUCCESS"
    first, *_, last = story(shared_ward, service)  # between them the shell may tell of its sleep's end
    assert (first, last) == ("no such host", "signalled")
    detail = shared_ward.status(service).detail
    assert "its stop command exited with code 9: no such host" in detail


def test_a_second_interrupt_ends_a_supervisor_whose_services_are_only_asked(ward: Ward) -> None:
    supervisor = ward.start()
    hanging = ward.declare(pre_stop_command=sleeper(), post_stop_command=["/bin/true"])
    service = declare(ward, "agrees", stop_request_seconds=60.0)
    ward.reaches(hanging, "RUNNING")
    supervisor.signal(signal.SIGINT)
    ward.wait(lambda: ASKED in ward.log(service), "it is asked")
    ward.reaches(hanging, "STOPPING")
    supervisor.signal(signal.SIGINT)
    assert supervisor.wait(timeout=15) == 0
    assert ward.processes(service) == ward.processes(hanging) == []
    assert ward.status(service).state == ward.status(hanging).state == "STOPPED"
