"""Reads files of variables: ``NAME=value``, one a line, as ``.env`` files and systemd's are."""

import re

_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)")
_ESCAPED = re.compile(r"\\(.)")


def read_variables(text: str) -> tuple[dict[str, str], list[int]]:
    """Return the variables, and the numbers of the lines that are none. Pure.

    Quotes around a whole value are taken off; within double quotes a backslash keeps the next character,
    and ``\\n`` is a new line. Empty lines and those that begin with # or ; say nothing.
    """
    found: dict[str, str] = {}
    others: list[int] = []
    for number, line in enumerate(text.split("\n"), 1):
        stripped = line.strip()
        if not stripped or stripped[0] in "#;":
            continue
        assignment = _ASSIGNMENT.fullmatch(stripped.removeprefix("export "))
        if assignment is None:
            others.append(number)
            continue
        found[assignment[1]] = _unquoted(assignment[2])
    return found, others


def _unquoted(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] == "'":
        return value[1:-1]
    if len(value) >= 2 and value[0] == value[-1] == '"':
        return _ESCAPED.sub(lambda found: "\n" if found[1] == "n" else found[1], value[1:-1])
    return value
