"""Every field of a valid declaration survives an export and an import, on both databases."""

import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitoring.importers.document import FIELDS
from monitoring.importers.toml_writing import export_services
from monitoring.models import Service
from tests.factories import make_service
from tests.monitoring.declarations import declared
from tests.monitoring.importing.files import faults_of, load, one, what_changed

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]

texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)
braced = st.lists(st.sampled_from(["{", "}", "python", "project", "x", "/"]), max_size=8).map("".join)
commands = st.lists(texts | braced, max_size=4).map(lambda rest: [sys.executable, *rest])
maybe_commands: st.SearchStrategy[list[str]] = st.just([]) | commands
urls = st.sampled_from(["http://127.0.0.1:8001/x", "http://[::1]/", "http://h/%7Bpython%7D?a={python}"])
amounts = st.integers(0, 2**63 - 1) | st.just("unlimited")


def seconds(least: float, most: float) -> st.SearchStrategy[float]:
    return st.floats(least, most, allow_nan=False) | st.sampled_from([least, most, 10.0])


def pairs_in_order(pair: tuple[Any, Any]) -> list[Any]:
    return sorted(pair, key=lambda amount: float("inf") if amount == "unlimited" else amount)


VALUES: dict[str, st.SearchStrategy[Any]] = {
    "name": texts.map(str.strip).filter(bool),
    "description": texts,
    "group": st.sampled_from(["web", "über", "a b", '"']) | texts.map(lambda text: text.strip() or "g"),
    "command": commands,
    "cwd": st.sampled_from(["", "/", str(Path(__file__).parents[3])]),
    "env": st.dictionaries(
        st.from_regex(r"\A[A-Z_][A-Z0-9_]{0,9}\Z"), texts | braced | st.integers(), max_size=4
    ),
    "user": st.sampled_from(["", "root"]),
    "user_group": st.sampled_from(["", "root"]),
    "umask": st.sampled_from(["", "027", "77"]),
    "nice": st.none() | st.integers(-20, 19),
    "rlimits": st.dictionaries(
        st.sampled_from(["nofile", "core", "nproc", "as"]),
        amounts | st.tuples(amounts, amounts).map(pairs_in_order),
        max_size=3,
    ),
    "instances": st.integers(1, 4),
    "port_step": st.integers(200, 300),
    "autostart": st.booleans(),
    "priority": st.integers(-1000, 1000),
    "schedule": st.sampled_from(["", "30 2 * * 1-5", "*/5 * * * *", "@daily"]),
    "schedule_time_zone": st.sampled_from(["", "UTC", "Europe/Berlin"]),
    "start_seconds": seconds(0, 3600),
    "start_timeout_seconds": seconds(0.1, 3600),
    "ready_kind": st.sampled_from(["auto", "tcp", "http", "log", "notify"]),
    "ready_url": urls,
    "ready_port": st.integers(1, 65535),
    "ready_pattern": st.sampled_from([r"listening on \S+:\d+", '"quoted\\\\"', "{python}", "ünï"]),
    "restart_policy": st.sampled_from(["always", "on-failure", "never"]),
    "success_exit_codes": st.lists(st.integers(0, 127), min_size=1, max_size=4),
    "success_signals": st.lists(st.sampled_from(["SIGTERM", "SIGINT", "SIGUSR1"]), max_size=3),
    "fatal_exit_codes": st.lists(st.integers(128, 255), max_size=3),
    "fatal_retry_seconds": seconds(0, 86400),
    "backoff_base_seconds": seconds(0, 3600),
    "backoff_cap_seconds": seconds(0.1, 86400),
    "stable_seconds": seconds(0.1, 86400),
    "max_failures": st.integers(0, 10),
    "failure_window_seconds": seconds(1, 86400),
    "stop_url": st.just("") | urls,
    "stop_command": maybe_commands,
    "stop_request_seconds": seconds(0.1, 3600),
    "stop_signal": st.sampled_from(["SIGTERM", "SIGINT", "SIGQUIT"]),
    "stop_timeout_seconds": seconds(0, 3600),
    "pre_start_command": maybe_commands,
    "post_start_command": maybe_commands,
    "pre_stop_command": maybe_commands,
    "post_stop_command": maybe_commands,
    "hook_timeout_seconds": seconds(0.1, 3600),
    "health_kind": st.sampled_from(["none", "http", "tcp", "exec", "log", "notify"]),
    "health_url": urls,
    "health_body": texts,
    "health_port": st.integers(1, 65535),
    "health_command": commands,
    "health_silence_seconds": seconds(0.5, 86400),
    "health_interval_seconds": seconds(0.1, 3600),
    "health_timeout_seconds": seconds(0.1, 300),
    "health_failures": st.integers(1, 10),
    "health_successes": st.integers(1, 10),
    "health_restart": st.booleans(),
    "max_memory_mb": st.integers(0, 10**6),
    "max_cpu_percent": seconds(0, 100_000),
    "max_cpu_seconds": seconds(5, 3600),
    "max_age_seconds": st.just(0.0) | seconds(10, 86400),
    "max_requests": st.integers(0, 10**6),
    "min_ready": st.integers(0, 1000),
    "log_max_mb": st.integers(1, 100_000),
    "log_keep": st.integers(0, 1000),
    "log_compress": st.booleans(),
    "log_stderr_apart": st.booleans(),
    "ports": st.lists(st.integers(20_000, 20_199), max_size=3, unique=True),
    "warning": texts,
}


def compatible(fields: dict[str, Any]) -> dict[str, Any]:
    """Take out what cannot stand beside something else."""
    if fields["stop_url"]:
        fields["stop_command"] = []
    if fields["schedule"]:
        fields["instances"] = 1
    return fields


services = st.fixed_dictionaries(VALUES).map(compatible)


def test_each_field_that_a_file_may_hold_is_generated() -> None:
    assert set(VALUES) == set(FIELDS)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(fields=services)
def test_a_valid_service_comes_back_as_it_was(tmp_path: Path, fields: dict[str, Any]) -> None:
    try:
        declared(**fields).full_clean(exclude={"node"}, validate_unique=False)
    except ValidationError as refused:
        pytest.fail(f"The test makes bad declarations: {refused.message_dict}")
    Service.objects.all().delete()
    make_service("web.1", **fields)
    before = values()
    text = export_services(Service.objects.all())
    assert what_changed(load(tmp_path, text)) == {"web.1": "unchanged"}
    assert values() == before
    # Into an empty database it makes the same service again; a process gets texts, whatever they were.
    Service.objects.all().delete()
    load(tmp_path, text)
    before["env"] = {name: str(value) for name, value in before["env"].items()}
    assert values() == before
    assert export_services(Service.objects.all()) == text


def values() -> dict[str, Any]:
    """Return what the database has of the service that is no copy."""
    service = Service.objects.get(instance_of=None)
    return {name: getattr(service, name) for name in FIELDS}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("rlimits = [1]", "Write names and limits"),
        ('success_signals = "SIGTERM"', "names of signals"),
        ("fatal_exit_codes = 78", "exit codes"),
        ('stop_command = "stop.sh"', "list of texts"),
        ("pre_start_command = [1]", "list of texts"),
        ("health_command = {}", "list of texts"),
        ("nice = 1.5", "whole number"),
        ("log_compress = 1", "true or false"),
        ("max_cpu_percent = inf", "Write a number"),
        (f"max_cpu_percent = 1{'0' * 400}", "out of any range"),
        ("schedule = 5", "text in quotes"),
        ('schedule = "every night"', "five"),
        ('schedule_time_zone = "Mars/Base"', "Mars/Base"),
        ('ready_kind = "log"\nready_pattern = "("', "regular expression"),
        ("rlimits = { files = 3 }", "There is no limit 'files'"),
        ("fatal_exit_codes = [0]", "a success too"),
        ("instances = 2\nports = [65535]\nport_step = 1", "port 65536"),
    ],
)
def test_what_is_wrong_is_told_with_service_field_and_line(line: str, words: str, tmp_path: Path) -> None:
    (fault,) = faults_of(tmp_path, one(line))
    assert fault.line in {3, 4, 5}
    assert fault.key.startswith("services.web.")
    assert words in fault.message


def test_whoever_waits_for_a_scheduled_service_waits_for_its_end(tmp_path: Path) -> None:
    nightly = '[services.nightly]\ncommand = ["{python}"]\nschedule = "30 2 * * *"\n'
    (fault,) = faults_of(tmp_path, nightly + one('depends_on = { nightly = "started" }'))
    assert (fault.line, fault.key) == (6, "services.web.depends_on.nightly")
    assert "wait for it with the condition 'completed'" in fault.message
    load(tmp_path, nightly + one('depends_on = { nightly = "completed" }'))
