"""The rules for readiness, schedules, limits, hooks and copies: each fault is said with its mend."""

import sys
from typing import Any

import pytest

from monitoring.declaration import faults, shared_ports
from tests.monitoring.declarations import declared

CODES = "Write a list of exit codes from 0 to 255, such as [78]."
LIMITS = 'Write names and limits, such as {"nofile": 4096, "core": [0, "unlimited"]}.'
SIGNALS = 'Write a list of names of signals, such as ["SIGTERM"].'
READY_URL = "Write the URL that answers once it is ready, such as http://127.0.0.1:8001/ready."
READY_PORT = "Give the port that accepts connections once it is ready."
STOP_URL = "Write a URL such as http://127.0.0.1:8001/shutdown, or leave it empty."
LIST = 'Write a list of texts, such as ["python3", "server.py"].'
CHECK = 'Give the command that ends with 0 while it is healthy, such as ["./check.sh"].'
PROGRAM = [sys.executable, "-c", "pass"]


def test_a_service_that_uses_everything_has_no_faults() -> None:
    everything = declared(
        user="root",
        user_group="root",
        nice=5,
        rlimits={"nofile": [1024, 4096], "core": 0, "memlock": "unlimited", "nproc": [10, "unlimited"]},
        instances=3,
        port_step=10,
        ports=[8001, 8002],
        group="web",
        min_ready=5,
        ready_kind="log",
        ready_pattern=r"listening on \S+:\d+",
        success_exit_codes=[0, 2],
        success_signals=["SIGTERM", "SIGINT"],
        fatal_exit_codes=[78],
        stop_url="http://127.0.0.1:{port}/stop?copy={instance}",
        pre_start_command=PROGRAM,
        post_start_command=PROGRAM,
        pre_stop_command=PROGRAM,
        post_stop_command=PROGRAM,
        health_kind="exec",
        health_command=PROGRAM,
        max_age_seconds=3600,
    )
    assert faults(everything) == {}


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "user_group",
            "no-such-group",
            "There is no group 'no-such-group' on this machine. Make it (groupadd) or leave it empty.",
        ),
        ("rlimits", [], LIMITS),
        ("rlimits", None, LIMITS),
        ("rlimits", {"nofile": {}}, None),
        ("rlimits", {"nofile": -1}, None),
        ("rlimits", {"nofile": 2**63}, None),
        ("rlimits", {"nofile": True}, None),
        ("rlimits", {"nofile": "many"}, None),
        ("rlimits", {"nofile": [1]}, None),
        ("rlimits", {"nofile": [1, 2, 3]}, None),
        (
            "rlimits",
            {"nofile": [20, 10]},
            "The soft limit of nofile (20) is above the hard one (10). Lower the first or raise the second.",
        ),
        (
            "rlimits",
            {"nofile": ["unlimited", 10]},
            "The soft limit of nofile (unlimited) is above the hard one (10). Lower the first or raise "
            "the second.",
        ),
        ("success_signals", "SIGTERM", SIGNALS),
        ("success_signals", [15], SIGNALS),
        (
            "success_signals",
            ["TERM"],
            "There is no signal 'TERM'. Use SIGTERM, SIGINT, SIGQUIT or another name.",
        ),
        ("fatal_exit_codes", 78, CODES),
        ("fatal_exit_codes", [256], CODES),
        (
            "fatal_exit_codes",
            [0, 78],
            "0 is declared as a success too. Remove it from one of the two lists.",
        ),
        ("stop_url", "https://127.0.0.1/", STOP_URL),
        ("stop_url", "/shutdown", STOP_URL),
        ("stop_command", "stop.sh", LIST),
        ("stop_command", None, LIST),
        (
            "pre_start_command",
            ["no-such-program"],
            "There is no program 'no-such-program' on the PATH. Give its full path or install it.",
        ),
        (
            "post_start_command",
            ["/no/such"],
            "There is no file /no/such. Correct the path or install the program.",
        ),
        ("pre_stop_command", [""], "The first part, the program, is empty."),
        ("post_stop_command", [1], LIST),
        (
            "max_age_seconds",
            3,
            "After 3 s it would be replaced all the time. Write 10 s or more, or 0 for no limit.",
        ),
        (
            "min_ready",
            1,
            "It has no group and no other copies, so that 1 more can never be ready and it would never be "
            "replaced. Name a group, raise the instances, or write a smaller number.",
        ),
    ],
)
def test_a_fault_is_named(name: str, value: Any, message: str | None) -> None:
    found = faults(declared(**{name: value}))
    assert list(found) == [name]
    assert len(found[name]) == 1
    if message is None:
        message = (
            'The limit nofile has to be a whole number from 0, "unlimited", or a list of two of them, the '
            "soft and the hard one."
        )
    assert found[name] == [message]


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        ("every night", "five"),
        ("99 2 * * *", "makes no sense"),
        ("30 2 * * 1-5 2026", "five"),
        ("0 0 30 2 *", "makes no sense"),
        ("@reboot", "no time"),
        (5, "Write a cron expression"),
    ],
)
def test_a_schedule_that_never_comes_is_refused(schedule: Any, words: str) -> None:
    (message,) = faults(declared(schedule=schedule))["schedule"]
    assert words in message


def test_a_zone_that_is_none_is_named_at_its_own_field() -> None:
    found = faults(declared(schedule="30 2 * * *", schedule_time_zone="Mars/Base"))
    assert list(found) == ["schedule_time_zone"]
    assert "Mars/Base" in found["schedule_time_zone"][0]


def test_a_scheduled_service_has_no_copies() -> None:
    found = faults(declared(schedule="30 2 * * *", instances=2))
    assert found == {
        "instances": [
            "A service with a schedule runs once at a time. Set the instances to 1, or clear the schedule."
        ]
    }


def test_an_unknown_limit_is_named_with_those_that_there_are() -> None:
    (message,) = faults(declared(rlimits={"files": 10}))["rlimits"]
    assert message.startswith("There is no limit 'files'. Known: as, core, cpu, ")
    assert "nofile" in message


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        ({"ready_kind": "http"}, "ready_url", READY_URL),
        ({"ready_kind": "http", "ready_url": "http://:1/"}, "ready_url", READY_URL),
        # A single service is told no port of its own, so that the word would reach nobody.
        ({"ready_kind": "http", "ready_url": "http://h:{port}/", "ports": [80]}, "ready_url", READY_URL),
        ({"ready_kind": "tcp"}, "ready_port", READY_PORT),
        ({"ready_kind": "tcp", "ready_port": 70000}, "ready_port", READY_PORT),
        ({"health_kind": "exec"}, "health_command", CHECK),
        (
            {"health_kind": "exec", "health_command": ["/no/such"]},
            "health_command",
            "There is no file /no/such. Correct the path or install the program.",
        ),
        (
            {"stop_url": "http://h/", "stop_command": PROGRAM},
            "stop_command",
            "It is asked to end by URL already. Keep one of the two and clear the other.",
        ),
        (
            {"instances": 3, "ports": [65534], "port_step": 1},
            "port_step",
            "Copy 3 would listen on port 65536, and 65535 is the last one. Take a smaller step, fewer "
            "instances or lower ports.",
        ),
        (
            {"instances": 2, "ports": [8001, 8002], "port_step": 1},
            "port_step",
            "Two copies would listen on port 8002. A step of 2 keeps them apart.",
        ),
        (
            {"instances": 2, "ports": [8001], "port_step": 0},
            "port_step",
            "Two copies would listen on port 8001. A step of 1 keeps them apart.",
        ),
        (
            {"instances": 3, "min_ready": 3},
            "min_ready",
            "It has no group and 2 other copies, so that 3 more can never be ready and it would never be "
            "replaced. Name a group, raise the instances, or write a smaller number.",
        ),
    ],
)
def test_fields_that_do_not_go_together_are_named(fields: dict[str, Any], field: str, message: str) -> None:
    assert faults(declared(**fields)) == {field: [message]}


@pytest.mark.parametrize(
    "fields",
    [
        {"ready_kind": "auto", "ready_url": "nonsense", "ready_pattern": "((("},
        {"ready_kind": "notify"},
        {"health_kind": "log"},
        {"health_kind": "notify"},
        {"instances": 3, "min_ready": 2},
        {"group": "web", "min_ready": 10},
        {"instances": 100, "ports": []},
        {"instances": 2, "ports": [8001, 8010], "port_step": 1},
        {"max_age_seconds": 0.0},
    ],
)
def test_what_is_fine_is_let_be(fields: dict[str, Any]) -> None:
    assert faults(declared(**fields)) == {}


@pytest.mark.parametrize(
    "pattern",
    ["ready", r"^\[\d+\] Listening on .*:\d+", r"(?i)started in [\d.]+ ?s", r"(\d{1,3}\.){3}\d+", "a|b"],
)
def test_a_pattern_that_ends_soon_is_let_be(pattern: str) -> None:
    assert faults(declared(ready_kind="log", ready_pattern=pattern)) == {}


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("", "Write the regular expression"),
        ("(", "no regular expression"),
        ("[a", "no regular expression"),
        ("[[a]", "no regular expression"),  # Python warns that it will mean something else one day
        ("a{99999999999}", "no regular expression"),
        ("x" * 201, "201 characters"),
        ("(a+)+b", "varies in itself"),
        ("(a|a)*b", "varies in itself"),
        ("(?:a?){50}b", "varies in itself"),
        (r"(.)\1+", "varies in itself"),
        (".*a.*b.*c", "more than 2 parts"),
        (r"\S+=\w+ [^x]+", "more than 2 parts"),
    ],
)
def test_a_pattern_that_could_stop_the_supervisor_is_refused(pattern: str, words: str) -> None:
    (message,) = faults(declared(ready_kind="log", ready_pattern=pattern))["ready_pattern"]
    assert words in message


def test_ports_that_others_declare_too_are_told_and_no_fault() -> None:
    web = declared(instances=3, ports=[8001], port_step=1)
    others = {"backend": declared(ports=[8003]), "database": declared(ports=[5432])}
    assert faults(web) == {}
    assert shared_ports(web, others) == [
        "Port 8003 (of copy 3) is declared by backend too: only one of the two can run at a time. "
        "Give one of them another port, or never start both."
    ]
