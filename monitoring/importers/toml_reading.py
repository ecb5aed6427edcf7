"""Reads a file of declarations into plain data and finds every fault of its form. Touches no database."""

import difflib
import math
import re
import tomllib
from typing import Any

from django.db import models

from monitoring.importers import placeholders
from monitoring.importers.document import (
    DEPENDS_ON,
    FIELDS,
    TABLE,
    Document,
    Place,
    Written,
    defaults,
    dotted,
)
from monitoring.importers.faults import Fault, ImportProblem
from monitoring.importers.sources import Source
from monitoring.importers.toml_lines import Lines
from monitoring.states import Condition

ENV_KEPT = "env_kept"
_SYNTAX = re.compile(r"(?P<what>.*) \((?:at line (?P<line>\d+), column (?P<column>\d+)|at end of document)\)")
_TEXT_LISTS = {"command"}
_NUMBER_LISTS = {"ports", "success_exit_codes"}


def read(source: Source) -> Document:
    """Read a text, collecting faults. Raises ImportProblem where it is no TOML."""
    file, text = source.name, source.text
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ImportProblem(file, [_syntax_fault(file, text, str(error))]) from None
    except RecursionError:
        raise ImportProblem(file, [Fault(file, 0, "", "Its values are nested too deep.")]) from None
    except ValueError as error:  # such as a number with thousands of digits
        raise ImportProblem(file, [Fault(file, 0, "", f"It cannot be read: {error}.")]) from None
    lines = Lines(text)
    document = Document(file, lambda path: Place(file, lines.of(*path), dotted(path)))
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


def _syntax_fault(file: str, text: str, message: str) -> Fault:
    found = _SYNTAX.fullmatch(message)
    if found is None:
        return Fault(file, 0, "", f"This is no valid TOML: {message}.")
    line = int(found["line"] or text.rstrip().count("\n") + 1)
    column = f" (column {found['column']})" if found["column"] else ""
    return Fault(file, line, "", f"This is no valid TOML: {found['what']}{column}.")


def _read_service(document: Document, key: str, table: Any) -> None:
    if not isinstance(table, dict):
        document.fault(f"This has to be a table: write [{TABLE}.{key}].", TABLE, key)
        return
    fields = defaults() | {"name": key}
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
