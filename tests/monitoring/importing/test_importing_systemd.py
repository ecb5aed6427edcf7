"""Units of systemd become services; what has no counterpart is listed with its line."""

import socket
from pathlib import Path
from typing import Any

import pytest

from monitoring.importers import formats
from monitoring.importers.document import defaults
from monitoring.importers.sources import Options, Source, read_file
from monitoring.importers.systemd_calendar import NoCron, to_cron
from tests.monitoring.importing.foreign import faults, fields, listed, said, sample, units


def one(content: str, **variables: str) -> dict[str, Any]:
    document = units(variables, web=f"ExecStart=/bin/prog\n{content}\n")
    assert faults(document) == []
    return {**defaults(), **fields(document, "web")}


def test_a_web_application_with_what_it_needs() -> None:
    document = sample("redis.service", "gunicorn.service", "migrate.service", "backup.service")
    assert faults(document) == []
    shop = fields(document, "gunicorn")
    assert shop["command"] == [
        "/srv/shop/venv/bin/gunicorn", "--workers", "3", "--threads", "2",
        "--bind", "unix:/run/gunicorn.sock", "shop.wsgi",
    ]  # fmt: skip
    assert shop["env"] == {
        "GREETING": "hello world",
        "WORKERS": "3",
        "SECRET_KEY": "a b",
        "EXTRA_ARGS": "--threads 2",
    }
    assert shop["description"] == "gunicorn of gunicorn"
    assert (shop["user"], shop["cwd"], shop["nice"]) == ("www-data", "/srv/shop", -5)
    assert (shop["ready_kind"], shop["start_timeout_seconds"]) == ("notify", 120.0)
    assert (shop["health_kind"], shop["health_silence_seconds"]) == ("notify", 30.0)
    assert (shop["restart_policy"], shop["backoff_base_seconds"]) == ("on-failure", 0.25)
    assert (shop["success_exit_codes"], shop["fatal_exit_codes"]) == ([0, 143], [3, 78])
    assert "SIGKILL" in shop["success_signals"]
    assert (shop["max_failures"], shop["failure_window_seconds"]) == (4, 300.0)
    assert shop["stop_command"] == ["/usr/bin/curl", "-X", "POST", "http://127.0.0.1:8000/quit"]
    assert (shop["stop_signal"], shop["stop_timeout_seconds"]) == ("SIGQUIT", 90.0)
    assert shop["pre_start_command"] == [
        "/bin/sh", "-c", "{ /usr/bin/install -d -o www-data '/run/shop dir' || :; }",
    ]  # fmt: skip
    assert shop["post_start_command"] == ["/bin/touch", "/run/gunicorn.ready"]
    assert shop["post_stop_command"][2] == "/bin/rm -f /run/gunicorn.ready && /bin/sync"
    assert (shop["rlimits"], shop["max_age_seconds"]) == ({"nproc": [512, 1024]}, 86_400.0)
    # What runs once is waited for until it has ended, by Before= of its own.
    assert document.services["gunicorn"].depends_on == {"redis": "started", "migrate": "completed"}
    redis = fields(document, "redis")
    assert redis.get("stop_signal", "SIGTERM") == "SIGTERM"
    assert "stop_command" not in redis
    assert redis["stop_timeout_seconds"] == 3600.0  # 0 is for ever there: it saves its data meanwhile
    assert redis["rlimits"] == {"nofile": 65535, "core": "unlimited"}
    assert (redis["max_memory_mb"], redis["umask"]) == (1536, "007")
    backup = fields(document, "backup")
    assert (backup["schedule"], backup["schedule_time_zone"]) == ("30 2 * * 1-6", "Europe/Berlin")
    assert backup["command"][2] == f"--file=/var/backups/shop-{socket.gethostname()}.dump"
    assert listed(document, mapped=False) == [
        (13, "redis.service [Service] RuntimeDirectory"),
        (14, "redis.service [Service] RuntimeDirectoryMode"),
        (16, "redis.service [Service] PrivateTmp"),
        (19, "redis.service [Service] ProtectHome"),
        (20, "redis.service [Service] ReadWritePaths"),
        (21, "redis.service [Service] CapabilityBoundingSet"),
        (22, "redis.service [Service] MemoryDenyWriteExecute"),
        (15, "gunicorn.service [Service] EnvironmentFile"),
        (10, "gunicorn.service [Service] NotifyAccess"),
        (22, "gunicorn.service [Service] ExecReload"),
        (37, "gunicorn.service [Service] OOMScoreAdjust"),
        (38, "gunicorn.service [Service] CPUQuota"),
        (6, "backup.timer [Timer] Persistent"),
        (7, "backup.timer [Timer] RandomizedDelaySec"),
        (3, "redis.service [Unit] After"),
        (27, "redis.service [Install] Alias"),
        (4, "gunicorn.service [Unit] After"),
    ]


def test_a_program_that_goes_to_the_background_is_refused_with_the_way_out() -> None:
    (fault,) = faults(sample("nginx.service"))
    assert fault[:2] == (8, "nginx.service [Service] Type")
    assert "nginx -g 'daemon off;'" in fault[2]
    # Beside others it holds up none of them.
    document = sample("nginx.service", "redis.service")
    assert faults(document) == []
    assert list(document.services) == ["redis"]
    assert "Have it stay in the foreground" in said(document, "nginx.service [Service] Type")


def test_a_template_is_imported_as_its_default_instance() -> None:
    document = sample("postgresql@.service")
    database = fields(document, "postgresql-15-main")
    assert database["command"][1:] == ["-D", "/var/lib/postgresql/15/main"]
    assert (database["stop_signal"], database["stop_timeout_seconds"]) == ("SIGINT", 3600.0)
    (fault,) = faults(units(None, **{"a@": "ExecStart=/bin/a %i"}))
    assert "Copy it to a file of the instance's name, such as a@NAME.service" in fault[2]


@pytest.mark.parametrize(
    ("content", "name", "value"),
    [
        ("Restart=no", "restart_policy", "never"),
        ("Restart=always", "restart_policy", "always"),
        ("Restart=on-abnormal", "restart_policy", "on-failure"),
        ("Restart=on-success", "restart_policy", "never"),
        ("RestartSec=1min 5s", "backoff_cap_seconds", 65.0),
        ("RestartSec=1\nRestartMaxDelaySec=30", "backoff_cap_seconds", 30.0),
        ("TimeoutStopSec=infinity", "stop_timeout_seconds", 3600.0),
        ("TimeoutStopSec=0", "stop_timeout_seconds", 3600.0),
        ("TimeoutSec=7", "stop_timeout_seconds", 7.0),
        ("", "stop_timeout_seconds", 90.0),
        ("Type=notify\nTimeoutSec=7", "start_timeout_seconds", 7.0),
        ("Type=oneshot", "restart_policy", "never"),
        ("KillSignal=15", "stop_signal", "SIGTERM"),
        ("ExecStop=/bin/kill -INT ${MAINPID}", "stop_signal", "SIGINT"),
        ("ExecStop=kill $MAINPID", "stop_signal", "SIGTERM"),
        ("SuccessExitStatus=TEMPFAIL 250", "success_exit_codes", [0, 75, 250]),
        ("RestartPreventExitStatus=0 5", "fatal_exit_codes", [5]),
        ("WatchdogSec=500ms", "health_silence_seconds", 0.5),
        ("LimitNOFILE=1024:infinity", "rlimits", {"nofile": [1024, "unlimited"]}),
        ("LimitCORE=64K", "rlimits", {"core": 65536}),
        ("LimitCPU=2min", "rlimits", {"cpu": 120}),
        ("LimitNICE=-5", "rlimits", {"nice": 25}),
        ("MemoryHigh=100M", "max_memory_mb", 100),
        ("MemoryMax=infinity", "max_memory_mb", 0),
        ("Environment=A=1 'B=2 3'\nEnvironment=C=\\x41", "env", {"A": "1", "B": "2 3", "C": "A"}),
        ("Environment=A=1\nEnvironment=\nEnvironment=B=2", "env", {"B": "2"}),
        ("Environment=A=1 B=2\nUnsetEnvironment=A", "env", {"B": "2"}),
        ("PassEnvironment=SET", "env", {"SET": "yes"}),
        ("WorkingDirectory=-/srv", "cwd", "/srv"),
        ("WorkingDirectory=~\nUser=root", "cwd", "/root"),
        ("", "cwd", "/"),
        ("User=0\nGroup=0", "user_group", "root"),
    ],
)
def test_a_setting_becomes_a_field(content: str, name: str, value: Any) -> None:
    assert one(content, SET="yes")[name] == value


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("/bin/echo 'a b' \"c\\td\" e\\x20f g", ["/bin/echo", "a b", "c\td", "e f", "g"]),
        ('/bin/echo a"b c"d', ["/bin/echo", "ab cd"]),
        ("/bin/echo $$A 100%% %n %p", ["/bin/echo", "$A", "100%", "web.service", "web"]),
        ("/bin/echo $WORDS ${WORDS} x${ONE}y x$ONE", ["/bin/echo", "a", "b", "a b", "x1y", "x$ONE"]),
        (":/bin/echo $ONE ${ONE}", ["/bin/echo", "$ONE", "${ONE}"]),
        ("@/bin/echo called-so a", ["/bin/echo", "a"]),
        ("-/bin/echo a", ["/bin/echo", "a"]),
        ("+/bin/echo \\; a", ["/bin/echo", ";", "a"]),
    ],
)
def test_a_command_is_taken_apart_as_systemd_does(line: str, command: list[str]) -> None:
    document = units(web=f"Environment=ONE=1 'WORDS=a b'\nExecStart={line}\n")
    assert faults(document) == []
    assert fields(document, "web")["command"] == command


def test_what_is_known_only_when_it_runs_is_left_to_a_shell() -> None:
    document = units(web="ExecStart=/bin/prog ${LATER} $MORE 'x y'\nExecStop=/bin/tell $MAINPID\n")
    web = fields(document, "web")
    assert web["command"] == ["/bin/sh", "-c", "exec /bin/prog \"${LATER}\" ${MORE} 'x y'"]
    assert web["stop_command"] == ["/bin/sh", "-c", "exec /bin/tell ${MEDIMGR_PID}"]
    assert "Nothing here says what $LATER and $MORE will be" in said(
        document, "web.service [Service] ExecStart"
    )
    assert "Nothing here says" not in said(document, "web.service [Service] ExecStop")


def test_a_secret_does_not_get_into_the_command() -> None:
    document = units(web="Environment=API_TOKEN=s3cret\nExecStart=/bin/prog --token ${API_TOKEN}\n")
    assert fields(document, "web")["command"][2] == 'exec /bin/prog --token "${API_TOKEN}"'


@pytest.mark.parametrize(
    ("content", "key", "message"),
    [
        ("ExecStart=/bin/a 'b", "ExecStart", "A quote is opened and not closed."),
        ("ExecStart=/bin/a %b", "ExecStart", "%b cannot be resolved here"),
        ("ExecStart=/bin/a\nExecStart=/bin/b", "ExecStart", "Only a unit of Type=oneshot has several"),
        ("Type=fork\nExecStart=/bin/a", "Type", "Write simple, exec, notify, oneshot or idle."),
        ("ExecStart=/bin/a\nRestart=maybe", "Restart", "Write no, always, on-failure"),
        ("ExecStart=/bin/a\nTimeoutStopSec=soon", "TimeoutStopSec", "Write a time span"),
        ("ExecStart=/bin/a\nKillSignal=NONE", "KillSignal", "There is no signal NONE."),
        ("ExecStart=/bin/a\nLimitNOFILE=many", "LimitNOFILE", "Write a whole number"),
        ("ExecStart=/bin/a\nMemoryMax=big", "MemoryMax", "Write a size such as 512M."),
        ("ExecStart=/bin/a\nNice=50", "Nice", "Write a whole number from -20 to 19."),
        ("ExecStart=/bin/a\nEnvironment=s3cret", "Environment", "Write NAME=value"),
    ],
)
def test_a_bad_value_is_told_with_its_line_and_without_secrets(content: str, key: str, message: str) -> None:
    (fault,) = faults(units(web=content))
    assert fault[1] == f"web.service [Service] {key}"
    assert fault[0] == 2 + content.count("\n", 0, content.rindex(f"{key}="))
    assert message in fault[2]
    assert "s3cret" not in fault[2]


def test_files_of_variables_and_drop_ins_beside_the_unit_are_read(tmp_path: Path) -> None:
    variables = tmp_path / "web.env"
    variables.write_text('# c\nA=1\nB="two words"\nnonsense\n')
    (tmp_path / "web.service").write_text(
        f"[Service]\nExecStart=/bin/a\nEnvironmentFile={variables}\nNice=1\n"
    )
    (tmp_path / "web.service.d").mkdir()
    (tmp_path / "web.service.d" / "10-more.conf").write_text(
        "[Service]\nExecStart=\nExecStart=/bin/b $A\nNice=2\n"
    )
    (tmp_path / "web.timer").write_text("[Timer]\nOnCalendar=hourly\n")
    document = formats.read([read_file(tmp_path / "web.service")], None, Options())
    web = fields(document, "web")
    assert (web["command"], web["nice"]) == (["/bin/b", "1"], 2)
    assert web["env"] == {"A": "1", "B": "two words"}
    assert web["schedule"] == "0 * * * *"
    assert (4, "") in listed(document)


def test_a_text_alone_reads_no_file_of_variables() -> None:
    document = units(web="ExecStart=/bin/a\nEnvironmentFile=/etc/hostname\n")
    assert "read only by manage.py services import" in said(document, "web.service [Service] EnvironmentFile")


def test_units_that_are_not_imported_along_are_listed() -> None:
    document = units(web="[Unit]\nRequires=db.service\nAfter=db.service\n[Service]\nExecStart=/bin/a\n")
    assert document.services["web"].depends_on == {}
    assert "Not among the imported units: db.service." in said(document, "web.service [Unit] Requires")


def test_a_timer_without_its_service_and_other_units_are_listed() -> None:
    document = units(
        web="ExecStart=/bin/a\n",
        a__timer="[Timer]\nOnCalendar=daily\n",
        web__socket="[Socket]\nListenStream=80\n",
    )
    assert "Its unit a.service is not among the files." in said(document, "a.timer")
    assert "Let the program listen itself." in said(document, "web.socket")


def test_a_time_that_cron_cannot_say_is_listed() -> None:
    document = units(web="ExecStart=/bin/a\n", web__timer="[Timer]\nOnCalendar=*:*:30\nOnBootSec=5min\n")
    assert "schedule" not in fields(document, "web")
    assert "cron knows no seconds" in said(document, "web.timer [Timer] OnCalendar")
    assert "Write a schedule such as" in said(document, "web.timer [Timer] OnBootSec")


@pytest.mark.parametrize(
    ("event", "expression", "zone"),
    [
        ("daily", "0 0 * * *", ""),
        ("weekly", "0 0 * * 1", ""),
        ("quarterly", "0 0 1 1,4,7,10 *", ""),
        ("minutely", "* * * * *", ""),
        ("*:0/15", "*/15 * * * *", ""),
        ("Mon..Fri 02:30", "30 2 * * 1-5", ""),
        ("Sat,Sun *-*-* 8..18/2:05:00 UTC", "5 8-18/2 * * 0,6", "UTC"),
        ("*-02-28 03:00 Europe/Berlin", "0 3 28 2 *", "Europe/Berlin"),
        ("Fri..Mon 12:00", "0 12 * * 0,1,5,6", ""),
        ("Monday", "0 0 * * 1", ""),
    ],
)
def test_a_calendar_event_becomes_a_cron_expression(event: str, expression: str, zone: str) -> None:
    """The same times as systemd's own: compared with ``systemd-analyze calendar`` when this was written."""
    found = to_cron(event)
    assert (found.expression, found.zone) == (expression, zone)


@pytest.mark.parametrize(
    "event", ["2030-01-01 00:00", "*-*~01", "Mon *-*-01", "12:00:30", "soon", "", "25:00"]
)
def test_what_cron_cannot_say_is_not_said(event: str) -> None:
    with pytest.raises(NoCron):
        to_cron(event)


def test_the_same_unit_twice_is_a_fault() -> None:
    sources = [Source("a/web.service", "[Service]\nExecStart=/bin/a"), Source("b/web.service", "[Service]\n")]
    document = formats.read(sources, None, Options())
    assert "There is another unit of this name." in document.faults[0].message
