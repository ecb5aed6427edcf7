"""Reads a file of declarations into plain data and finds every fault of its form. Touches no database."""

from typing import Any

from medimgr.lib.toml_lines import Lines
from medimgr.lib.toml_text import dotted, parsed
from monitoring.importers.document import (
    DEPENDS_ON,
    TABLE,
    Document,
    Place,
    Written,
    defaults,
)
from monitoring.importers.faults import Fault, ImportProblem
from monitoring.importers.sources import Source
from monitoring.importers.toml_types import ENV_KEPT, resolved, type_fault
from monitoring.states import Condition


def read(source: Source) -> Document:
    """Read a text, collecting faults. Raises ImportProblem where it is no TOML."""
    file, text = source.name, source.text
    content = parsed(file, text)
    if isinstance(content, Fault):
        raise ImportProblem(file, [content])
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


def _read_service(document: Document, key: str, table: Any) -> None:
    if not isinstance(table, dict):
        document.fault(f"This has to be a table: write [{TABLE}.{key}].", TABLE, key)
        return
    fields = defaults() | {"name": key}
    depends_on: dict[str, str] = {}
    kept: tuple[str, ...] = ()
    for name, value in table.items():
        fault = type_fault(name, value)
        if fault:
            document.fault(fault, TABLE, key, name)
        elif name == DEPENDS_ON:
            depends_on = _read_conditions(document, key, value)
        elif name == ENV_KEPT:
            kept = tuple(dict.fromkeys(value))
        else:
            fields[name] = resolved(name, value)
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
