"""Files of declarations for the tests of import and export."""

import sys
from pathlib import Path

import pytest

from monitoring.importers.faults import Fault, ImportProblem
from monitoring.importers.toml import Change, import_services

DEMO = Path(__file__).resolve().parents[3] / "monitoring" / "demo" / "services.toml"
NODE = "testnode"
TWO = """\
[services.database]
name = "Database"
command = ["{python}", "-c", "pass"]
ports = [9001]

[services.backend]
name = "Backend"
command = ["{python}", "-c", "pass"]
env = { PORT = "9002" }
ports = [9002]
depends_on = { database = "healthy" }
"""


def write(directory: Path, text: str, name: str = "services.toml") -> Path:
    path = directory / name
    path.write_text(text, encoding="utf-8")
    return path


def load(directory: Path, text: str, *, dry_run: bool = False, node: str = NODE) -> list[Change]:
    """Import ``text`` as a file."""
    return import_services(write(directory, text), node=node, dry_run=dry_run)


def faults_of(directory: Path, text: str) -> list[Fault]:
    """Return the faults for which ``text`` is refused."""
    with pytest.raises(ImportProblem) as refused:
        load(directory, text)
    return refused.value.faults


def what_changed(changes: list[Change]) -> dict[str, str]:
    return {change.key: change.what for change in changes}


def fields_of(change: Change) -> dict[str, tuple[object, object]]:
    """Return old and new value by field."""
    return {name: (difference.old, difference.new) for name, difference in change.fields.items()}


def one(line: str) -> str:
    """Return a valid service with one more line, which is the third of the text."""
    return f'[services.web]\ncommand = ["{sys.executable}"]\n{line}\n'
