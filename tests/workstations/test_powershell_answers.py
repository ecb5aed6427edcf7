"""What a script is asked with can't be taken for PowerShell; its answer is taken in its shape alone."""

import base64
import json
import re

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from workstations import powershell
from workstations.exceptions import OutputNotUnderstood
from workstations.powershell import FileFacts, HostFacts, SystemInfo, complaint, script, understood

LONGEST_LINE = 8191
"""What cmd.exe takes, where a workstation insists on it; without it, 32,767."""


@pytest.mark.parametrize("name", sorted(powershell._BODIES))
def test_a_script_fits_into_the_shortest_command_line(name: str) -> None:
    longest_path = "C:\\" + "x" * 257
    sent = script(name, ldconsole=longest_path)
    assert sent.splitlines()[0] == f"# medimgr: {name}"
    assert len(base64.b64encode(sent.encode("utf-16-le"))) + 200 < LONGEST_LINE


@for_all(st.text())
def test_what_is_asked_with_never_becomes_part_of_the_script(value: str) -> None:
    lines = script("file-exists", path=value).splitlines()
    found = re.fullmatch(
        r"\$given = \[Text\.Encoding\]::UTF8\.GetString\("
        r"\[Convert\]::FromBase64String\('([A-Za-z0-9+/=]+)'\)\) \| ConvertFrom-Json",
        lines[1],
    )
    assert found is not None
    assert json.loads(base64.b64decode(found[1])) == {"path": value}
    assert lines[2:] == script("file-exists", path="C:\\a.apk").splitlines()[2:]


def test_a_script_that_is_none_is_an_error() -> None:
    with pytest.raises(KeyError):
        script("format-disk")


def test_every_shape_belongs_to_a_script() -> None:
    assert set(powershell._SHAPES.values()) == set(powershell._BODIES)


def test_an_answer_is_read() -> None:
    assert understood(FileFacts, b'{"exists":true,"size_bytes":31457280}\r\n').size_bytes == 31457280


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "nothing"),
        (b"Welcome!\r\n{}", "Welcome!"),
        (b'{"exists":"yes","size_bytes":null}', "at exists"),
        (b'{"exists":true}', "at size_bytes"),
        (b'{"exists":true,"size_bytes":1,"more":2}', "at more"),
        (b'{"exists":true,"size_bytes":1}{}', "as a whole"),
        (b"\xff\xfe{", "as a whole"),
        (b'[{"exists":true,"size_bytes":1}]', "as a whole"),
    ],
)
def test_anything_else_is_not_understood_and_the_place_is_named(raw: bytes, said: str) -> None:
    with pytest.raises(OutputNotUnderstood) as caught:
        understood(FileFacts, raw)
    assert said in caught.value.detail
    assert "file-exists" in caught.value.detail


def test_a_time_of_windows_is_read_in_utc() -> None:
    raw: dict[str, object] = {
        "computer": "PC-1",
        "os": {"name": "Windows", "version": "10.0", "build": 1, "booted_at": "2026-01-05T06:30:00Z"},
        "cpu": {"model": "x", "cores": 1, "threads": 2, "load_percent": None},
        "memory": {"total_bytes": 2, "free_bytes": 1},
        "disks": [],
        "sessions": None,
    }
    told = understood(SystemInfo, json.dumps(raw).encode())
    assert told.os.booted_at.isoformat() == "2026-01-05T06:30:00+00:00"
    assert told.sessions is None


def test_of_a_host_everything_but_who_asks_may_be_unknown() -> None:
    raw = {
        "user": "PC-1\\medimgr",
        "elevated": False,
        "powershell": "5.1",
        "quotas": None,
        "service": None,
        "ldconsole": {"found": False, "version": None},
        "disk": None,
        "sessions": None,
        "code_pages": None,
    }
    assert understood(HostFacts, json.dumps(raw).encode()).quotas is None


@pytest.mark.parametrize(
    ("stderr", "said"),
    [
        (b"", "it said nothing."),
        (b"Access is denied.\r\n", "Access is denied."),
        (
            b'#< CLIXML\r\n<Objs Version="1.1.0.1"><S S="Error">Cannot find &lt;it&gt;_x000D__x000A_</S>'
            b'<S S="Error">At line:1_x000D__x000A_</S></Objs>',
            "Cannot find <it> At line:1",
        ),
        (b"x" * 5000, "x" * 300),
    ],
)
def test_a_complaint_is_told_without_its_wrapping(stderr: bytes, said: str) -> None:
    assert complaint(stderr) == said
