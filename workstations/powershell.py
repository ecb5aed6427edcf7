"""Asks a workstation by a PowerShell script, and takes its answer only in the shape that was agreed on.

A script as it is sent::

    # medimgr: file-exists
    $given = ... FromBase64String('eyJwYXRoIjoiQzpcXGEuYXBrIn0=') ...
    (preferences, the body, the answer as one JSON document in UTF-8)

The first line names it; the second carries what it is asked with, as JSON in Base64, so that nothing of it
can ever be taken for PowerShell. The answer's bytes are written to standard output as they are: no code
page of the workstation has a say in it.
"""

import base64
import json
import re
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from workstations import powershell_scripts
from workstations.exceptions import OutputNotUnderstood, RemoteExit

if TYPE_CHECKING:
    from workstations.winrm import Host

_BODIES = {
    "system-info": powershell_scripts.SYSTEM_INFO,
    "host-check": powershell_scripts.HOST_CHECK,
    "emulator-configs": powershell_scripts.EMULATOR_CONFIGS,
    "file-exists": powershell_scripts.FILE_EXISTS,
    "desktop-start": powershell_scripts.DESKTOP_START,
}
_PREFERENCES = "$ErrorActionPreference = 'Stop'; $ProgressPreference = 'SilentlyContinue'"
_ANSWER = """
$bytes = [Text.Encoding]::UTF8.GetBytes((ConvertTo-Json $answer -Depth 6 -Compress))
$out = [Console]::OpenStandardOutput(); $out.Write($bytes, 0, $bytes.Length); $out.Flush()
"""
_SHOWN = 300


class _Shape(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Session(_Shape):
    """One desktop that somebody is logged on to."""

    user: str
    """``COMPUTER\\name`` or ``DOMAIN\\name``."""
    session: int


class OperatingSystem(_Shape):
    """Windows, as it names itself."""

    name: str
    version: str
    build: int
    booted_at: datetime


class Processors(_Shape):
    """All processors together."""

    model: str
    cores: int
    threads: int
    load_percent: int | None


class Memory(_Shape):
    """Physical memory."""

    total_bytes: int
    free_bytes: int


class Disk(_Shape):
    """A fixed disk."""

    name: str
    """``C:``."""
    label: str = ""
    total_bytes: int
    free_bytes: int


class SystemInfo(_Shape):
    """The answer of ``system-info``, which is asked with nothing."""

    computer: str
    os: OperatingSystem
    cpu: Processors
    memory: Memory
    disks: list[Disk]
    sessions: list[Session] | None


class Quotas(_Shape):
    """What WinRM allows one user, by the names that Windows has for it."""

    MaxShellsPerUser: int
    MaxProcessesPerShell: int
    MaxMemoryPerShellMB: int


class WinRMService(_Shape):
    """What the WinRM service lets in."""

    AllowUnencrypted: bool
    Basic: bool


class Program(_Shape):
    """What is at ldconsole's path."""

    found: bool
    version: str | None


class CodePages(_Shape):
    """The code pages of the system: 936, 1252, 65001 ..."""

    ansi: int
    oem: int


class HostFacts(_Shape):
    """The answer of ``host-check``, asked with ``ldconsole``. None: it could not find that out."""

    user: str
    elevated: bool
    powershell: str
    quotas: Quotas | None
    service: WinRMService | None
    ldconsole: Program
    disk: Disk | None
    """The one that ldconsole is on."""
    sessions: list[Session] | None
    code_pages: CodePages | None


class EmulatorConfig(_Shape):
    """One emulator's config file. None: it does not say; ``fault``: it can't be read."""

    index: int
    cpu: int | None = None
    memory_mb: int | None = None
    width: int | None = None
    height: int | None = None
    dpi: int | None = None
    fault: str = ""


class EmulatorConfigs(_Shape):
    """The answer of ``emulator-configs``, asked with ``folder``: where ldconsole is."""

    configs: list[EmulatorConfig]


class FileFacts(_Shape):
    """The answer of ``file-exists``, asked with ``path``."""

    exists: bool
    size_bytes: int | None


class DesktopStart(_Shape):
    """The answer of ``desktop-start``, asked with ``task``, ``program``, ``arguments`` and ``user``."""

    result: int
    """What Windows says of the task's last run, unsigned."""


ShapeT = TypeVar("ShapeT", bound=_Shape)
_SHAPES: dict[type[_Shape], str] = {
    SystemInfo: "system-info",
    HostFacts: "host-check",
    EmulatorConfigs: "emulator-configs",
    FileFacts: "file-exists",
    DesktopStart: "desktop-start",
}


def script(name: str, **given: str) -> str:
    """Return the script ``name``, to be asked with ``given``. Raises KeyError for a name that is none."""
    told = base64.b64encode(json.dumps(given).encode()).decode("ascii")
    return (
        f"# medimgr: {name}\n"
        f"$given = [Text.Encoding]::UTF8.GetString([Convert]::FromBase64String('{told}')) | "
        f"ConvertFrom-Json\n"
        f"{_PREFERENCES}{_BODIES[name]}{_ANSWER}"
    )


def ask(host: "Host", shape: type[ShapeT], *, timeout: float, **given: str) -> ShapeT:
    """Run the script that answers in ``shape`` on ``host`` within ``timeout`` seconds, and read its answer.

    Raises what ``host.powershell`` raises, RemoteExit where the script failed, and OutputNotUnderstood where
    the answer is anything but one JSON document of that shape. No query.
    """
    name = _SHAPES[shape]
    output = host.powershell(script(name, **given), timeout=timeout)
    if output.exit_code != 0:
        raise RemoteExit(
            f"PowerShell ended with {output.exit_code} when asked for {name}: {complaint(output.stderr)}"
        )
    return understood(shape, output.stdout)


def understood(shape: type[ShapeT], raw: bytes) -> ShapeT:
    """Return the answer in ``raw``. Raises OutputNotUnderstood, naming the first place that does not fit."""
    try:
        return shape.model_validate_json(raw)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(part) for part in fault["loc"])
        where = f"at {place}" if place else "as a whole"
        raise OutputNotUnderstood(
            f"What PowerShell answered when asked for {_SHAPES[shape]} does not fit {where}: {fault['msg']}. "
            f"It began with: {_beginning(raw)}"
        ) from None


def complaint(stderr: bytes) -> str:
    """Return what PowerShell wrote to standard error, without the XML that it may wrap it in. Pure."""
    text = stderr.decode("utf-8", "replace").strip()
    if text.startswith("#< CLIXML"):
        told = re.findall(r'<S S="Error">(.*?)</S>', text, re.DOTALL)
        text = re.sub(r"_x([0-9A-Fa-f]{4})_", lambda found: chr(int(found[1], 16)), "".join(told))
        for entity, character in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&amp;", "&")):
            text = text.replace(entity, character)
    first = " ".join(text.split())
    return first[:_SHOWN] if first else "it said nothing."


def _beginning(raw: bytes) -> str:
    text = raw[:_SHOWN].decode("utf-8", "replace").strip()
    return repr(text[:80]) if text else "nothing"
