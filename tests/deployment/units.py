"""The systemd units as systemd reads them."""

import shlex
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
UNITS = ROOT / "docs" / "deploy" / "systemd"
INSTALLED = "/opt/medimgr/current"

Section = dict[str, list[str]]


def read(name: str) -> dict[str, Section]:
    """Return the sections of a unit; a setting may stand several times."""
    sections: dict[str, Section] = {}
    for line in (UNITS / name).read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            current = sections.setdefault(line.strip("[]"), {})
        elif line and not line.startswith("#"):
            key, _, value = line.partition("=")
            current.setdefault(key, []).append(value)
    return sections


def one(name: str, section: str, key: str) -> str:
    """Return a setting that stands once."""
    [value] = read(name)[section][key]
    return value


def command(name: str) -> list[str]:
    """Return what a unit starts, with this clone in the place of the installed release."""
    words = shlex.split(one(name, "Service", "ExecStart"))
    assert words[0] == f"{INSTALLED}/.venv/bin/python"
    assert one(name, "Service", "WorkingDirectory") == INSTALLED
    return [sys.executable, *(str(ROOT / word) if word == "manage.py" else word for word in words[1:])]
