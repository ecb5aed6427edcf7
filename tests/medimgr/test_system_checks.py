"""Settings that contradict each other are found, by an id and with a hint."""

from pathlib import Path
from typing import Any

import pytest
from django.core import checks
from django.core.management import call_command
from django.test import override_settings
from django.utils import timezone

from medimgr import checks as ours
from medimgr.contradictions import RULES
from medimgr.lib.client_address import networks
from monitoring.models import Node
from tests.factories import make_node

GOOD_KEY, OTHER_KEY = "abcdefghij" * 6, "klmnopqrst" * 6
CONTRADICTIONS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    # id, settings that contradict each other, and settings that are fine
    (
        "medimgr.E001",
        {"DEBUG": True, "ALLOWED_HOSTS": ["localhost", "ops.example"]},
        {"DEBUG": True, "ALLOWED_HOSTS": ["localhost", "127.0.0.1", "127.1.2.3", "[::1]", "a.localhost"]},
    ),
    (
        "medimgr.E001",
        {"DEBUG": True, "ALLOWED_HOSTS": ["10.0.0.1"]},
        {"DEBUG": False, "ALLOWED_HOSTS": ["10.0.0.1"]},
    ),
    (
        "medimgr.E004",
        {"MEDIMGR_STREAM_HEARTBEAT_SECONDS": 45.0},
        {"MEDIMGR_STREAM_HEARTBEAT_SECONDS": 30.0},
    ),
    (
        "medimgr.E005",
        {"SECURE_SSL_REDIRECT": True},
        {"SECURE_SSL_REDIRECT": True, "MEDIMGR_TRUSTED_PROXIES": networks(["10.0.0.7"])},
    ),
    *(
        (
            "medimgr.E006",
            {"MEDIMGR_TRUSTED_PROXIES": networks(["10.0.0.7", everybody])},
            {"MEDIMGR_TRUSTED_PROXIES": networks(["10.0.0.7", "10.1.0.0/16", "::1"])},
        )
        for everybody in ("0.0.0.0/0", "::/0")
    ),
    (
        "medimgr.E007",
        {"SECRET_KEY": GOOD_KEY, "MEDIMGR_TOKEN_KEYS": (OTHER_KEY, GOOD_KEY)},
        {"SECRET_KEY": GOOD_KEY, "MEDIMGR_TOKEN_KEYS": (OTHER_KEY, OTHER_KEY)},
    ),
    (
        "medimgr.E007",
        {"MEDIMGR_METRICS_TOKEN": OTHER_KEY, "MEDIMGR_TOKEN_KEYS": (OTHER_KEY,)},
        {"MEDIMGR_METRICS_TOKEN": "", "MEDIMGR_TOKEN_KEYS": ()},
    ),
    *(
        (
            "medimgr.E008",
            {"SECRET_KEY": weak, "ALLOWED_HOSTS": ["ops.example"]},
            {"SECRET_KEY": weak, "ALLOWED_HOSTS": ["127.0.0.1"]},
        )
        for weak in ("short", "abab" * 20, "django-insecure-" + GOOD_KEY)
    ),
    *(
        ("medimgr.E009", {"ALLOWED_HOSTS": [host]}, {"ALLOWED_HOSTS": ["ops.example", ".ops.example"]})
        for host in ("https://ops.example", "ops.example/", "ops example")
    ),
    *(
        (
            "medimgr.E010",
            {"CSRF_TRUSTED_ORIGINS": [origin]},
            {"CSRF_TRUSTED_ORIGINS": ["http://ops.example:8000", "http://*.ops.example"]},
        )
        for origin in ("ops.example", "ftp://ops.example", "http://ops.example/page", "http://")
    ),
    ("medimgr.W001", {"ALLOWED_HOSTS": ["*"]}, {"ALLOWED_HOSTS": ["ops.example"]}),
    (
        "medimgr.W002",
        {"CSRF_TRUSTED_ORIGINS": ["https://ops.example"], "SESSION_COOKIE_SECURE": False},
        {"CSRF_TRUSTED_ORIGINS": ["https://ops.example"], "SESSION_COOKIE_SECURE": True},
    ),
    (
        "medimgr.W003",
        {"MEDIMGR_STREAM_MAX_PER_ADDRESS": 11, "MEDIMGR_STREAM_MAX_CONNECTIONS": 10},
        {"MEDIMGR_STREAM_MAX_PER_ADDRESS": 10, "MEDIMGR_STREAM_MAX_CONNECTIONS": 10},
    ),
    (
        "medimgr.W004",
        {"MEDIMGR_LOGIN_MAX_FAILURES": 11, "MEDIMGR_LOGIN_MAX_FAILURES_PER_ADDRESS": 10},
        {"MEDIMGR_LOGIN_MAX_FAILURES": 10, "MEDIMGR_LOGIN_MAX_FAILURES_PER_ADDRESS": 10},
    ),
    (
        "medimgr.W005",
        {"SECURE_HSTS_SECONDS": 3600, "SESSION_COOKIE_SECURE": False},
        {"SECURE_HSTS_SECONDS": 3600, "SESSION_COOKIE_SECURE": True},
    ),
]


@pytest.mark.parametrize(("id_", "wrong", "fine"), CONTRADICTIONS)
def test_a_contradiction_is_found(id_: str, wrong: dict[str, Any], fine: dict[str, Any]) -> None:
    with override_settings(**wrong):
        found = [message for message in ours.check_settings_go_together(None) if message.id == id_]
    assert len(found) == 1
    assert found[0].hint
    assert found[0].is_serious() is id_.startswith("medimgr.E")
    with override_settings(**fine):
        assert id_ not in {message.id for message in ours.check_settings_go_together(None)}


def test_every_rule_has_an_id_of_its_own_and_a_test() -> None:
    named = [(rule.__doc__ or "").partition(":")[0] for rule in RULES]
    assert len(set(named)) == len(named)
    assert {f"medimgr.{name}" for name in named} == {id_ for id_, _, _ in CONTRADICTIONS}


def test_a_missing_data_directory_is_found() -> None:
    with override_settings(MEDIMGR_DATA_DIR=Path("/no/such/place")):
        assert [message.id for message in ours.check_data_directory(None)] == ["medimgr.E002"]


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
    assert len(mine) == 3


def test_the_settings_as_they_are_have_no_fault() -> None:
    assert [message for message in checks.run_checks() if (message.id or "").startswith("medimgr.")] == []
