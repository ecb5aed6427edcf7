"""A supervisord.conf becomes services; what has no counterpart is listed with its line."""

from pathlib import Path
from typing import Any

import pytest

from monitoring.importers import formats
from monitoring.importers.formats import guess
from monitoring.importers.sources import Options, Source, read_file
from tests.monitoring.importing.foreign import SAMPLES, faults, fields, listed, said, sample, text


def program(*lines: str, name: str = "web", before: str = "", **variables: str) -> Any:
    content = before + "\n".join([f"[program:{name}]", *lines]) + "\n"
    return text(content, "supervisord", **variables)


def one(*lines: str, **variables: str) -> dict[str, Any]:
    """Return what one program with these lines declares."""
    document = program("command = prog", *lines, **variables)
    assert faults(document) == []
    return fields(document, "web")


def test_a_file_in_the_manner_of_a_data_explorer() -> None:
    document = sample("superset.conf", wanted="supervisord", STATE="/var/state")
    assert faults(document) == []
    assert list(document.services) == ["web", "worker", "beat", "consumer"]
    web = fields(document, "web")
    assert web == {
        "name": "web",
        "command": [
            "gunicorn", "--workers", "4", "--timeout", "120", "--bind", "0.0.0.0:8088",
            "--limit-request-line", "0", "explorer.app:create_app()",
        ],
        "cwd": "/app",
        "user": "nobody",
        "env": {
            "PYTHONPATH": "/app/pythonpath",
            "LANG": "C.UTF-8",
            "FLAGS": "a=1,b=2",
            "DATABASE_PASSWORD": "pa,ss 100%",
            "DISPLAY_NAME": "web of web",
        },
        "priority": 10,
        "start_seconds": 5.0,
        "stable_seconds": 5.0,
        "backoff_base_seconds": 1.0,
        "max_failures": 4,
        "failure_window_seconds": 31.0,
        "stop_signal": "SIGQUIT",
        "stop_timeout_seconds": 60.0,
    }  # fmt: skip
    worker = fields(document, "worker")
    assert worker["instances"] == 3
    assert worker["command"][3] == "--hostname=worker{instance}@%h"
    assert (worker["group"], worker["priority"], worker["cwd"]) == ("queue", 20, str(SAMPLES))
    assert (worker["restart_policy"], worker["success_exit_codes"]) == ("on-failure", [0, 2])
    assert (worker["log_max_mb"], worker["log_keep"], worker["log_stderr_apart"]) == (20, 3, True)
    assert worker["umask"] == "027"
    beat = fields(document, "beat")
    assert beat["command"][-1] == "/var/state/beat"
    assert (beat["autostart"], beat["restart_policy"], beat["group"]) == (False, "never", "queue")
    consumer = fields(document, "consumer")
    assert (consumer["command"], consumer["ports"]) == (["consume", "--port={port}"], [9010])
    assert consumer["instances"] == 2
    assert listed(document, mapped=False) == [
        (34, "[program:web] stdout_logfile"),
        (47, "[program:worker] stdout_logfile"),
        (2, "[unix_http_server]"),
        (6, "[rpcinterface:supervisor]"),
        (9, "[supervisorctl]"),
        (13, "[supervisord] nodaemon"),
        (14, "[supervisord] logfile"),
        (15, "[supervisord] logfile_maxbytes"),
        (16, "[supervisord] pidfile"),
        (18, "[supervisord] minfds"),
        (67, "[eventlistener:memmon]"),
        (71, "[fcgi-program:php]"),
    ]


@pytest.mark.parametrize(
    ("lines", "name", "value"),
    [
        (["autorestart = true"], "restart_policy", "always"),
        (["autorestart = FALSE"], "restart_policy", "never"),
        (["autorestart = unexpected"], "restart_policy", "on-failure"),
        ([], "restart_policy", "on-failure"),
        (["exitcodes = 0, 2,77"], "success_exit_codes", [0, 2, 77]),
        (["stopsignal = USR2"], "stop_signal", "SIGUSR2"),
        (["stopsignal = sigint"], "stop_signal", "SIGINT"),
        (["stopsignal = 1"], "stop_signal", "SIGHUP"),
        (["stopwaitsecs = 0"], "stop_timeout_seconds", 0.0),
        (["startsecs = 0"], "start_seconds", 0.0),
        (["startsecs = 0"], "stable_seconds", 0.1),
        (["startretries = 0"], "max_failures", 1),
        (["redirect_stderr = false"], "log_stderr_apart", True),
        (["stdout_logfile_maxbytes = 1KB"], "log_max_mb", 1),
        (["stdout_logfile_maxbytes = 2GB"], "log_max_mb", 2048),
        (["stdout_logfile_maxbytes = 0"], "log_max_mb", 100_000),
        (["directory = %(here)s/x"], "cwd", "/srv/app/x"),
        (["user = 0"], "user", "root"),
        (["umask = 0o22"], "umask", "22"),
        (["environment = A=%(ENV_B)s"], "env", {"A": "beta"}),
        (["environment = A=1,B='2, 3',C=\"4;5\""], "env", {"A": "1", "B": "2, 3", "C": "4;5"}),
    ],
)
def test_an_option_becomes_a_field(lines: list[str], name: str, value: Any) -> None:
    from monitoring.importers.document import defaults

    assert {**defaults(), **one(*lines, B="beta")}[name] == value


def test_processes_that_differ_too_much_become_services_of_one_group() -> None:
    document = program(
        "command = prog --id %(process_num)02d",
        "process_name = %(program_name)s_%(process_num)02d",
        "numprocs = 2",
        "numprocs_start = 7",
        "user = nobody",
        "stdout_logfile_backups = 1",
    )
    assert [service.fields["command"][-1] for service in document.services.values()] == ["07", "08"]
    for key in ("web_07", "web_08"):
        assert fields(document, key)["group"] == "web"
        # What holds for the program holds for each of its processes.
        assert (fields(document, key)["user"], fields(document, key)["log_keep"]) == ("nobody", 1)
    assert "become 2 services" in said(document, "[program:web] numprocs")


@pytest.mark.parametrize(
    "command",
    [
        "prog %(process_num)s-of-%(numprocs)s {instance}",
        "prog 1%(process_num)d",
        "prog 80%(process_num)02d 90%(process_num)02d",
        "prog %(process_num)x",
    ],
)
def test_what_copies_cannot_say_is_not_said_by_copies(command: str) -> None:
    document = program(f"command = {command}", "process_name = a%(process_num)d", "numprocs = 2")
    assert list(document.services) == ["a0", "a1"]
    assert all("{port}" not in str(s.fields["command"]) for s in document.services.values())


def test_a_percent_sign_that_is_doubled_is_one() -> None:
    document = program("command = prog 100%% %%(process_num)d", "numprocs = 2")
    assert fields(document, "web")["command"] == ["prog", "100%", "%(process_num)d"]


def test_a_secret_does_not_get_into_the_command() -> None:
    document = program(
        "command = prog --token=%(ENV_API_TOKEN)s 'two words' $HOME", 'environment = API_TOKEN="s3 cret"'
    )
    web = fields(document, "web")
    assert web["command"] == ["/bin/sh", "-c", "exec prog --token=\"${API_TOKEN}\" 'two words' '$HOME'"]
    assert web["env"] == {"API_TOKEN": "s3 cret"}
    assert "s3 cret" not in said(document, "[program:web] command")


def test_a_secret_of_the_importer_is_taken_along_in_the_environment() -> None:
    document = program("command = prog %(ENV_DB_PASSWORD)s", DB_PASSWORD="hunter2")
    assert fields(document, "web")["env"] == {"DB_PASSWORD": "hunter2"}
    assert "hunter2" not in str(fields(document, "web")["command"])


def test_signs_of_a_shell_stay_the_plain_text_that_they_were() -> None:
    document = program("command = migrate && serve $PORT")
    assert fields(document, "web")["command"] == ["migrate", "&&", "serve", "$PORT"]
    assert "Begin with /bin/sh -c where one is meant." in said(document, "[program:web] command")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("autorestart = perhaps", "Write true or false."),
        ("startsecs = soon", "Write a whole number from 0 to 3600."),
        ("numprocs = 0", "Write a whole number from 1 to 100."),
        ("exitcodes = 256", "Write a whole number from 0 to 255."),
        ("stopsignal = NONE", "There is no signal NONE."),
        ("stdout_logfile_maxbytes = big", "Write a size such as 50MB."),
        ("environment = A=1,B", "it breaks off after A."),
        ('environment = A="s3cret', "A quote is opened and not closed."),
        ("directory = %(nowhere)s", "There is nothing called 'nowhere' that could be expanded."),
        ("directory = 100%", "write %% for the character"),
        ("directory = %(ENV_NOPE)s", "There is no NOPE in the environment of this import"),
    ],
)
def test_a_bad_value_is_told_with_its_line_and_without_secrets(line: str, message: str) -> None:
    document = program("command = prog", line)
    (fault,) = faults(document)
    assert fault[:2] == (3, f"[program:web] {line.split(' ')[0]}")
    assert message in fault[2]
    assert "s3cret" not in fault[2]


@pytest.mark.parametrize(
    ("content", "line", "message"),
    [
        ("command = x\n", 1, "It stands before the first [section]."),
        ("[program:x]\nnothing\n", 2, "It is no option: write name = value."),
        ("[program:x]\nautostart = true\n", 1, "It has no command."),
        ("[program:x]\ncommand = 'x\n", 2, "A quote is opened and not closed."),
        ("[group:g]\nprograms = nobody\n", 2, "There is no [program:nobody] in this file."),
        ("[include]\n[program:x]\ncommand = x\n", 1, "It has no files."),
        ("[supervisord]\n", 0, "No service is declared here."),
    ],
)
def test_a_bad_file_is_told_with_its_line(content: str, line: int, message: str) -> None:
    fault = faults(text(content, "supervisord"))[0]
    assert fault[0] == line
    assert message in fault[2]


def test_an_option_that_is_set_twice_is_told() -> None:
    document = program("command = one", "command = two")
    assert fields(document, "web")["command"] == ["two"]
    assert said(document, "[program:web] command").startswith("It is set again later (file, line 3)")


def test_an_unknown_option_is_listed_with_what_may_be_meant() -> None:
    document = program("command = x", "autorestrat = true")
    assert "Is autorestart meant?" in said(document, "[program:web] autorestrat")


def test_included_files_are_read_with_their_own_directory(tmp_path: Path) -> None:
    (tmp_path / "conf.d").mkdir()
    main = tmp_path / "supervisord.conf"
    main.write_text("[include]\nfiles = conf.d/*.ini none/*.ini\n[program:a]\ncommand = %(here)s/a\n")
    (tmp_path / "conf.d" / "b.ini").write_text("[program:b]\ncommand = %(here)s/b\nfoo = 1\n")
    (tmp_path / "conf.d" / "c.ini").write_bytes(b"[program:c]\ncommand = \xff\n")
    document = formats.read([read_file(main)], None, Options())
    assert fields(document, "a")["command"] == [f"{tmp_path}/a"]
    assert fields(document, "b")["command"] == [f"{tmp_path}/conf.d/b"]
    assert "No file matches none/*.ini." in said(document, "[include] files")
    remark = next(remark for remark in document.remarks if remark.place.key.endswith("foo"))
    assert (Path(remark.place.file).name, remark.place.line) == ("b.ini", 3)
    assert [(Path(f.file).name, f.line, f.message) for f in document.faults] == [
        ("c.ini", 2, "It is not UTF-8 text. Save it as UTF-8.")
    ]


def test_a_text_alone_includes_no_file_of_this_machine() -> None:
    document = text("[include]\nfiles = /etc/*.conf\n[program:a]\ncommand = a\n", "supervisord")
    assert "included only where the file is one of this machine" in said(document, "[include] files")
    assert list(document.services) == ["a"]


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("supervisord.conf", "", "supervisord"),
        ("app.conf", "[program:x]\n", "supervisord"),
        ("Procfile.dev", "web: x\n", "procfile"),
        ("pasted", "web: x\nworker: y\n", "procfile"),
        ("ecosystem.config.js", "", "pm2"),
        ("pasted", '{"apps": []}', "pm2"),
        ("web.service", "", "systemd"),
        ("pasted", "[Unit]\n[Service]\n", "systemd"),
        ("x.toml", "", "toml"),
        ("pasted", "[services.web]\n", "toml"),
        ("pasted", "hello", None),
    ],
)
def test_the_format_is_guessed_from_name_or_text(name: str, content: str, kind: str | None) -> None:
    assert guess(Source(name, content)) == kind
