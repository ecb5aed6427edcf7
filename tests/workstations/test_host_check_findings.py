"""What a host check makes of what it saw: each point, its mend, and what follows from a failure."""

from typing import Any

import pytest

from workstations import exceptions
from workstations.exceptions import RemoteFailure
from workstations.host_findings import (
    LABELS,
    LEAST_FREE_BYTES,
    Finding,
    Listing,
    findings,
    in_a_sentence,
    is_same_user,
)
from workstations.models import Workstation
from workstations.powershell import HostFacts

READ: Listing = {"emulators": 3, "encoding": "gbk", "damaged": False}


def workstation(**fields: Any) -> Workstation:
    return Workstation(
        **{
            "pk": 7,
            "name": "pc-1",
            "host": "pc-1.example",
            "username": "operator",
            "concurrency": 2,
            **fields,
        }
    )


def facts(**changed: Any) -> HostFacts:
    said = {
        "user": "PC-1\\operator",
        "elevated": True,
        "powershell": "5.1",
        "quotas": {"MaxShellsPerUser": 30, "MaxProcessesPerShell": 25, "MaxMemoryPerShellMB": 1024},
        "service": {"AllowUnencrypted": False, "Basic": False},
        "ldconsole": {"found": True, "version": "9.0.79.2"},
        "disk": {"name": "C:", "total_bytes": 2**40, "free_bytes": 2**39},
        "sessions": [{"user": "PC-1\\operator", "session": 1}],
        "code_pages": {"ansi": 1258, "oem": 1258},
    }
    return HostFacts.model_validate(said | changed)


def point(found: list[Finding], name: str) -> Finding:
    return next(finding for finding in found if finding["name"] == name)


def test_all_is_in_order_where_all_is() -> None:
    found = findings(workstation(), facts(), READ)
    assert [finding["name"] for finding in found] == list(LABELS)
    assert all(finding["ok"] and finding["detail"] and not finding["fix"] for finding in found)
    assert in_a_sentence(found) == ""


@pytest.mark.parametrize(
    ("name", "changed", "said"),
    [
        ("encryption", {"service": {"AllowUnencrypted": True, "Basic": False}}, "unencrypted messages"),
        ("encryption", {"service": {"AllowUnencrypted": False, "Basic": True}}, "Basic authentication"),
        (
            "quota",
            {"quotas": {"MaxShellsPerUser": 4, "MaxProcessesPerShell": 25, "MaxMemoryPerShellMB": 1024}},
            "MaxShellsPerUser is 4, and 5 are needed",
        ),
        (
            "quota",
            {"quotas": {"MaxShellsPerUser": 5, "MaxProcessesPerShell": 9, "MaxMemoryPerShellMB": 150}},
            "MaxProcessesPerShell is 9, and 10 are needed; MaxMemoryPerShellMB is 150",
        ),
        ("elevation", {"elevated": False}, "no administrator's rights"),
        ("ldconsole", {"ldconsole": {"found": False, "version": None}}, "There is no C:\\"),
        ("desktop", {"sessions": []}, "operator is not logged on; nobody is."),
        ("desktop", {"sessions": [{"user": "PC-1\\guest", "session": 2}]}, "PC-1\\guest is."),
        (
            "disk",
            {"disk": {"name": "D:", "total_bytes": 2**40, "free_bytes": LEAST_FREE_BYTES - 1}},
            "on D: are free",
        ),
    ],
)
def test_a_point_that_is_not_in_order_says_what_and_how_to_mend_it(
    name: str, changed: dict[str, Any], said: str
) -> None:
    found = findings(workstation(), facts(**changed), READ)
    wrong = [finding for finding in found if not finding["ok"]]
    assert [finding["name"] for finding in wrong] == [name]
    assert wrong[0]["ok"] is False
    assert said in wrong[0]["detail"]
    assert wrong[0]["fix"].endswith((".", "$false"))
    assert in_a_sentence(found).startswith(f"Not in order: {LABELS[name]}.")


@pytest.mark.parametrize(
    ("name", "changed"),
    [("quota", {"quotas": None}), ("desktop", {"sessions": None}), ("disk", {"disk": None})],
)
def test_what_can_not_be_found_out_is_unknown_and_not_in_order_either(
    name: str, changed: dict[str, Any]
) -> None:
    found = findings(workstation(), facts(**changed), READ)
    assert point(found, name)["ok"] is None
    assert in_a_sentence(found).startswith(f"Not known: {LABELS[name]}.")


def test_with_tls_basic_authentication_gives_nothing_away() -> None:
    service = {"AllowUnencrypted": False, "Basic": True}
    assert point(findings(workstation(tls=True), facts(service=service), READ), "encryption")["ok"]


def test_no_desktop_is_needed_where_emulators_are_started_directly() -> None:
    assert point(findings(workstation(launch="direct"), facts(sessions=[]), READ), "desktop")["ok"]


def test_titles_that_can_not_be_read_name_the_code_page_to_try() -> None:
    listing: Listing = {"emulators": 3, "encoding": "utf-8", "damaged": True}
    found = point(findings(workstation(), facts(), listing), "code-page")
    assert found["ok"] is False
    assert found["fix"] == "Set the code page of this workstation to cp1258."


def test_more_shells_are_needed_where_more_is_done_at_once() -> None:
    few = facts(quotas={"MaxShellsPerUser": 10, "MaxProcessesPerShell": 25, "MaxMemoryPerShellMB": 1024})
    assert point(findings(workstation(concurrency=7), few, READ), "quota")["ok"]
    assert point(findings(workstation(concurrency=8), few, READ), "quota")["ok"] is False


def test_a_list_that_can_not_be_read_leaves_the_other_points() -> None:
    found = findings(workstation(), facts(), exceptions.RemoteExit("ldconsole ended with 5."))
    assert [one["name"] for one in found if not one["ok"]] == ["list", "code-page"]
    assert point(found, "list")["detail"] == "ldconsole ended with 5."
    assert point(found, "code-page")["ok"] is None


@pytest.mark.parametrize(
    ("failure", "wrong", "good"),
    [
        (exceptions.Unreachable, "connection", []),
        (exceptions.Refused, "connection", []),
        (exceptions.UnknownHost, "connection", []),
        (exceptions.ProtocolFailure, "connection", []),
        (exceptions.ConnectionLost, "connection", []),
        (exceptions.TlsFailure, "encryption", ["connection"]),
        (exceptions.AuthenticationFailure, "authentication", ["connection"]),
        (exceptions.PasswordMissing, "authentication", []),
        (exceptions.QuotaExceeded, "quota", ["connection", "authentication", "encryption"]),
        (exceptions.RemoteTimeout, "powershell", ["connection"]),
        (exceptions.OutputNotUnderstood, "powershell", ["connection"]),
        (exceptions.RemoteExit, "powershell", ["connection"]),
    ],
)
def test_a_failure_is_the_finding_of_the_point_that_it_stopped_at(
    failure: type[RemoteFailure], wrong: str, good: list[str]
) -> None:
    found = findings(workstation(), failure("It went wrong."), None)
    assert [one["name"] for one in found if one["ok"] is False] == [wrong]
    assert [one["name"] for one in found if one["ok"]] == good
    assert "It went wrong." in point(found, wrong)["detail"]
    assert len(found) == len(LABELS)


@pytest.mark.parametrize(
    ("wanted", "logged_on", "same"),
    [
        ("operator", "PC-1\\operator", True),
        ("Operator", "PC-1\\OPERATOR", True),
        ("PC-1\\operator", "pc-1\\operator", True),
        (".\\operator", "PC-1\\operator", True),
        ("operator@farm.example", "FARM\\operator", True),
        ("FARM\\operator", "PC-1\\operator", False),
        ("operator", "PC-1\\operator2", False),
        ("operator", "PC-1\\guest", False),
    ],
)
def test_a_user_is_known_by_any_of_the_ways_to_write_them(wanted: str, logged_on: str, same: bool) -> None:
    assert is_same_user(wanted, logged_on) is same
