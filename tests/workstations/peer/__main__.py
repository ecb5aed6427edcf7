"""Runs a fleet without Windows, until it is interrupted: ``python -m tests.workstations.peer --help``."""

import argparse
import os
import secrets
import signal
import sys
import time
from pathlib import Path

from tests.workstations.peer import fleet
from tests.workstations.peer.control_file import ControlFile
from tests.workstations.peer.machine import Machine
from tests.workstations.peer.server import Peer

TAG = "simulated"
_LOOK_SECONDS = 1.0


def main() -> None:
    """Start the fleet, say how to declare it, let it live."""
    given = _arguments()
    password = _password(given.password_file)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _interrupt)
    control = ControlFile(given.control) if given.control else None
    try:
        with Peer(in_process=given.in_process) as peer:
            machines = fleet.build(
                peer, given.machines, given.emulators, password=password, first_port=given.port
            )
            if given.declare:
                given.declare.write_text(declaration(machines), encoding="utf-8")
            _say(_introduction(machines, given.declare, given.password_file))
            while True:
                time.sleep(_LOOK_SECONDS)
                if given.life:
                    fleet.live(machines)
                for words in control.obey(peer) if control else []:
                    _say(words)
    except OSError as error:
        raise SystemExit(f"The fleet can't be started: {error}. Is another one running? --port N.") from error
    except KeyboardInterrupt:
        _say("The fleet has ended.")


def declaration(machines: list[Machine]) -> str:
    """Return the fleet as ``manage.py workstations import`` takes it."""
    return "\n".join(
        f'[workstations.{machine.name}]\nhost = "{machine.host}"\nport = {machine.port}\n'
        f'username = "{machine.username}"\ntags = ["{TAG}"]\nboot_seconds = 60\n'
        for machine in machines
    )


def _introduction(machines: list[Machine], file: Path | None, password_file: Path) -> str:
    first, last = machines[0], machines[-1]
    told = [f"{len(machines)} workstations listen at {first.host}:{first.port} to {last.port}."]
    name = str(file) if file else "fleet.toml"
    if not file:
        told += ["", f"Declare them: save this as {name}", "", declaration(machines)]
    return "\n".join(
        [
            *told,
            "Then, in another terminal:",
            f"  python manage.py workstations import {name}",
            f"  python manage.py workstations set-password --tag {TAG} < {password_file}",
            "",
            "Ctrl+C ends the fleet.",
        ]
    )


def _password(file: Path) -> str:
    """Return the password in a file that its owner alone can read; make it where there is none."""
    if not file.exists():
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as fresh:
            fresh.write(secrets.token_urlsafe(12) + "\n")
    return file.read_text(encoding="utf-8").strip()


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _say(words: str) -> None:
    sys.stdout.write(words + "\n")
    sys.stdout.flush()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.workstations.peer",
        description="Simulates Windows workstations with LDPlayer: real WinRM at ports of loopback.",
    )
    parser.add_argument("--machines", type=int, default=3, help="How many (default 3).")
    parser.add_argument("--emulators", type=int, default=7, help="On each (default 7).")
    parser.add_argument(
        "--port", type=int, default=15985, help="The first machine's (default 15985); 0: any."
    )
    parser.add_argument("--declare", type=Path, metavar="FILE", help="Write the fleet file there.")
    parser.add_argument(
        "--password-file",
        type=Path,
        metavar="FILE",
        default=Path("peer-password"),
        help="Where the password of all is, or is put (default ./peer-password).",
    )
    parser.add_argument("--control", type=Path, metavar="FILE", help="TOML that sets faults and quirks.")
    parser.add_argument("--life", action="store_true", help="Let emulators start and end by themselves.")
    parser.add_argument("--in-process", action="store_true", help="No process for each command: for load.")
    return parser.parse_args()


if __name__ == "__main__":
    main()
