"""Settings from the environment: all faults told together, secrets from files, no default key."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from medimgr.environment import Environment
from tests.running import ROOT, clean_environment

Sources = dict[str, str]


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Environment:
    """An Environment without a .env file; tests set variables with monkeypatch."""
    return Environment(tmp_path / "no.env")


def faults(environment: Environment) -> str:
    with pytest.raises(ImproperlyConfigured) as caught:
        environment.seal({})
    return str(caught.value)


def test_all_bad_variables_are_reported_together(read: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLAG", "perhaps")
    monkeypatch.setenv("COUNT", "many")
    monkeypatch.setenv("SMALL", "0")
    monkeypatch.setenv("WAIT", "soon")
    monkeypatch.setenv("STORE", "mysql://host/name")
    monkeypatch.delenv("KEY", raising=False)
    read.flag("FLAG", False)
    read.number("COUNT", 1)
    read.number("SMALL", 1, least=1)
    read.seconds("WAIT", 1.0)
    read.database("STORE", "sqlite:///x")
    read.secret("KEY", remedy="Write one.")
    message = faults(read)
    assert message.startswith("6 setting(s)")
    assert "FLAG='perhaps' is neither true nor false. Write true or false." in message
    assert "COUNT='many' is not a whole number." in message
    assert "SMALL=0 is too small. Write 1 or more." in message
    assert "WAIT='soon' is not a number of seconds" in message
    assert "STORE starts with 'mysql'. Use sqlite:///" in message
    assert "KEY is not set. Write one." in message


@pytest.mark.parametrize("raw", ["nan", "inf", "-1", "1s"])
def test_a_duration_is_a_finite_number_of_seconds(
    raw: str, read: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAIT", raw)
    assert read.seconds("WAIT", 2.5) == 2.5
    assert "WAIT=" in faults(read)


@pytest.mark.parametrize(
    ("raw", "meant"), [("1", True), ("Yes", True), ("ON", True), ("0", False), ("no", False)]
)
def test_a_flag_may_be_written_in_the_usual_ways(
    raw: str, meant: bool, read: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLAG", raw)
    assert read.flag("FLAG", not meant) is meant
    read.seal({})


def test_an_empty_variable_counts_as_not_set(read: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FLAG", "COUNT", "WAIT", "LIST", "STORE"):
        monkeypatch.setenv(name, "")
    assert read.flag("FLAG", True) is True
    assert read.number("COUNT", 7, least=1) == 7
    assert read.seconds("WAIT", 1.5, least=1) == 1.5
    assert read.names("LIST", ["a"]) == ["a"]
    assert read.database("STORE", "sqlite:////tmp/x.sqlite3")["NAME"] == "/tmp/x.sqlite3"
    read.seal({})


def test_a_list_loses_blanks_and_empty_parts(read: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIST", " one, two,,three ,")
    assert read.names("LIST", []) == ["one", "two", "three"]


def test_a_secret_may_come_from_a_file(
    read: Environment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text("from the file\n")
    monkeypatch.setenv("KEY_FILE", str(tmp_path / "key"))
    monkeypatch.setenv("KEY", "from the variable")
    assert read.secret("KEY", remedy="") == "from the file"
    read.seal({})


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe"])
def test_a_secrets_file_that_cannot_serve_is_named(
    content: bytes | None, read: Environment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setenv("KEY_FILE", str(path))
    read.secret("KEY", remedy="Write one.")
    assert "KEY" in faults(read)


def test_a_bad_value_of_a_secret_never_shows_in_the_message(
    read: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORE", "postgresql://user:hunter2@host:notaport/name")
    read.database("STORE", "sqlite:///x")
    assert "hunter2" not in faults(read)


def test_the_database_s_url_may_come_from_a_file(
    read: Environment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "url").write_text("postgresql://user:hunter2@host/name\n")
    monkeypatch.setenv("STORE_FILE", str(tmp_path / "url"))
    assert read.database("STORE", "sqlite:///x")["PASSWORD"] == "hunter2"
    read.seal({})


@pytest.mark.parametrize("content", ["", "hunter2\n", None])
def test_a_file_without_the_database_s_url_is_refused_and_does_not_show(
    content: str | None, read: Environment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "url").write_text(content)
    monkeypatch.setenv("STORE_FILE", str(tmp_path / "url"))
    read.database("STORE", "sqlite:///x")  # which would be somebody else's data
    told = faults(read)
    assert "STORE" in told
    assert "hunter2" not in told


@pytest.mark.parametrize("source", ["variable", "file"])
@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("a-token-that-nobody-guesses", ""),
        ("hunter2", "TOKEN is too short to be a secret. Write 16 characters or more."),
        ("a-tökén-that-nobody-guesses", "TOKEN has characters that no header carries."),
        ("a token that nobody guesses", "TOKEN has characters that no header carries."),
    ],
)
def test_a_token_has_to_be_long_and_fit_into_a_header(
    value: str, fault: str, source: str, read: Environment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if source == "file":
        (tmp_path / "token").write_text(f"{value}\n", encoding="utf-8")
        monkeypatch.setenv("TOKEN_FILE", str(tmp_path / "token"))
    else:
        monkeypatch.setenv("TOKEN", value)
    assert read.optional_secret("TOKEN", least=16) == value
    if not fault:
        read.seal({})
        return
    told = faults(read)
    assert fault in told
    assert value not in told


def test_a_token_may_be_missing_but_not_its_file(
    read: Environment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert read.optional_secret("TOKEN", least=16) == ""
    read.seal({})
    monkeypatch.setenv("TOKEN_FILE", str(tmp_path / "token"))
    assert read.optional_secret("TOKEN", least=16) == ""
    assert "TOKEN_FILE" in faults(read)
    (tmp_path / "token").touch()
    read.optional_secret("TOKEN", least=16)
    assert "TOKEN is too short" in faults(read)


def test_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("MEDIMGR_TEST_A=file\nMEDIMGR_TEST_B=file\n")
    monkeypatch.setenv("MEDIMGR_TEST_A", "environment")
    monkeypatch.setenv("MEDIMGR_TEST_B", "x")
    monkeypatch.delenv("MEDIMGR_TEST_B")
    environment = Environment(tmp_path / ".env")
    assert environment.text("MEDIMGR_TEST_A") == "environment"
    assert environment.text("MEDIMGR_TEST_B") == "file"
    del os.environ["MEDIMGR_TEST_B"]


# --- the real settings, in a process of their own -------------------------------------------------


def load_settings(tmp_path: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    env = clean_environment() | {"MEDIMGR_DATA_DIR": str(tmp_path / "data"), **variables}
    return subprocess.run(
        [
            sys.executable,
            "manage.py",
            "shell",
            "-v0",
            "-c",
            "from django.conf import settings as s; print(s.DATABASES)",
        ],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )


def test_medimgr_does_not_start_without_a_secret_key(tmp_path: Path) -> None:
    outcome = load_settings(tmp_path)
    assert outcome.returncode != 0
    assert "DJANGO_SECRET_KEY is not set. script/bootstrap writes one" in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_bad_settings_are_told_in_one_message_without_a_traceback(tmp_path: Path) -> None:
    outcome = load_settings(
        tmp_path, DJANGO_SECRET_KEY="x" * 50, DJANGO_DEBUG="maybe", MEDIMGR_STREAM_MAX_CONNECTIONS="0"
    )
    assert outcome.returncode != 0
    assert "2 setting(s)" in outcome.stderr
    assert "DJANGO_DEBUG" in outcome.stderr
    assert "MEDIMGR_STREAM_MAX_CONNECTIONS=0 is too small" in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_the_data_directory_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    outcome = load_settings(tmp_path, DJANGO_SECRET_KEY="x" * 50)
    assert outcome.returncode == 0, outcome.stderr
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700
    assert str(tmp_path / "data" / "medimgr.sqlite3") in outcome.stdout


def test_addresses_and_networks_are_read_and_what_is_neither_is_named(
    read: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROXIES", "10.0.0.7, 10.1.0.0/16,fd00::/8")
    assert [str(one) for one in read.networks("PROXIES")] == ["10.0.0.7/32", "10.1.0.0/16", "fd00::/8"]
    monkeypatch.setenv("PROXIES", "10.0.0.7,proxy.example,10.0.0.7/8")
    read.networks("PROXIES")
    message = faults(read)
    assert "PROXIES: 'proxy.example' is no address and no network." in message
    assert "PROXIES: '10.0.0.7/8' is no address and no network." in message, "a mistake in a mask"
