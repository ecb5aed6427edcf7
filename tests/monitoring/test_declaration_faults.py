"""Whatever is wrong with a declaration is said in words that name the mend."""

import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from monitoring.declaration import faults
from tests.factories import make_node, make_service
from tests.monitoring.declarations import declared

LIST = 'Write a list of texts, such as ["python3", "server.py"].'
PORTS = "Write a list of port numbers from 1 to 65535, such as [8001]."
CODES = "Write a list of exit codes from 0 to 255, such as [0, 2]."
URL = "Write a URL such as http://127.0.0.1:8001/health."
LONG = "x" * 300


def test_a_good_declaration_has_no_faults(tmp_path: Path) -> None:
    good = declared(
        cwd=str(tmp_path),
        env={"PORT": "8001", "RATIO": 0.5, "_x1": 3, "EMPTY": ""},
        user="root",
        umask="027",
        ports=[1, 65535],
        success_exit_codes=[0, 2, 255],
        stop_signal="SIGINT",
        health_kind="http",
        health_url="http://[::1]:8001/health?deep=1",
    )
    assert faults(good) == {}


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("command", None, LIST),
        ("command", [], LIST),
        ("command", {}, LIST),
        ("command", "python3 server.py", LIST),
        ("command", ["python3", 8001], LIST),
        ("command", [["python3"]], LIST),
        ("command", [""], "The first part, the program, is empty."),
        ("command", ["a\0b"], "An argument holds a NUL character; no program can be given one."),
        ("command", ["/a\0b/c"], "An argument holds a NUL character; no program can be given one."),
        (
            "command",
            [sys.executable, "\0"],
            "An argument holds a NUL character; no program can be given one.",
        ),
        (
            "command",
            ["no-such-program"],
            "There is no program 'no-such-program' on the PATH. Give its full path or install it.",
        ),
        (
            "command",
            ["/no/such/program"],
            "There is no file /no/such/program. Correct the path or install the program.",
        ),
        ("command", ["/etc"], "/etc is not executable. Make it so (chmod +x) or name its interpreter first."),
        ("command", ["/" + LONG], f"There is no file /{LONG}. Correct the path or install the program."),
        (
            "command",
            ["\ud800"],
            "An argument holds half a character (a surrogate); no program can be given one.",
        ),
        ("cwd", "/no/such/place", "There is no directory /no/such/place. Make it, or leave the field empty."),
        ("cwd", "/etc/passwd", "There is no directory /etc/passwd. Make it, or leave the field empty."),
        ("cwd", "/a\0b", "There is no directory /a\0b. Make it, or leave the field empty."),
        ("cwd", "/" + LONG, f"There is no directory /{LONG}. Make it, or leave the field empty."),
        ("user", "nobody-of-this-name", "There is no account 'nobody-of-this-name' on this machine."),
        ("user", "a\0b", "There is no account 'a\\x00b' on this machine."),
        ("umask", "9", "'9' is not an octal number such as 027."),
        ("umask", "00027", "'00027' is not an octal number such as 027."),
        ("umask", "0o27", "'0o27' is not an octal number such as 027."),
        ("env", [], 'Write names and values, such as {"PORT": "8001"}.'),
        ("env", None, 'Write names and values, such as {"PORT": "8001"}.'),
        ("env", {"": "x"}, "'' is not a name for a variable: letters, digits and underscores only."),
        ("env", {"A B": "x"}, "'A B' is not a name for a variable: letters, digits and underscores only."),
        ("env", {"A=": "x"}, "'A=' is not a name for a variable: letters, digits and underscores only."),
        ("env", {"A\n": "x"}, "'A\\n' is not a name for a variable: letters, digits and underscores only."),
        ("env", {"A": None}, "The value of A has to be a text or a number."),
        ("env", {"A": True}, "The value of A has to be a text or a number."),
        ("env", {"A": ["x"]}, "The value of A has to be a text or a number."),
        ("env", {"A": "x\0"}, "The value of A has to be a text or a number."),
        ("env", {"A": float("nan")}, "The value of A has to be a text or a number."),
        ("env", {"A": float("inf")}, "The value of A has to be a text or a number."),
        ("env", {"A": "\ud800"}, "The value of A has to be a text or a number."),
        ("ports", 8001, PORTS),
        ("ports", None, PORTS),
        ("ports", ["8001"], PORTS),
        ("ports", [True], PORTS),
        ("ports", [80.0], PORTS),
        ("ports", [0], PORTS),
        ("ports", [65536], PORTS),
        ("ports", [-1], PORTS),
        ("ports", [80, 81, 80], "A port is listed twice."),
        ("success_exit_codes", 0, CODES),
        ("success_exit_codes", [256], CODES),
        ("success_exit_codes", [-1], CODES),
        ("success_exit_codes", [False], CODES),
        ("stop_signal", "", "There is no signal ''. Use SIGTERM, SIGINT, SIGQUIT or another name."),
        ("stop_signal", "TERM", "There is no signal 'TERM'. Use SIGTERM, SIGINT, SIGQUIT or another name."),
        ("stop_signal", "15", "There is no signal '15'. Use SIGTERM, SIGINT, SIGQUIT or another name."),
    ],
)
def test_a_fault_is_named(name: str, value: Any, message: str) -> None:
    assert faults(declared(**{name: value})) == {name: [message]}


@pytest.mark.parametrize(
    "url",
    [
        "",
        "8001/health",
        "/health",
        "https://127.0.0.1/health",
        "ftp://127.0.0.1/",
        "http://",
        "http://:8001/",
        "http://127.0.0.1:port/",
        "http://127.0.0.1:70000/",
        "http://127.0.0.1:-1/",
        "http://[::1/",
        "http://127.0.0.1/a b",
        "http://127.0.0.1/a\nHost: x",
        " http://127.0.0.1/",
    ],
)
def test_a_url_that_cannot_be_asked_is_named(url: str) -> None:
    assert faults(declared(health_kind="http", health_url=url)) == {"health_url": [URL]}


@pytest.mark.parametrize("port", [None, 0, -1, 65536])
def test_a_tcp_check_needs_a_port(port: int | None) -> None:
    message = "Give the port that has to accept connections."
    assert faults(declared(health_kind="tcp", health_port=port)) == {"health_port": [message]}


def test_a_url_counts_only_for_an_http_check() -> None:
    assert faults(declared(health_kind="none", health_url="nonsense")) == {}


def test_a_file_that_is_not_executable_is_named(tmp_path: Path) -> None:
    script = tmp_path / "run.sh"
    script.write_text("#!/bin/sh\n", encoding="utf-8")
    message = f"{script} is not executable. Make it so (chmod +x) or name its interpreter first."
    assert faults(declared(command=[str(script)])) == {"command": [message]}
    script.chmod(0o755)
    assert faults(declared(command=[str(script)])) == {}


def test_a_relative_program_is_looked_for_in_the_working_directory(tmp_path: Path) -> None:
    script = tmp_path / "bin" / "run.sh"
    script.parent.mkdir()
    script.write_text("#!/bin/sh\n", encoding="utf-8")
    script.chmod(0o755)
    assert faults(declared(command=["bin/run.sh"], cwd=str(tmp_path))) == {}
    assert "There is no file" in faults(declared(command=["bin/none.sh"], cwd=str(tmp_path)))["command"][0]


def test_every_fault_is_told_at_once() -> None:
    found = faults(declared(command=[], cwd="/no/such/place", ports=[0], stop_signal="x"))
    assert set(found) == {"command", "cwd", "ports", "stop_signal"}


@pytest.mark.django_db
def test_the_model_refuses_with_the_same_words_field_by_field() -> None:
    service = make_service(node=make_node())
    service.command, service.ports = ["no-such-program"], [70000]
    with pytest.raises(ValidationError) as refused:
        service.full_clean()
    assert refused.value.message_dict == {
        "command": ["There is no program 'no-such-program' on the PATH. Give its full path or install it."],
        "ports": [PORTS],
    }
