"""Reads a file of declarations into plain data and finds every fault of its form. Touches no database."""

import difflib
import json
import math
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db import models

from monitoring.importers import placeholders
from monitoring.importers.faults import Fault, ImportProblem
from monitoring.importers.toml_lines import Lines
from monitoring.models import Service
from monitoring.states import Condition

LARGEST_FILE = 4 * 1024 * 1024
TABLE = "services"
DEPENDS_ON = "depends_on"
ENV_KEPT = "env_kept"
_SYNTAX = re.compile(r"(?P<what>.*) \((?:at line (?P<line>\d+), column (?P<column>\d+)|at end of document)\)")
_NOT_IN_FILES = {"id", "key", "node", "builtin", "created_at", "updated_at"}

FIELDS: dict[str, "models.Field[Any, Any]"] = {
    field.name: field for field in Service._meta.concrete_fields if field.name not in _NOT_IN_FILES
}
"""What a file may say about a service, by the name that model, admin and file share."""
_TEXT_LISTS = {"command"}
_NUMBER_LISTS = {"ports", "success_exit_codes"}


@dataclass(frozen=True, slots=True)
class Written:
    """A service as the file has it: every field, defaults where it says nothing."""

    key: str
    fields: dict[str, Any]
    depends_on: dict[str, str]
    """Condition by the key of the service that is needed."""
    env_kept: tuple[str, ...]
    """Variables whose values stay as the database has them."""


@dataclass(slots=True)
class Document:
    """A file with its services, and the faults found so far."""

    file: str
    lines: Lines
    services: dict[str, Written]
    faults: list[Fault]

    def fault(self, message: str, *path: str) -> None:
        """Add a fault at the line where ``path`` stands."""
        self.faults.append(Fault(self.file, self.lines.of(*path), dotted(path), message))


def dotted(path: tuple[str, ...]) -> str:
    """Return a path of keys as TOML writes it."""
    return ".".join(
        part if re.fullmatch(r"[A-Za-z0-9_-]+", part) else json.dumps(part, ensure_ascii=False)
        for part in path
    )


def read(path: Path) -> Document:
    """Read ``path``, collecting faults. Raises ImportProblem where it cannot be read or is no TOML."""
    text = _text_of(path)
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ImportProblem(str(path), [_syntax_fault(path, text, str(error))]) from None
    except RecursionError:
        raise ImportProblem(str(path), [Fault(str(path), 0, "", "Its values are nested too deep.")]) from None
    except ValueError as error:  # such as a number with thousands of digits
        raise ImportProblem(str(path), [Fault(str(path), 0, "", f"It cannot be read: {error}.")]) from None
    document = Document(str(path), Lines(text), {}, [])
    for name in content:
        if name != TABLE:
            document.fault(f"Unknown key. Write [{TABLE}.KEY] for each service.", name)
    tables = content.get(TABLE, {})
    if not isinstance(tables, dict):
        document.fault(f"This has to be a table: write [{TABLE}.KEY] for each service.", TABLE)
    elif not tables:
        document.fault(f"No service is declared here. Write [{TABLE}.KEY] for each service.")
    else:
        for key, table in tables.items():
            _read_service(document, key, table)
    return document


def _text_of(path: Path) -> str:
    def refuse(message: str, line: int = 0) -> ImportProblem:
        return ImportProblem(str(path), [Fault(str(path), line, "", message)])

    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise refuse(f"It cannot be read: {error.strerror}. Check the path and its permissions.") from None
    if len(content) > LARGEST_FILE:
        raise refuse(
            f"It is larger than {LARGEST_FILE // 1024 // 1024} MiB; that is no file of declarations."
        )
    try:
        # An editor on Windows may begin the file with a byte order mark, which TOML does not know.
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise refuse("It is not UTF-8 text. Save it as UTF-8.", line) from None


def _syntax_fault(path: Path, text: str, message: str) -> Fault:
    found = _SYNTAX.fullmatch(message)
    if found is None:
        return Fault(str(path), 0, "", f"This is no valid TOML: {message}.")
    line = int(found["line"] or text.rstrip().count("\n") + 1)
    column = f" (column {found['column']})" if found["column"] else ""
    return Fault(str(path), line, "", f"This is no valid TOML: {found['what']}{column}.")


def _read_service(document: Document, key: str, table: Any) -> None:
    if not isinstance(table, dict):
        document.fault(f"This has to be a table: write [{TABLE}.{key}].", TABLE, key)
        return
    fields = {name: field.get_default() for name, field in FIELDS.items()} | {"name": key}
    depends_on: dict[str, str] = {}
    kept: tuple[str, ...] = ()
    for name, value in table.items():
        fault = _type_fault(name, value)
        if fault:
            document.fault(fault, TABLE, key, name)
        elif name == DEPENDS_ON:
            depends_on = _read_conditions(document, key, value)
        elif name == ENV_KEPT:
            kept = tuple(dict.fromkeys(value))
        else:
            fields[name] = _resolved(name, value)
    if "command" not in table:
        document.fault(
            'command is missing. Write one such as ["{python}", "server.py"].', TABLE, key, "command"
        )
    for name in sorted(set(kept) & set(fields["env"])):
        document.fault(f"{name} stands in env too. Remove it from one of the two.", TABLE, key, ENV_KEPT)
    document.services[key] = Written(key, fields, depends_on, kept)


def _read_conditions(document: Document, key: str, table: dict[str, Any]) -> dict[str, str]:
    words = [condition.value for condition in Condition]
    for needed, condition in table.items():
        if condition not in words:
            document.fault(f"Write {' or '.join(map(repr, words))}.", TABLE, key, DEPENDS_ON, needed)
    return {needed: condition for needed, condition in table.items() if condition in words}


def _type_fault(name: str, value: Any) -> str:
    """Return what is wrong with the type of a value, empty where nothing is. Ranges are the model's rules."""
    if name in {DEPENDS_ON, "env"}:
        return "" if isinstance(value, dict) and not _has_nul(value) else _EXPECTED[name]
    if name in _TEXT_LISTS | {ENV_KEPT}:
        return "" if _all(value, str) and not _has_nul(value) else _EXPECTED[name]
    if name in _NUMBER_LISTS:
        return "" if _all(value, int) else _EXPECTED[name]
    field = FIELDS.get(name)
    if field is None:
        return f"Unknown key.{_nearest(name)}"
    if isinstance(field, models.BooleanField):
        return "" if isinstance(value, bool) else "Write true or false."
    if isinstance(field, models.FloatField):
        fine = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < math.inf
        return "" if fine else "Write a number, such as 2.5."
    if isinstance(field, models.IntegerField):
        whole = isinstance(value, int) and not isinstance(value, bool)
        return "" if whole else "Write a whole number."
    return "" if isinstance(value, str) and "\0" not in value else 'Write a text in quotes, such as "web".'


_EXPECTED = {
    DEPENDS_ON: 'Write keys of services and conditions, such as { backend = "healthy" }.',
    ENV_KEPT: 'Write a list of names of variables, such as ["API_TOKEN"].',
    "env": 'Write names and values, such as { PORT = "8001" }.',
    "command": 'Write a list of texts, such as ["{python}", "server.py"].',
    "ports": "Write a list of port numbers, such as [8001].",
    "success_exit_codes": "Write a list of exit codes, such as [0, 2].",
}


def _all(value: Any, kind: type) -> bool:
    return isinstance(value, list) and all(isinstance(v, kind) and not isinstance(v, bool) for v in value)


def _has_nul(value: Any) -> bool:
    """Return whether a NUL character hides in a list or table; no database column can hold one."""
    if isinstance(value, dict):
        return any("\0" in str(name) or "\0" in str(item) for name, item in value.items())
    return any("\0" in item for item in value)


def _nearest(name: str) -> str:
    near = difflib.get_close_matches(name, [*FIELDS, DEPENDS_ON, ENV_KEPT], n=1)
    return (
        f" Did you mean {near[0]}?"
        if near
        else f" Known: {', '.join(sorted([*FIELDS, DEPENDS_ON, ENV_KEPT]))}."
    )


def _resolved(name: str, value: Any) -> Any:
    if name == "cwd":
        return placeholders.resolve(value)
    if name == "command":
        return [placeholders.resolve(part) for part in value]
    if name == "env":
        return {name: _variable(item) for name, item in value.items()}
    return value


def _variable(value: Any) -> Any:
    """Return the text that the process will get; what is no text or number the rules refuse."""
    if isinstance(value, str):
        return placeholders.resolve(value)
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
