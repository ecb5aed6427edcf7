"""A fake PowerShell: knows medimgr's scripts by their first line, answers from the machine's state.

It takes nothing but ``-EncodedCommand``, and checks what it is given as the real one would: the Base64, the
UTF-16, the second line's ``$given``. What stands in the scripts below that is not run.
"""

import base64
import json
import re
from collections.abc import Callable
from typing import Any
from xml.sax.saxutils import escape

from tests.workstations.peer import desktop_start
from tests.workstations.peer.machine_directory import State
from tests.workstations.peer.program import Call, Outcome

GIGABYTE = 1024**3


def run(call: Call) -> Outcome:
    """Run the script in the arguments."""
    words = [word.lower() for word in call.arguments]
    if "-encodedcommand" not in words[:-1]:
        return Outcome(1, b"", b"The peer's PowerShell takes -EncodedCommand alone.\r\n")
    try:
        script = base64.b64decode(call.arguments[words.index("-encodedcommand") + 1], validate=True).decode(
            "utf-16-le"
        )
    except ValueError:
        return Outcome(
            -196608 & 0xFFFFFFFF,
            b"",
            b"Cannot process the command: the value of -EncodedCommand is not properly encoded.\r\n",
        )
    name = re.match(r"# medimgr: ([\w-]+)\r?\n", script)
    if name is not None and name[1] == "desktop-start":
        return desktop_start.run(call, script, _given(script))
    with call.machine.locked() as state:
        if state.quirks.powershell == "constrained":
            return failed(
                "Cannot invoke method. Method invocation is supported only on core types in this mode."
            )
        answers = SCRIPTS.get(name[1]) if name else None
        if name is None or answers is None:
            return failed("The term is not recognized as the name of a cmdlet, function or script file.")
        try:
            answer = answers(state, _given(script), call)
        except LookupError as missing:
            return failed(f"Cannot find path '{missing.args[0]}' because it does not exist.")
        answer = _overlaid(answer, state.system.get(name[1], {}))
        text = json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode()
    if state.quirks.powershell == "chatty":
        return Outcome(0, b"Welcome to the domain!\r\n" + text)
    return Outcome(0, text)


def _given(script: str) -> dict[str, str]:
    found = re.search(r"FromBase64String\('([A-Za-z0-9+/=]*)'\)", script)
    given: dict[str, str] = json.loads(base64.b64decode(found[1])) if found else {}
    return given


def failed(message: str) -> Outcome:
    """Return how a script ends that has thrown an error: on standard error, as CLIXML."""
    text = escape(message).replace("\r\n", "_x000D__x000A_")
    return Outcome(
        1,
        b"",
        '#< CLIXML\r\n<Objs Version="1.1.0.1" xmlns="http://schemas.microsoft.com/powershell/2004/04">'
        f'<S S="Error">{text}_x000D__x000A_</S></Objs>'.encode(),
    )


def _overlaid(answer: Any, over: Any) -> Any:
    if isinstance(answer, dict) and isinstance(over, dict):
        return {**answer, **{key: _overlaid(answer.get(key), value) for key, value in over.items()}}
    return over


def _sessions(state: State) -> list[dict[str, Any]]:
    user = state.quirks.logged_on
    if not user:
        return []
    return [{"user": user if "\\" in user else f"{state.name.upper()}\\{user}", "session": 1}]


def _disk(state: State) -> dict[str, Any]:
    return {"name": state.ldconsole[:2], "total_bytes": 512 * GIGABYTE, "free_bytes": _free(state)}


def _free(state: State) -> int:
    return max(300 - 8 * len(state.instances), 0) * GIGABYTE


def system_info(state: State, given: dict[str, str], call: Call) -> dict[str, Any]:
    """Answer what the machine is, and how busy."""
    running = sum(instance.active for instance in state.instances)
    return {
        "computer": state.name.upper(),
        "os": {
            "name": "Microsoft Windows 11 Pro",
            "version": "10.0.22631",
            "build": 22631,
            "booted_at": "2026-01-05T06:30:00Z",
        },
        "cpu": {
            "model": "AMD Ryzen 9 5950X 16-Core Processor",
            "cores": 16,
            "threads": 32,
            "load_percent": min(3 + 6 * running, 100),
        },
        "memory": {"total_bytes": 64 * GIGABYTE, "free_bytes": max(58 - 2 * running, 1) * GIGABYTE},
        "disks": [{**_disk(state), "label": "System"}],
        "sessions": _sessions(state),
    }


def host_check(state: State, given: dict[str, str], call: Call) -> dict[str, Any]:
    """Answer what medimgr wants of a machine that it is to work with."""
    found = state.ldplayer and given.get("ldconsole", "").lower() == state.ldconsole.lower()
    return {
        "user": f"{state.name.upper()}\\{call.user.rpartition(chr(92))[2]}",
        "elevated": state.quirks.elevated,
        "powershell": "5.1.22621.2506",
        "quotas": {
            "MaxShellsPerUser": call.quotas.get("shells", 30),
            "MaxProcessesPerShell": call.quotas.get("processes_per_shell", 25),
            "MaxMemoryPerShellMB": call.quotas.get("memory_mb", 1024),
        },
        "service": {"AllowUnencrypted": False, "Basic": False},
        "ldconsole": {"found": found, "version": state.quirks.version if found else None},
        "disk": _disk(state),
        "sessions": _sessions(state),
        "code_pages": {"ansi": 936, "oem": 936},
    }


def emulator_configs(state: State, given: dict[str, str], call: Call) -> dict[str, Any]:
    """Answer each instance's config; before its first ``modify`` it has none of these keys."""
    folder = given.get("folder", "")
    if not state.ldplayer or folder.lower() != state.ldconsole.rpartition("\\")[0].lower():
        raise LookupError(f"{folder}\\vms\\config")
    configs = []
    for one in state.instances:
        modified = one.cpu is not None
        configs.append(
            {
                "index": one.index,
                "cpu": one.cpu,
                "memory_mb": one.memory_mb,
                "width": one.width if modified else None,
                "height": one.height if modified else None,
                "dpi": one.dpi if modified else None,
            }
        )
    return {"configs": configs}


def file_exists(state: State, given: dict[str, str], call: Call) -> dict[str, Any]:
    """Answer whether a file is there."""
    path = given.get("path", "").replace("/", "\\").lower()
    exists = path in {known.lower() for known in state.files}
    return {"exists": exists, "size_bytes": 31_457_280 if exists else None}


SCRIPTS: dict[str, Callable[[State, dict[str, str], Call], dict[str, Any]]] = {
    "system-info": system_info,
    "host-check": host_check,
    "emulator-configs": emulator_configs,
    "file-exists": file_exists,
}
