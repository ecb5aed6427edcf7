"""A host check as an operation: goes on after what fails, stores every finding, names what is wrong."""

from typing import Any

import pytest

from medimgr.events.models import Event
from operations.log_reading import read_all
from operations.models import Operation
from operations.states import Status
from tests.running import free_port
from tests.workstations.carrying_out import carried_out, declared
from tests.workstations.carrying_out import key as key
from tests.workstations.peer import Machine, Peer
from tests.workstations.peer.certificates import certificate
from workstations.handlers import CHECK_HOST
from workstations.models import Workstation

pytestmark = [
    pytest.mark.both_databases,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("key"),
]


def checked(workstation: Workstation) -> tuple[Operation, dict[str, dict[str, Any]]]:
    operation = carried_out(CHECK_HOST, workstation)
    workstation.refresh_from_db()
    assert workstation.host_check is not None
    return operation, {finding["name"]: finding for finding in workstation.host_check["findings"]}


def not_in_order(found: dict[str, dict[str, Any]]) -> list[str]:
    return [name for name, finding in found.items() if finding["ok"] is False]


def test_a_machine_in_order_passes_every_point(peer: Peer) -> None:
    machine = peer.machine("pc-1", instances=["Farm 1", "猫, 二"])
    workstation = declared(machine)
    operation, found = checked(workstation)
    assert (operation.status, operation.error_detail) == (Status.SUCCESS, "")
    assert {finding["ok"] for finding in found.values()} == {True}
    assert found["list"]["detail"] == "ldconsole lists 2 emulators."
    assert found["code-page"]["detail"].startswith("Titles are read as gbk.")
    assert found["desktop"]["detail"] == "PC-1\\operator is logged on (session 1)."
    assert "9.0.79.2" in found["ldconsole"]["detail"]
    event = Event.objects.filter(topic="workstation", key=str(workstation.pk)).latest("id")
    assert event.data["host_check"] == workstation.host_check
    assert machine.open_shells == []


@pytest.mark.parametrize(
    ("quirk", "wrong", "said"),
    [
        ({"logged_on": ""}, ["desktop"], "operator is not logged on; nobody is."),
        ({"logged_on": "guest"}, ["desktop"], "PC-1\\guest is."),
        ({"elevated": False}, ["elevation", "list"], "has no administrator's rights"),
        ({"powershell": "constrained"}, ["powershell"], "Cannot invoke method."),
        ({"powershell": "chatty"}, ["powershell"], "Welcome to the domain!"),
    ],
)
def test_a_point_that_fails_leaves_the_others_to_be_looked_at(
    peer: Peer, quirk: dict[str, Any], wrong: list[str], said: str
) -> None:
    operation, found = checked(declared(peer.machine("pc-1", instances=["Farm 1"], **quirk)))
    assert not_in_order(found) == wrong
    assert said in found[wrong[0]]["detail"]
    assert (operation.status, operation.error_code) == (Status.FAILED, "host-check-failed")
    assert operation.error_detail.startswith("Not in order: ")
    if "list" not in wrong:
        assert found["list"]["ok"]


def test_without_ldplayer_its_path_and_its_list_are_wrong(peer: Peer) -> None:
    machine = peer.machine("pc-1")
    with machine.change() as state:
        state.ldplayer = False
    _, found = checked(declared(machine))
    assert not_in_order(found) == ["ldconsole", "list"]
    assert found["code-page"]["ok"] is None


def test_titles_in_a_code_page_that_nobody_has_named(peer: Peer) -> None:
    machine = peer.machine("pc-1", instances=["Café"], encoding="cp1258")
    with machine.change() as state:
        state.system["host-check"] = {"code_pages": {"ansi": 1258, "oem": 1258}}
    workstation = declared(machine)
    _, found = checked(workstation)
    assert not_in_order(found) == ["code-page"]
    assert found["code-page"]["fix"] == "Set the code page of this workstation to cp1258."
    workstation.code_page = "cp1258"
    workstation.save()
    _, found = checked(workstation)
    assert found["code-page"]["ok"]


def test_the_quotas_are_those_that_windows_tells(peer: Peer) -> None:
    machine = peer.machine("pc-1")
    machine.quotas.shells, machine.quotas.memory_mb = 4, 150
    _, found = checked(declared(machine))
    assert not_in_order(found) == ["quota"]
    assert "MaxShellsPerUser is 4, and 5 are needed; MaxMemoryPerShellMB is 150" in found["quota"]["detail"]


def wrong_password(machine: Machine) -> dict[str, Any]:
    machine.change_password("another")
    return {}


def no_listener(machine: Machine) -> dict[str, Any]:
    return {"port": free_port()}


def another_server(machine: Machine) -> dict[str, Any]:
    machine.faults.not_http = True
    return {}


def no_more_shells(machine: Machine) -> dict[str, Any]:
    machine.faults.quota_on_create = -1
    return {}


@pytest.mark.parametrize(
    ("trouble", "wrong", "good"),
    [
        (wrong_password, "authentication", ["connection"]),
        (no_listener, "connection", []),
        (another_server, "connection", []),
        (no_more_shells, "quota", ["connection", "authentication", "encryption"]),
    ],
)
def test_what_ends_it_early_is_a_finding_and_the_rest_is_not_known(
    peer: Peer, trouble: Any, wrong: str, good: list[str]
) -> None:
    machine = peer.machine("pc-1")
    workstation = declared(machine)
    for field, value in trouble(machine).items():
        setattr(workstation, field, value)
    workstation.save()
    operation, found = checked(workstation)
    assert not_in_order(found) == [wrong]
    assert [name for name, finding in found.items() if finding["ok"]] == good
    assert (operation.status, operation.error_code) == (Status.FAILED, "host-check-failed")
    assert found[wrong]["detail"] in operation.error_detail


def test_a_workstation_without_a_password_is_asked_for_one(peer: Peer) -> None:
    workstation = declared(peer.machine("pc-1"))
    workstation.set_password("")
    workstation.save()
    _, found = checked(workstation)
    assert not_in_order(found) == ["authentication"]


def test_tls_is_used_where_it_is_declared_and_a_stranger_s_certificate_is_a_finding(peer: Peer) -> None:
    workstation = declared(peer.machine("pc-1", certificate=certificate()))
    operation, found = checked(workstation)
    assert (operation.status, operation.error_detail) == (Status.SUCCESS, "")
    assert "by TLS" in found["encryption"]["detail"]
    workstation.ca_certificates = ""
    workstation.save()
    _, found = checked(workstation)
    assert not_in_order(found) == ["encryption"]


def test_what_it_saw_is_the_status_of_the_workstation_too(peer: Peer) -> None:
    machine = peer.machine("pc-1", instances=["Farm 1", "Farm 2"])
    workstation = declared(machine)
    machine.change_password("another")
    checked(workstation)
    assert (workstation.status, workstation.error_code) == ("error", "workstation-authentication")
    workstation.set_password("another")
    workstation.save()
    checked(workstation)
    assert (workstation.status, workstation.error_code) == ("online", "")
    assert list(workstation.emulators.values_list("title", flat=True)) == ["Farm 1", "Farm 2"]


def test_it_looks_also_where_others_are_kept_from_asking(peer: Peer) -> None:
    """The circuit breaker keeps the polling away; who checks wants to know how it is now."""
    machine = peer.machine("pc-1")
    workstation = declared(machine)
    port = machine.port
    peer.close_port(machine)
    _, found = checked(workstation)
    assert workstation.next_probe_at is not None
    assert not_in_order(found) == ["connection"]
    peer.open_port(machine, port)
    operation, found = checked(workstation)
    assert (operation.status, operation.error_detail) == (Status.SUCCESS, "")
    assert workstation.next_probe_at is None


def test_each_finding_is_in_the_log_with_its_mend(peer: Peer) -> None:
    operation, _ = checked(declared(peer.machine("pc-1", logged_on="")))
    lines = [line.text for line in read_all(operation.pk)]
    assert any(text.startswith("Connection: in order. ") for text in lines)
    wrong = next(text for text in lines if text.startswith("Desktop: NOT IN ORDER. "))
    assert wrong.endswith("Log on there as operator, or let Windows do so by itself when it starts.")


def test_the_same_findings_again_are_stored_but_not_told_again(peer: Peer) -> None:
    workstation = declared(peer.machine("pc-1"))
    checked(workstation)
    first = workstation.host_check
    told = Event.objects.filter(topic="workstation").count()
    checked(workstation)
    assert first is not None
    assert workstation.host_check is not None
    assert first["findings"] == workstation.host_check["findings"]
    assert first["at"] < workstation.host_check["at"]
    assert Event.objects.filter(topic="workstation").count() == told
