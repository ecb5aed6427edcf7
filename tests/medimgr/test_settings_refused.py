"""Bad configuration is refused at every start, all of it in one message, each with its id and its remedy."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medimgr.environment import Environment
from tests.running import ROOT, clean_environment
from tests.test_architecture import example_variables

BAD = {
    "DJANGO_SECRET_KEY": "",
    "DJANGO_DEBUG": "maybe",
    "DJANGO_ALLOWED_HOSTS": "https://ops.example",
    "DJANGO_CSRF_TRUSTED_ORIGINS": "ops.example",
    "DJANGO_SECURE_COOKIES": "perhaps",
    "DJANGO_SSL_REDIRECT": "2",
    "DJANGO_HSTS_SECONDS": "a year",
    "DJANGO_HSTS_SUBDOMAINS": "all",
    "DATABASE_URL": "mysql://somebody:hunter2@host/name",
    "MEDIMGR_DATA_DIR": "/proc/nowhere",
    "MEDIMGR_NODE": "n" * 101,
    "TZ": "Europe/Nowhere",
    "MEDIMGR_LOG_LEVEL": "LOUD",
    "MEDIMGR_LOG_FORMAT": "xml",
    "MEDIMGR_TRUSTED_PROXIES": "proxy.example",
    "MEDIMGR_METRICS_TOKEN": "hunter2",
    "MEDIMGR_METRICS_NETWORKS": "10.0.0.0/99",
    "MEDIMGR_TOKEN_KEYS": "hunter2",
    "MEDIMGR_ENCRYPTION_KEYS": "hunter2",
    "MEDIMGR_STREAM_DIRECT": "off and on",
}
"""A value that is wrong, of every variable that is no number."""
ANYTHING_GOES = {
    "DJANGO_SUPERUSER_USERNAME": "read by create_first_admin alone, which checks it",
    "DJANGO_SUPERUSER_PASSWORD": "read by create_first_admin alone, which warns of a weak one",
    "DJANGO_SUPERUSER_EMAIL": "read by create_first_admin alone, which checks it",
}
NUMBERS = sorted(example_variables() - BAD.keys() - ANYTHING_GOES.keys())
STARTS = {
    "up": ["manage.py", "up"],
    "supervise": ["manage.py", "supervise"],
    "run_operations": ["manage.py", "run_operations"],
    "purge_operations": ["manage.py", "purge_operations"],
    "check": ["manage.py", "check"],
    "web worker": ["-m", "medimgr.web_worker", "--fd", "0"],
    "daphne": ["-m", "daphne", "-p", "0", "medimgr.asgi:application"],
}


def started(start: str, tmp_path: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, *STARTS[start]],
        cwd=ROOT,
        env=clean_environment()
        | {"MEDIMGR_DATA_DIR": str(tmp_path / "data"), "DJANGO_SETTINGS_MODULE": "medimgr.settings"}
        | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def told(output: str) -> dict[str, str]:
    """Return what is said of each id and variable, by the variable's name."""
    lines = re.findall(r"^  - medimgr\.E\d+: (.*)$", output, re.MULTILINE)
    return {
        match[0]: line
        for line in lines
        if (match := re.search(r"\b(?:DJANGO|MEDIMGR)_[A-Z_]+|\bDATABASE_URL|\bTZ", line))
    }


@pytest.mark.parametrize("start", STARTS)
def test_every_start_names_every_bad_variable_at_once(start: str, tmp_path: Path) -> None:
    outcome = started(start, tmp_path, **BAD | dict.fromkeys(NUMBERS, "many"))
    found = told(outcome.stderr)
    assert found.keys() == example_variables() - ANYTHING_GOES.keys()
    assert outcome.returncode != 0
    assert outcome.stdout == ""
    assert "Traceback" not in outcome.stderr
    assert "hunter2" not in outcome.stderr
    for line in found.values():
        assert re.search(r"Write|Use|Make|Name|bootstrap|is not a (whole )?number", line), line


def test_what_does_not_go_together_is_told_in_the_same_message(tmp_path: Path) -> None:
    outcome = started(
        "run_operations",
        tmp_path,
        DJANGO_SECRET_KEY="abc",
        DJANGO_DEBUG="true",
        DJANGO_ALLOWED_HOSTS="ops.example",
        DJANGO_SSL_REDIRECT="true",
        MEDIMGR_STREAM_HEARTBEAT_SECONDS="60",
        MEDIMGR_WORKSTATION_THREADS="0",
    )
    assert outcome.returncode != 0
    assert sorted(re.findall(r"medimgr\.(E\d+)", outcome.stderr)) == ["E001", "E004", "E005", "E008", "E102"]
    assert "Traceback" not in outcome.stderr


def test_every_variable_that_takes_a_number_has_been_tried() -> None:
    source = (ROOT / "medimgr/settings.py").read_text(encoding="utf-8")
    assert set(re.findall(r'env\.(?:number|seconds)\(\s*"(\w+)"', source)) <= {*NUMBERS, *BAD}


@given(
    st.text(),
    st.sampled_from(["flag", "number", "seconds", "networks", "choice", "time_zone", "word", "database"]),
)
def test_whatever_a_variable_holds_it_is_read_or_named(text: str, kind: str) -> None:
    environment = Environment(Path("/no/such/file"))
    environment.text = lambda _name, default="": text or default  # type: ignore[method-assign,assignment]
    readers: dict[str, Callable[[], object]] = {
        "flag": lambda: environment.flag("THIS", False),
        "number": lambda: environment.number("THIS", 1),
        "seconds": lambda: environment.seconds("THIS", 1.0),
        "networks": lambda: environment.networks("THIS"),
        "choice": lambda: environment.choice("THIS", "one", ("one", "two")),
        "time_zone": lambda: environment.time_zone("THIS", "UTC"),
        "word": lambda: environment.word("THIS", "name", longest=20),
        "database": lambda: environment.database("THIS", "sqlite:///x"),
    }
    readers[kind]()
    assert all(fault.startswith("medimgr.E1") and "THIS" in fault for fault in environment._faults)
