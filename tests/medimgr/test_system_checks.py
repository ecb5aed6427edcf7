"""Settings that contradict each other are found, by an id and with a hint."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core import checks
from django.core.management import call_command
from django.test import override_settings
from django.utils import timezone

from medimgr import checks as ours
from monitoring.models import Node
from tests.factories import make_node

Check = Callable[..., list[checks.CheckMessage]]

CONTRADICTIONS: list[tuple[str, Check, dict[str, Any], dict[str, Any]]] = [
    # id, check, settings that contradict each other, and settings that are fine
    (
        "medimgr.E001",
        ours.check_debug_stays_at_home,
        {"DEBUG": True, "ALLOWED_HOSTS": ["localhost", "ops.example"]},
        {"DEBUG": True, "ALLOWED_HOSTS": ["localhost", "127.0.0.1", "127.1.2.3", "[::1]", "a.localhost"]},
    ),
    (
        "medimgr.E001",
        ours.check_debug_stays_at_home,
        {"DEBUG": True, "ALLOWED_HOSTS": ["10.0.0.1"]},
        {"DEBUG": False, "ALLOWED_HOSTS": ["10.0.0.1"]},
    ),
    (
        "medimgr.E002",
        ours.check_data_directory,
        {"MEDIMGR_DATA_DIR": Path("/no/such/place")},
        {},
    ),
    (
        "medimgr.E004",
        ours.check_heartbeat_outpaces_the_watchdog,
        {"MEDIMGR_STREAM_HEARTBEAT_SECONDS": 45.0},
        {"MEDIMGR_STREAM_HEARTBEAT_SECONDS": 30.0},
    ),
    (
        "medimgr.W001",
        ours.check_hosts_are_named,
        {"ALLOWED_HOSTS": ["*"]},
        {"ALLOWED_HOSTS": ["ops.example"]},
    ),
    (
        "medimgr.W002",
        ours.check_cookies_fit_the_origins,
        {"CSRF_TRUSTED_ORIGINS": ["https://ops.example"], "SESSION_COOKIE_SECURE": False},
        {"CSRF_TRUSTED_ORIGINS": ["https://ops.example"], "SESSION_COOKIE_SECURE": True},
    ),
    (
        "medimgr.W003",
        ours.check_stream_limits,
        {"MEDIMGR_STREAM_MAX_PER_ADDRESS": 11, "MEDIMGR_STREAM_MAX_CONNECTIONS": 10},
        {"MEDIMGR_STREAM_MAX_PER_ADDRESS": 10, "MEDIMGR_STREAM_MAX_CONNECTIONS": 10},
    ),
]


@pytest.mark.parametrize(("id_", "check", "wrong", "fine"), CONTRADICTIONS)
def test_a_contradiction_is_found(
    id_: str, check: Check, wrong: dict[str, Any], fine: dict[str, Any]
) -> None:
    with override_settings(**wrong):
        (message,) = check(None)
    assert message.id == id_
    assert message.hint
    assert message.is_serious() is id_.startswith("medimgr.E")
    with override_settings(**fine):
        assert check(None) == []


def test_a_file_is_no_data_directory(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with override_settings(MEDIMGR_DATA_DIR=file):
        assert [message.id for message in ours.check_data_directory(None)] == ["medimgr.E002"]


@pytest.mark.django_db
def test_several_nodes_on_one_sqlite_file_are_found() -> None:
    from django.db import connection

    make_node()
    Node.objects.update(heartbeat_at=timezone.now())
    assert ours.check_sqlite_has_one_node(None, databases=["default"]) == []
    make_node("elsewhere")
    assert ours.check_sqlite_has_one_node(None, databases=["default"]) == [], "it has never reported"
    Node.objects.update(heartbeat_at=timezone.now())
    found = [message.id for message in ours.check_sqlite_has_one_node(None, databases=["default"])]
    assert found == (["medimgr.E003"] if connection.vendor == "sqlite" else [])


def test_without_leave_no_check_touches_the_database() -> None:
    # No django_db mark: a query would fail the test.
    assert ours.check_sqlite_has_one_node(None, databases=None) == []
    call_command("check")


def test_the_checks_are_registered() -> None:
    registered = checks.registry.registry.registered_checks
    mine = {name for name in vars(ours) if name.startswith("check_")}
    assert mine <= {getattr(check, "__name__", "") for check in registered}
    assert len(mine) == 7


def test_the_settings_as_they_are_have_no_fault() -> None:
    assert [message for message in checks.run_checks() if (message.id or "").startswith("medimgr.")] == []
