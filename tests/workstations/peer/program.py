"""The programs on a simulated machine: run in a process of their own, or as a function of this one.

``python -m tests.workstations.peer.program NAME ARGUMENT...`` runs one, for the machine whose directory
is in ``PEER_MACHINE``.
"""

import importlib
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.workstations.peer.machine_directory import MachineDirectory

ROOT = Path(__file__).resolve().parents[3]
DESKTOP = "desktop"
SERVICES = "0"


@dataclass(frozen=True)
class Call:
    """One run of a program."""

    machine: MachineDirectory
    arguments: list[str]
    session: str
    """``DESKTOP`` or ``SERVICES``: all that comes in by WinRM."""
    stdin: Callable[[], bytes] = field(default=lambda: b"")
    user: str = ""
    """Who runs it."""
    quotas: dict[str, int] = field(default_factory=dict)
    """What WinRM allows that user."""


@dataclass(frozen=True)
class Outcome:
    """What a run left."""

    exit_code: int
    stdout: bytes = b""
    stderr: bytes = b""


NAMES = {
    "ldconsole.exe": "ldconsole",
    "dnconsole.exe": "ldconsole",
    "powershell.exe": "powershell",
    "sample.exe": "sample",
}


def name_of(path: str) -> str | None:
    """Return the simulated program behind a Windows path, None where there is none."""
    return NAMES.get(path.rpartition("\\")[2].lower())


def run(name: str, call: Call) -> Outcome:
    """Run a simulated program as a function."""
    module = importlib.import_module(f"tests.workstations.peer.{name}")
    outcome: Outcome = module.run(call)
    return outcome


def command(name: str, arguments: list[str]) -> list[str]:
    """Return the command that runs a simulated program in a process of its own."""
    interpreter = [sys.executable, "-S", "-E", "-X", "utf8"]
    return [*interpreter, "-m", "tests.workstations.peer.program", name, *arguments]


def environment(call: Call, exit_code: int) -> dict[str, str]:
    """Return the environment of such a process, which writes its exit code to the descriptor given."""
    return {
        "PEER_MACHINE": str(call.machine.path),
        "PEER_SESSION": call.session,
        "PEER_USER": call.user,
        "PEER_QUOTAS": json.dumps(call.quotas),
        "PEER_EXIT_CODE": str(exit_code),
        "PATH": os.environ["PATH"],
    }


def main() -> None:
    """Run the program that the command line names; tell its exit code, which may be a wide one, on a pipe."""
    name, *arguments = sys.argv[1:]
    machine = MachineDirectory(Path(os.environ["PEER_MACHINE"]))
    call = Call(
        machine,
        arguments,
        os.environ["PEER_SESSION"],
        lambda: sys.stdin.buffer.read(),  # noqa: PLW0108  (there is no stdin where it is closed)
        os.environ["PEER_USER"],
        json.loads(os.environ["PEER_QUOTAS"]),
    )
    outcome = run(name, call)
    for stream, data in ((sys.stdout, outcome.stdout), (sys.stderr, outcome.stderr)):
        stream.buffer.write(data)
        stream.buffer.flush()
    os.write(int(os.environ["PEER_EXIT_CODE"]), str(outcome.exit_code).encode())


if __name__ == "__main__":
    main()
