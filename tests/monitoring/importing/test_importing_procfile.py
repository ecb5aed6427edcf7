"""A Procfile becomes services, with the ports that foreman would give."""

from pathlib import Path

import pytest

from monitoring.importers import formats
from monitoring.importers.faults import ImportProblem
from monitoring.importers.sources import Options, Source, read_file
from tests.monitoring.importing.foreign import SAMPLES, faults, fields, listed, said, sample, text


def test_a_procfile_in_the_manner_of_a_shop_on_rails() -> None:
    document = sample("Procfile.rails", env="dotenv.rails")
    assert faults(document) == []
    assert list(document.services) == ["web", "worker", "css", "cable", "sync", "release"]
    web = fields(document, "web")
    assert web["command"] == [
        "bundle", "exec", "puma", "-C", "config/puma.rb", "-p", "3000", "-e", "production",
    ]  # fmt: skip
    assert (web["ports"], web["cwd"], web["stop_timeout_seconds"]) == ([3000], str(SAMPLES), 5.0)
    assert web["env"]["GREETING"] == "line one\nline two"
    worker = fields(document, "worker")
    assert worker["command"][-1] == "mailers, slow"
    assert (worker["env"]["RAILS_MAX_THREADS"], worker["env"]["PORT"]) == ("10", "3100")
    assert "ports" not in worker
    # exec is no program, and the variable is one of the file.
    assert fields(document, "cable")["command"][:6] == [
        "bundle",
        "exec",
        "puma",
        "--port",
        "28080",
        "cable/config.ru",
    ]
    assert fields(document, "css")["command"] == [
        "/bin/sh", "-c", "bin/rails tailwindcss:watch | tee log/css.log",
    ]  # fmt: skip
    release = fields(document, "release")
    assert (release["autostart"], release["restart_policy"]) == (False, "never")
    assert "a pipe" in said(document, "css")
    assert listed(document, mapped=False) == [(7, ""), (9, "")]


def test_a_secret_is_left_to_the_shell() -> None:
    document = sample("Procfile.rails", env="dotenv.rails")
    assert fields(document, "sync")["command"][2] == "bundle exec bin/sync --token $API_TOKEN"
    assert "s3 cret" not in str(fields(document, "sync")["command"]) + said(document, "sync")


def test_without_a_file_of_variables_ports_begin_at_5000() -> None:
    document = text("web: serve -p $PORT\napi: serve -p ${PORT}\n", "procfile")
    assert fields(document, "web")["command"] == ["serve", "-p", "5000"]
    assert fields(document, "api")["ports"] == [5100]


def test_a_variable_that_nobody_declares_is_told() -> None:
    document = text("web: serve $UNHEARD $HOME\n", "procfile")
    assert fields(document, "web")["command"][:2] == ["/bin/sh", "-c"]
    told = said(document, "web")
    assert "Nothing here says what $UNHEARD will be" in told
    assert "$HOME" not in told


def test_a_file_of_variables_that_is_not_asked_for_is_told(tmp_path: Path) -> None:
    (tmp_path / "Procfile").write_text("web: serve\n")
    (tmp_path / ".env").write_text("A=1\n")
    document = formats.read([read_file(tmp_path / "Procfile")], None, Options())
    assert "Give --env .env to take its variables over." in said(document, "")
    assert "A" not in fields(document, "web")["env"]


def test_a_file_of_variables_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "Procfile").write_text("web: serve\n")
    with pytest.raises(ImportProblem, match="There is no such file"):
        formats.read([read_file(tmp_path / "Procfile")], None, Options(env="no.env"))


def test_a_text_alone_reads_no_file_of_variables() -> None:
    with pytest.raises(ImportProblem, match="read only where the Procfile is a file of this machine"):
        formats.read([Source("Procfile", "web: x", "/etc")], None, Options(env="hostname"))


def test_a_quote_that_is_not_closed_is_a_fault() -> None:
    assert faults(text("web: serve\nbad: serve 'x\n", "procfile")) == [
        (2, "bad", "A single quote is opened and not closed.")
    ]


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("a; b", "a semicolon"),
        ("a > log", "a redirection"),
        ("(a)", "parentheses"),
        ("a `b`", "a command substitution"),
        ("a $(b)", "a command substitution"),
        ("a *.py", "a pattern for file names"),
        ("a ~/b", "~ for a home directory"),
        ("cd x", "cd, which is the shell's own"),
        ("a $1", "$1"),
        ("a &", "& or &&"),
        ("a {b,c}", "braces"),
    ],
)
def test_what_needs_a_shell_gets_one_and_is_told(command: str, why: str) -> None:
    document = text(f"web: {command}\n", "procfile")
    assert fields(document, "web")["command"] == ["/bin/sh", "-c", command]
    assert f"It is run by /bin/sh -c, since it has {why}." in said(document, "web")
