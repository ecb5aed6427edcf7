"""PM2's ecosystem becomes services; a program that would have to be run is refused with the way out."""

from typing import Any

import pytest

from monitoring.importers import formats
from monitoring.importers.faults import ImportProblem
from monitoring.importers.json_places import BadJson, parse
from monitoring.importers.sources import Options, Source
from tests.monitoring.importing.foreign import SAMPLES, faults, fields, listed, said, sample, text


def app(settings: str, **variables: str) -> Any:
    return text(f'{{"apps": [{{"name": "web", {settings}}}]}}', "pm2", **variables)


def test_an_ecosystem_in_the_manner_of_a_shop_on_nest() -> None:
    document = sample("ecosystem.nest.json", env="production")
    assert faults(document) == []
    assert list(document.services) == ["orders-api", "mailer", "daily", "proxy"]
    api = fields(document, "orders-api")
    assert api["command"] == [
        "node", "--max-old-space-size=512", "dist/main.js", "--config", "./config dir/prod.json", "--verbose",
    ]  # fmt: skip
    assert api["cwd"] == f"{SAMPLES}/api"
    assert api["env"] == {
        "PORT": "{port}",
        "FEATURES": '{"search": true}',
        "DEBUG": "false",
        "NODE_ENV": "production",
        "JWT_SECRET": "s3cret",
        "NODE_APP_INSTANCE": "{instance}",
    }
    assert (api["instances"], api["ports"], api["group"]) == (4, [3000], "shop")
    assert (api["max_memory_mb"], api["stop_signal"], api["stop_timeout_seconds"]) == (300, "SIGINT", 5.0)
    assert (api["backoff_base_seconds"], api["backoff_cap_seconds"]) == (0.1, 15.0)
    assert (api["max_failures"], api["start_seconds"], api["stable_seconds"]) == (8, 10.0, 10.0)
    mailer = fields(document, "mailer")
    assert (mailer["command"], mailer["restart_policy"]) == (["npm", "run", "mailer"], "on-failure")
    assert (mailer["success_exit_codes"], mailer["backoff_cap_seconds"]) == ([0, 3], 4.0)
    daily = fields(document, "daily")
    assert (daily["command"], daily["user"]) == (["python3", "-u", "./reports/daily.py"], "root")
    assert daily["restart_policy"] == "never"
    assert {key for _, key in listed(document, mapped=False)} == {
        "deploy", "Orders API.env_staging", "Orders API.wait_ready", "Orders API.listen_timeout",
        "Orders API.out_file", "Orders API.error_file", "Orders API.watch", "Orders API.cron_restart",
        "Orders API.source_map_support", "proxy.exec_mode",
    }  # fmt: skip
    assert "s3cret" not in " ".join(remark.message for remark in document.remarks)


def test_a_cluster_without_a_port_in_its_environment_stays_one() -> None:
    """Its copies would all want the same port, and all but one fail for ever."""
    document = sample("ecosystem.nest.json")
    assert "instances" not in fields(document, "proxy")
    assert "declare PORT under env" in said(document, "proxy.exec_mode")


@pytest.mark.parametrize(
    ("settings", "name", "value"),
    [
        ('"script": "a.py"', "command", ["python3", "a.py"]),
        ('"script": "a.sh"', "command", ["bash", "a.sh"]),
        ('"script": "a.ts"', "command", ["ts-node", "a.ts"]),
        ('"script": "a.js", "interpreter": "none"', "command", ["a.js"]),
        ('"script": "npm run start", "args": "x y"', "command", ["npm", "run", "start", "x", "y"]),
        ('"exec": "a.js", "interpreterArgs": "--a --b"', "command", ["node", "--a", "--b", "a.js"]),
        ('"script": "a.js", "max_memory_restart": 1048577', "max_memory_mb", 2),
        ('"script": "a.js", "max_memory_restart": "2G"', "max_memory_mb", 2048),
        ('"script": "a.js", "min_uptime": "2h"', "start_seconds", 3600.0),
        ('"script": "a.js", "restart_delay": 0', "backoff_base_seconds", 0.0),
        ('"script": "a.js", "port": 81', "ports", [81]),
        ('"script": "a.js", "cwd": "/abs"', "cwd", "/abs"),
        ('"script": "a.js", "gid": "0"', "user_group", "root"),
        ('"script": "a.js", "autostart": false', "autostart", False),
    ],
)
def test_a_setting_becomes_a_field(settings: str, name: str, value: Any) -> None:
    document = app(settings)
    assert faults(document) == []
    assert fields(document, "web")[name] == value


@pytest.mark.parametrize(
    "content", ['[{"script": "a.js"}]', '{"script": "a.js"}', '{"apps": {"script": "a.js"}}']
)
def test_an_ecosystem_may_be_a_list_or_a_single_app(content: str) -> None:
    assert fields(text(content, "pm2"), "a")["command"] == ["node", "a.js"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ('"args": "x"', "It has no script."),
        ('"script": 5', "Write a text in double quotes."),
        ('"script": "a.js", "instances": "many"', "Write a whole number."),
        ('"script": "a.js", "instances": 101', "Write a number up to 100."),
        ('"script": "a.js", "max_memory_restart": "lots"', 'Write a size such as "300M".'),
        ('"script": "a.js", "kill_timeout": "soon"', "Write milliseconds"),
        ('"script": "a.js", "env": ["A"]', "Write names and values"),
        ('"script": "a.js", "autorestart": 1', "Write true or false."),
        ('"script": "a.js", "stop_exit_codes": [900]', "Write a list of exit codes"),
    ],
)
def test_a_bad_value_is_told_with_its_setting(settings: str, message: str) -> None:
    fault = faults(app(settings))[0]
    assert message in fault[2]
    assert fault[0] == 1


def test_an_environment_that_no_app_has_is_a_fault() -> None:
    document = sample("ecosystem.nest.json", env="productoin")
    assert faults(document) == [(0, "", "No app has env_productoin. Correct --env or leave it out.")]


@pytest.mark.parametrize("name", ["ecosystem.config.js", "a.cjs", "pasted"])
def test_a_program_is_refused_with_the_words_that_make_json_of_it(name: str) -> None:
    with pytest.raises(ImportProblem) as refused:
        formats.read([Source(name, "module.exports = { apps: [] }")], None, Options())
    shown = name if "." in name else "ecosystem.config.js"
    assert f"node -p \"JSON.stringify(require('./{shown}'))\" > ecosystem.json" in str(refused.value)


def test_comments_and_last_commas_are_no_faults_and_lines_are_right() -> None:
    parsed = parse('{ // a\n  /* b\n */ "x": [1, 2,],\n  "y": {"z": "//no",},\n}\n')
    assert parsed.value == {"x": [1, 2], "y": {"z": "//no"}}
    assert (parsed.line("x"), parsed.line("y", "z"), parsed.line("y", "none")) == (3, 4, 4)


@pytest.mark.parametrize(
    ("content", "line", "message"),
    [
        ('{"apps": [', 1, "The text ends before its ]."),
        ('{\n"apps" []}', 2, "A colon is expected behind 'apps'."),
        ('{\n\n"a": 1 "b": 2}', 3, "A comma or } is expected here."),
        ('{"a": "x\ny"}', 1, "A text in double quotes is not closed on its line."),
        ('{"a": "\\u0000"}', 1, "A text holds a NUL character."),
        ('{"a": "\\ud800"}', 1, "A text has an escape that means nothing."),
        ("[" * 60, 1, "It is nested too deep."),
        ("{} x", 1, "There is more behind the end of the value."),
        ('{"a": 1e999}', 1, "A number is too large."),
    ],
)
def test_what_is_no_json_is_told_with_its_line(content: str, line: int, message: str) -> None:
    with pytest.raises(BadJson) as bad:
        parse(content)
    assert (bad.value.line, str(bad.value)) == (line, message)
