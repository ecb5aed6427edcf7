"""Each difference says whether a process that runs takes it over only with a restart."""

import sys
from typing import Any

import pytest

from monitoring.importers.differences import differences
from monitoring.importers.document import FIELDS
from monitoring.models import Service
from tests.factories import make_service

pytestmark = pytest.mark.django_db

NEEDS_A_RESTART: dict[str, Any] = {
    "command": [sys.executable, "-V"],
    "cwd": "/tmp",
    "env": {"A": "2"},
    "user": "nobody",
    "user_group": "nogroup",
    "umask": "077",
    "nice": 5,
    "rlimits": {"nofile": 99},
    "log_stderr_apart": True,
}
APPLIES_LIVE: dict[str, Any] = {
    "priority": 7,
    "description": "x",
    "stop_signal": "SIGINT",
    "stop_timeout_seconds": 1.0,
    "health_interval_seconds": 9.0,
    "restart_policy": "never",
    "max_memory_mb": 100,
    "log_max_mb": 9,
    "schedule": "0 0 * * *",
    "instances": 3,
}


def changed(service: Service, name: str, value: Any) -> bool:
    before = {field: getattr(service, field) for field in FIELDS}
    (difference,) = differences(service, before, before | {name: value}).values()
    assert difference.new == value
    return difference.restart


@pytest.mark.parametrize("name", NEEDS_A_RESTART)
def test_what_a_process_was_started_with_needs_a_restart(name: str) -> None:
    assert changed(make_service("web", env={"A": "1"}), name, NEEDS_A_RESTART[name])


@pytest.mark.parametrize("name", APPLIES_LIVE)
def test_what_the_supervisor_looks_up_each_time_applies_live(name: str) -> None:
    assert not changed(make_service("web", env={"A": "1"}), name, APPLIES_LIVE[name])


def test_a_port_needs_a_restart_where_the_command_names_it() -> None:
    service = make_service("web", command=["serve", "{port}"], ports=[9001], instances=2)
    assert changed(service, "ports", [9005])
    assert not changed(make_service("other", ports=[9011], instances=2), "ports", [9015])


def test_a_service_that_breaks_the_rules_needs_one_to_be_sure() -> None:
    service = make_service("web")
    service.umask = "nonsense"
    assert changed(service, "priority", 7)


def test_what_is_new_needs_none() -> None:
    before = {"command": [], "priority": 100}
    found = differences(None, before, {"command": ["x"], "priority": 100})
    assert [(name, difference.restart) for name, difference in found.items()] == [("command", False)]
