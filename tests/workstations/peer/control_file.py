"""Sets faults and quirks of a running fleet from a TOML file that somebody edits.

::

    [pc-01]
    port = "closed"                      # nothing listens any more; "open" again
    faults.unavailable = 3               # the next three requests get HTTP 503
    faults.stall_in.Receive = 1
    quirks.columns = 7
    password = "another"
"""

import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

from tests.workstations.peer.faults import Faults
from tests.workstations.peer.machine import Machine
from tests.workstations.peer.quirks import Quirks
from tests.workstations.peer.server import Peer

_FAULTS = {field.name for field in fields(Faults) if not field.name.startswith("_")}
_QUIRKS = {field.name for field in fields(Quirks)}


class ControlFile:
    """A file that is looked at again and again, and obeyed when it has changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen = 0

    def obey(self, peer: Peer) -> list[str]:
        """Do what the file says if it is new; return what was done, or what is wrong with it, in words."""
        try:
            changed = self._path.stat().st_mtime_ns
            if changed == self._seen:
                return []
            self._seen = changed
            content = tomllib.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return []
        except (OSError, ValueError) as error:
            return [f"{self._path}: {error}"]
        machines = {machine.name: machine for machine in peer.machines}
        words = []
        for name, wanted in content.items():
            if name not in machines or not isinstance(wanted, dict):
                words.append(f"{name}: there is no such machine.")
            else:
                words += _set(peer, machines[name], wanted)
        return words


def _set(peer: Peer, machine: Machine, wanted: dict[str, Any]) -> list[str]:
    words = []
    for key, value in wanted.items():
        try:
            _set_one(peer, machine, key, value)
            words.append(f"{machine.name}: {key} is set.")
        except (ValueError, AttributeError, TypeError) as error:
            words.append(f"{machine.name}: {key} is not set: {error}")
    return words


def _set_one(peer: Peer, machine: Machine, key: str, value: Any) -> None:
    if key == "port" and value in ("open", "closed"):
        if (value == "open") != peer.listens(machine):
            (peer.open_port if value == "open" else peer.close_port)(machine)
    elif key == "password":
        machine.change_password(str(value))
    elif key == "faults":
        for name in value:
            _known(name, _FAULTS)
        for name, number in value.items():
            setattr(machine.faults, name, number)
    elif key == "quirks":
        for name in value:
            _known(name, _QUIRKS)
        machine.set(**value)
    else:
        raise ValueError("write port, password, faults or quirks")


def _known(name: str, names: set[str]) -> None:
    if name not in names:
        raise ValueError(f"there is no {name}; there are {', '.join(sorted(names))}")
