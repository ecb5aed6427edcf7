"""What type each key of a TOML declaration has to have, and which of its texts hold placeholders."""

import difflib
import math
from typing import Any

from django.db import models

from monitoring.importers import placeholders
from monitoring.importers.document import DEPENDS_ON, FIELDS

ENV_KEPT = "env_kept"
COMMANDS = frozenset({"command", "health_command", "stop_command"}) | {
    f"{when}_command" for when in ("pre_start", "post_start", "pre_stop", "post_stop")
}
_TEXT_LISTS = COMMANDS | {ENV_KEPT, "success_signals"}
_NUMBER_LISTS = frozenset({"ports", "success_exit_codes", "fatal_exit_codes"})
_TABLES = frozenset({DEPENDS_ON, "env", "rlimits"})

_EXPECTED = {
    DEPENDS_ON: 'Write keys of services and conditions, such as { backend = "healthy" }.',
    ENV_KEPT: 'Write a list of names of variables, such as ["API_TOKEN"].',
    "env": 'Write names and values, such as { PORT = "8001" }.',
    "rlimits": 'Write names and limits, such as { nofile = 4096, core = [0, "unlimited"] }.',
    "ports": "Write a list of port numbers, such as [8001].",
    "success_exit_codes": "Write a list of exit codes, such as [0, 2].",
    "fatal_exit_codes": "Write a list of exit codes, such as [78].",
    "success_signals": 'Write a list of names of signals, such as ["SIGTERM"].',
} | dict.fromkeys(COMMANDS, 'Write a list of texts, such as ["{python}", "server.py"].')


def type_fault(name: str, value: Any) -> str:
    """Return what is wrong with the type of a value, empty where nothing is. Ranges are the model's rules."""
    if name in _TABLES:
        return "" if isinstance(value, dict) and not _has_nul(value) else _EXPECTED[name]
    if name in _TEXT_LISTS:
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


def resolved(name: str, value: Any) -> Any:
    """Return a value with its placeholders replaced, where the format knows them."""
    if name == "cwd":
        return placeholders.resolve(value)
    if name in COMMANDS:
        return [placeholders.resolve(part) for part in value]
    if name == "env":
        return {variable: _variable(item) for variable, item in value.items()}
    return value


def general(name: str, value: Any) -> Any:
    """Return a value with placeholders in place of this machine's paths: what ``resolved`` undoes."""
    if name == "cwd":
        return placeholders.generalise(value)
    if name in COMMANDS:
        return [placeholders.generalise(part) for part in value]
    if name == "env":
        return {variable: placeholders.generalise(str(item)) for variable, item in value.items()}
    return value


def _variable(value: Any) -> Any:
    """Return the text that the process will get; what is no text or number the rules refuse."""
    if isinstance(value, str):
        return placeholders.resolve(value)
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _all(value: Any, kind: type) -> bool:
    return isinstance(value, list) and all(isinstance(v, kind) and not isinstance(v, bool) for v in value)


def _has_nul(value: Any) -> bool:
    """Return whether a NUL character hides in a list or table; no database column can hold one."""
    if isinstance(value, dict):
        return any("\0" in str(name) or _has_nul([item]) for name, item in value.items())
    return any(_has_nul(item) if isinstance(item, list | dict) else "\0" in str(item) for item in value)


def _nearest(name: str) -> str:
    names = [*FIELDS, DEPENDS_ON, ENV_KEPT]
    near = difflib.get_close_matches(name, names, n=1)
    return f" Did you mean {near[0]}?" if near else f" Known: {', '.join(sorted(names))}."
