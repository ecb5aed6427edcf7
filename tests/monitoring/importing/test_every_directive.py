"""Nothing is dropped silently: every directive of every format is taken over or listed."""

import re

import pytest

from monitoring.importers import pm2_notes, systemd_notes
from monitoring.importers.document import Document
from monitoring.importers.systemd_service import MAPPED_NAMES
from tests.monitoring.importing.foreign import SAMPLES, fields, text, units

_PROGRAM = {
    "command": "other", "process_name": "x", "numprocs": "2", "numprocs_start": "3", "priority": "7",
    "autostart": "false", "startsecs": "9", "startretries": "9", "autorestart": "true", "exitcodes": "4",
    "stopsignal": "INT", "stopwaitsecs": "77", "stopasgroup": "false", "killasgroup": "false",
    "user": "nobody", "redirect_stderr": "true", "stdout_logfile": "/x", "stdout_logfile_maxbytes": "7MB",
    "stdout_logfile_backups": "7", "stdout_capture_maxbytes": "1MB", "stdout_events_enabled": "true",
    "stdout_syslog": "true", "stderr_logfile": "/x", "stderr_logfile_maxbytes": "7MB",
    "stderr_logfile_backups": "7", "stderr_capture_maxbytes": "1MB", "stderr_events_enabled": "true",
    "stderr_syslog": "true", "environment": "A=1", "directory": "/x", "umask": "077",
    "serverurl": "http://localhost:9001",
}  # fmt: skip
"""Every option of [program:x] in Supervisor 4.3, with a value that is not its default."""
_OF_SUPERVISORD = (
    "logfile logfile_maxbytes logfile_backups loglevel pidfile umask nodaemon silent minfds minprocs "
    "nocleanup childlogdir user directory strip_ansi environment identifier"
)
_OTHER_SECTIONS = {
    "unix_http_server": "file chmod chown username password",
    "inet_http_server": "port username password",
    "supervisorctl": "serverurl username password prompt history_file",
    "rpcinterface:supervisor": "supervisor.rpcinterface_factory retries",
    "eventlistener:x": "command buffer_size events result_handler",
    "fcgi-program:x": "command socket socket_backlog socket_owner socket_mode",
    "ctlplugin:x": "supervisor.ctl_factory",
    "unheard": "of",
}


def program(**options: str) -> Document:
    lines = [f"{name} = {value}" for name, value in ({"command": "prog"} | options).items()]
    return text("\n".join(["[program:x]", *lines, ""]), "supervisord")


def outcome(document: Document) -> list[dict[str, object]]:
    return [service.fields for service in document.services.values()]


@pytest.mark.parametrize("name", _PROGRAM)
def test_every_option_of_a_program_is_taken_over_or_listed(name: str) -> None:
    # What is there already must not hide that nothing comes of this option.
    base = {"numprocs": "2", "command": "x %(process_num)d"} if name == "numprocs_start" else {}
    plain, with_it = program(**base), program(**base | {name: _PROGRAM[name]})
    listed = any(remark.place.key == f"[program:x] {name}" for remark in with_it.remarks)
    if name == "process_name":
        # The one process of a program is called by it.
        assert list(with_it.services) == ["x"]
        with_it = program(process_name="y")
    assert listed or outcome(plain) != outcome(with_it)
    assert not any("knows no such" in remark.message for remark in with_it.remarks)


@pytest.mark.parametrize("name", _OF_SUPERVISORD.split())
def test_every_option_of_supervisord_is_listed(name: str) -> None:
    document = text(f"[supervisord]\n{name} = A=1\n[program:x]\ncommand = x\n", "supervisord")
    (remark,) = [r for r in document.remarks if r.place.key == f"[supervisord] {name}"]
    assert remark.place.line == 2
    assert "knows no such" not in remark.message


@pytest.mark.parametrize(("section", "options"), _OTHER_SECTIONS.items())
def test_every_other_section_is_listed_with_its_options(section: str, options: str) -> None:
    lines = "\n".join(f"{name} = 1" for name in options.split())
    document = text(f"[program:y]\ncommand = y\n[{section}]\n{lines}\n", "supervisord")
    (remark,) = [r for r in document.remarks if r.place.key == f"[{section}]"]
    assert (remark.place.line, remark.mapped) == (3, False)
    if section != "unheard":
        assert f"(Not taken over: {', '.join(options.split())}.)" in remark.message


# --- PM2 ------------------------------------------------------------------------------------------

_PM2 = {
    "script": '"b.js"', "exec": '"b.js"', "name": '"x"', "name_prefix": '"x"', "filter_env": "true",
    "namespace": '"x"', "install_url": '"x"', "cwd": '"/x"', "args": '"x"', "exec_interpreter": '"x"',
    "interpreter": '"x"', "node_args": '"x"', "interpreterArgs": '"x"', "interpreter_args": '"x"',
    "out_file": '"x"', "out": '"x"', "output": '"x"', "out_log": '"x"', "error_file": '"x"', "error": '"x"',
    "err": '"x"', "err_file": '"x"', "err_log": '"x"', "log_file": '"x"', "log": '"x"',
    "disable_logs": "true",
    "log_type": '"json"', "log_date_format": '"x"', "time": "true", "env": '{"A": 1}', "env_x": '{"A": 1}',
    "max_memory_restart": '"1M"', "pid_file": '"x"', "pid": '"x"', "restart_delay": "5",
    "exp_backoff_restart_delay": "5", "source_map_support": "true", "disable_source_map_support": '"x"',
    "wait_ready": "true", "instances": "2", "kill_timeout": "5", "shutdown_with_message": "true",
    "listen_timeout": "5", "cron_restart": '"* * * * *"', "cron": '"* * * * *"', "merge_logs": "true",
    "combine_logs": "true", "vizion": '"x"', "autorestart": "false", "autostart": "false", "watch_delay": "5",
    "watch": "true", "ignore_watch": '"x"', "watch_options": "{}", "min_uptime": "5000", "max_restarts": "5",
    "execute_command": "true", "exec_mode": '"cluster"', "force": "true", "append_env_to_name": "true",
    "post_update": '["x"]', "trace": "true", "disable_trace": "false", "v8": "true",
    "event_loop_inspector": "true", "deep_monitoring": "true", "increment_var": '"A"', "instance_var": '"A"',
    "pmx": "true", "automation": "true", "treekill": "false", "port": "81", "username": '"x"', "uid": '"x"',
    "user": '"x"', "gid": '"x"', "windowsHide": '"x"', "kill_retry_time": "5", "write": "true", "io": "{}",
    "stop_exit_codes": "[7]",
}  # fmt: skip
"""Every setting of PM2's own schema with its other names, and a value that is not its default."""


@pytest.mark.parametrize("name", _PM2)
def test_every_setting_of_pm2_is_taken_over_or_listed(name: str) -> None:
    base = {"script": '"a.js"'} if name not in {"script", "exec"} else {}
    if name in {"increment_var", "instance_var"}:
        base["instances"] = "2"
    settings = ", ".join(f'"{n}": {v}' for n, v in (base | {name: _PM2[name]}).items())
    document = text(f'{{"apps": [{{{settings}}}]}}', "pm2")
    plain = text('{"apps": [{"script": "a.js"}]}', "pm2")
    listed = [remark for remark in document.remarks if remark.place.key.endswith(f".{name}")]
    assert listed or outcome(plain) != outcome(document), name
    assert not any("knows no such" in remark.message for remark in listed)


def test_an_unknown_setting_of_pm2_is_listed() -> None:
    document = text('{"apps": [{"script": "a.js", "max_memory_restrat": "1M"}], "other": 1}', "pm2")
    told = {remark.place.key: remark.message for remark in document.remarks}
    assert "Is max_memory_restart meant?" in told["apps[0].max_memory_restrat"]
    assert "knows no such" in told["other"]


def test_no_setting_of_pm2_is_both_taken_over_and_without_a_counterpart() -> None:
    assert not set(pm2_notes.MAPPED) & set(pm2_notes.NOTES)


# --- systemd --------------------------------------------------------------------------------------


def _directives() -> list[tuple[str, str]]:
    """Return section and name of all that ``systemd --dump-configuration-items`` (252) names."""
    content = (SAMPLES / "systemd-directives.txt").read_text(encoding="utf-8")
    found = []
    for line in content.splitlines():
        if line and not line.startswith("#"):
            section, _, names = line.partition(": ")
            found += [(section, name) for name in names.split()]
    return found


_VALUES = {
    "Type": "notify", "Restart": "always", "Nice": "3", "User": "nobody", "Group": "nogroup",
    "UMask": "077", "WorkingDirectory": "/x", "Environment": "A=1", "PassEnvironment": "NONE",
    "UnsetEnvironment": "GIVEN", "KillSignal": "SIGINT", "KillMode": "process", "SuccessExitStatus": "5",
    "RestartPreventExitStatus": "5", "RemainAfterExit": "yes", "StartLimitBurst": "3",
    "MemoryMax": "1G", "MemoryHigh": "1G", "MemoryLimit": "1G", "StandardOutput": "null",
    "StandardError": "null", "Unit": "y.service", "OnCalendar": "daily", "WantedBy": "x.target",
    "DefaultInstance": "a",
}  # fmt: skip


def _value(name: str) -> str:
    if name in _VALUES:
        return _VALUES[name]
    if name.startswith("Exec"):
        return "/bin/x"
    if name.startswith("Limit"):
        return "5"
    return "7" if name.endswith(("Sec", "Interval")) else "y.service"


def test_the_list_of_directives_is_whole() -> None:
    directives = _directives()
    assert len(directives) == 376
    assert {section for section, _ in directives} == {"Unit", "Service", "Install", "Timer"}


def test_every_directive_of_systemd_is_taken_over_or_listed() -> None:
    lost = []
    for section, name in _directives():
        line = f"{name}={_value(name)}"
        start = "" if name == "ExecStart" else "ExecStart=/bin/prog\n"
        base = f"[Service]\n{start}Environment=GIVEN=1\n"
        timer = "[Timer]\nOnCalendar=hourly\n"
        if section == "Timer":
            plain, document = units(x=base, x__timer=timer), units(x=base, x__timer=f"{timer}{line}\n")
        elif name == "DefaultInstance":
            plain, document = units(None, **{"x@": base}), units(None, **{"x@": f"{base}[Install]\n{line}\n"})
        else:
            plain, document = units(x=base), units(x=f"{base}[{section}]\n{line}\n")
        listed = [r for r in document.remarks if r.place.key.endswith(f"] {name}")]
        if any("knows no such" in remark.message for remark in listed):
            lost.append(f"{name} is called unknown")
        elif not listed and outcome(plain) == outcome(document) and not document.faults:
            lost.append(f"[{section}] {name} is lost")
    assert lost == []


def test_an_unknown_directive_is_listed_wherever_it_stands() -> None:
    document = units(
        web="[Unit]\nUnheard=1\n[Service]\nExecStrat=x\nExecStart=/bin/a\n[Install]\nOf=1\n[Other]\nA=1\n"
    )
    told = {remark.place.key: remark.message for remark in document.remarks}
    assert "Is ExecStart meant?" in told["web.service [Service] ExecStrat"]
    assert "knows no such" in told["web.service [Unit] Unheard"]
    assert "knows no such" in told["web.service [Install] Of"]
    assert "A service has no section [Other]." in told["web.service [Other] A"]
    assert fields(document, "web")["command"] == ["/bin/a"]


def test_no_directive_is_both_taken_over_and_without_a_counterpart() -> None:
    known = {name for name in MAPPED_NAMES if systemd_notes.is_known(name)}
    # These fall under a pattern of their kin, and are read before it is asked.
    assert known <= {"MemoryMax", "MemoryHigh", "MemoryLimit", "PassEnvironment"}


# --- Procfile -------------------------------------------------------------------------------------


def test_every_line_of_a_procfile_is_a_process_a_comment_or_listed() -> None:
    lines = ["web: a", "# comment", "", "no process", "bad name: x", "worker:", "-x: y", "web: again"]
    document = text("\n".join(lines), "procfile")
    told = {remark.place.line for remark in document.remarks} | {fault.line for fault in document.faults}
    taken = {1, 7, 8}
    assert {number for number, line in enumerate(lines, 1) if re.match(r"[^#]", line)} <= told | taken
    assert list(document.services) == ["web", "worker", "x", "web.2"]
