"""A declaration in words, by subject, as the page of a service shows it."""

import sys
from typing import Any

import pytest

from monitoring import declared as words
from monitoring.importers.document import FIELDS
from tests.monitoring.declarations import declared

PROGRAM = [sys.executable, "-c", "a b"]


def said(subject: str, **fields: Any) -> dict[str, str]:
    return dict(dict(words.subjects(declared(**fields))).get(subject, []))


def test_a_plain_service_says_little() -> None:
    told = words.subjects(declared())
    assert [subject for subject, _ in told] == [
        "Program",
        "Start",
        "Restart",
        "Stop and hooks",
        "Health",
        "Logs",
    ]
    assert said("Start") == {"Starts": "with the supervisor", "Ready": "once up for 1 s"}
    assert said("Health") == {"Health check": "none"}
    assert said("Limits") == {}


@pytest.mark.parametrize(
    ("subject", "label", "fields", "sentence"),
    [
        ("Program", "Account", {"user": "www", "user_group": "media"}, "www group media"),
        ("Program", "Nice", {"nice": 0}, "0"),
        (
            "Program",
            "Resource limits",
            {"rlimits": {"nofile": [1024, 4096], "core": 0, "as": "unlimited"}},
            "as unlimited, core 0, nofile 1024, at most 4096",
        ),
        (
            "Program",
            "Copies",
            {"instances": 3, "ports": [8001], "port_step": 10},
            "3, up to web-3, each with ports 10 higher",
        ),
        ("Start", "Schedule", {"schedule": "30 2 * * *"}, "30 2 * * * (UTC)"),
        ("Start", "Starts", {"schedule": "30 2 * * *"}, "at its times"),
        (
            "Start",
            "Ready",
            {"ready_kind": "log", "ready_pattern": r"listening on \d+"},
            r"when a line of its log matches listening on \d+, 30 s at most",
        ),
        (
            "Start",
            "Ready",
            {"ready_kind": "tcp", "ready_port": 80},
            "when port 80 accepts connections, 30 s at most",
        ),
        (
            "Start",
            "Ready",
            {"ready_kind": "notify"},
            "when it sends READY=1 to its NOTIFY_SOCKET, 30 s at most",
        ),
        ("Start", "Ready", {"health_kind": "tcp"}, "when its health check succeeds, 30 s at most"),
        (
            "Restart",
            "No failure",
            {"success_exit_codes": [0, 2], "success_signals": ["SIGTERM"]},
            "exit code 2, SIGTERM",
        ),
        ("Restart", "Not restarted", {"fatal_exit_codes": [78, 79]}, "after exit code 78, 79"),
        ("Restart", "Given up", {"fatal_retry_seconds": 3600.0}, "tried once more after 1 h"),
        ("Restart", "Auto-recovery", {"max_failures": 3}, "3 failures in 10 min turn it off"),
        (
            "Stop and hooks",
            "Stop",
            {"stop_url": "http://u:hunter2@h/stop"},
            "POST http://u:••••••@h/stop; after 5 s SIGTERM, killed after 10 s",
        ),
        ("Stop and hooks", "Before each start", {"pre_start_command": PROGRAM}, f"{sys.executable} -c 'a b'"),
        (
            "Health",
            "Health check",
            {"health_kind": "exec", "health_command": PROGRAM},
            f"{sys.executable} -c 'a b'",
        ),
        ("Health", "Health check", {"health_kind": "log"}, "its log, not silent for 1 min"),
        (
            "Health",
            "Health check",
            {"health_kind": "http", "health_url": "http://h/", "health_body": "ok"},
            "http://h/, holding “ok”",
        ),
        ("Limits", "Replaced", {"max_memory_mb": 500}, "above 500 MB"),
        ("Limits", "Only while", {"min_ready": 1, "group": "web"}, "at least 1 other of web ready"),
        ("Logs", "Standard error", {"log_stderr_apart": True}, "in a log of its own"),
    ],
)
def test_what_is_declared_is_said(subject: str, label: str, fields: dict[str, Any], sentence: str) -> None:
    assert said(subject, **fields)[label] == sentence


CHANGED: dict[str, Any] = {
    "command": [sys.executable, "-V"],
    "cwd": "/tmp",
    "env": {"A": "b"},
    "user": "root",
    "user_group": "root",
    "umask": "027",
    "nice": 3,
    "rlimits": {"core": 0},
    "schedule": "@daily",
    "schedule_time_zone": "Europe/Berlin",
    "ready_kind": "notify",
    "ready_url": "http://other/",
    "ready_port": 81,
    "ready_pattern": "other",
    "restart_policy": "never",
    "success_exit_codes": [0, 9],
    "success_signals": ["SIGINT"],
    "fatal_exit_codes": [77],
    "stop_url": "http://other/",
    "stop_command": ["true"],
    "stop_signal": "SIGINT",
    "health_kind": "exec",
    "health_url": "http://other/",
    "health_body": "other",
    "health_port": 81,
    "health_command": ["true"],
    "ports": [81],
}
# A field is said where it counts: these make the others count.
WHERE_IT_COUNTS: dict[str, dict[str, Any]] = {
    "ready_url": {"ready_kind": "http"},
    "ready_port": {"ready_kind": "tcp"},
    "ready_pattern": {"ready_kind": "log"},
    "start_timeout_seconds": {"ready_kind": "notify"},
    "schedule_time_zone": {"schedule": "@daily"},
    "port_step": {"instances": 2, "ports": [80]},
    "failure_window_seconds": {"max_failures": 3},
    "stop_request_seconds": {"stop_command": ["false"]},
    "hook_timeout_seconds": {"pre_start_command": ["false"]},
    "max_cpu_seconds": {"max_cpu_percent": 50.0},
    "health_url": {"health_kind": "http"},
    "health_body": {"health_kind": "http"},
    "health_port": {"health_kind": "tcp"},
    "health_command": {"health_kind": "exec"},
    "health_silence_seconds": {"health_kind": "log"},
    "health_interval_seconds": {"health_kind": "log"},
    "health_timeout_seconds": {"health_kind": "log"},
    "health_failures": {"health_kind": "log"},
    "health_successes": {"health_kind": "log"},
    "health_restart": {"health_kind": "log"},
}
# Told elsewhere on the page, or decided by the list's order alone.
ELSEWHERE = {"name", "description", "group", "warning", "env", "priority"}


@pytest.mark.parametrize("name", sorted(set(FIELDS) - ELSEWHERE))
def test_every_field_changes_what_is_said(name: str) -> None:
    base = WHERE_IT_COUNTS.get(name, {})
    before = words.subjects(declared(**base))
    default = getattr(declared(**base), name)
    if name in CHANGED:
        other = CHANGED[name]
    elif isinstance(default, bool):
        other = not default
    elif isinstance(default, int | float):
        other = default + 7
    else:
        other = ["true"]
    assert words.subjects(declared(**{**base, name: other})) != before


def test_values_of_the_environment_are_masked() -> None:
    service = declared(env={"PASSWORD": "hunter2", "PORT": "8001"})
    assert words.environment(service) == [("PASSWORD", "••••••"), ("PORT", "••••••")]
    assert "hunter2" not in str(words.subjects(service))
