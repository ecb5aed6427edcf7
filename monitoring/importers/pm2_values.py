"""How an ecosystem file of PM2 writes values. Pure; each reader raises BadSetting."""

import json
import math
import os
import re
from typing import Any

_MEMORY = re.compile(r"(\d{1,12})([GMK]?)", re.IGNORECASE)
_TIME = re.compile(r"(\d{1,12})([hms]?)", re.IGNORECASE)
_ARGUMENTS = re.compile(r"""([\w\-]+="[^"]*")|([\w\-]+='[^']*')|"([^"]*)"|'([^']*)'|\s""")
_MB = 1024 * 1024
_MOST_INSTANCES = 100


class BadSetting(ValueError):
    """A setting that PM2 would not take either; the message says what to write."""


def text(value: Any) -> str:
    """Return a text."""
    if isinstance(value, str):
        return value
    raise BadSetting("Write a text in double quotes.")


def name(value: Any) -> str:
    """Return a text, which may be written as a number."""
    if isinstance(value, str | int) and not isinstance(value, bool):
        return str(value)
    raise BadSetting("Write a text in double quotes.")


def yes(value: Any) -> bool:
    """Return a yes or no."""
    if isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return bool(value == "true")
    raise BadSetting("Write true or false.")


def is_number(value: Any, least: int) -> bool:
    """Return whether it is a whole number, of ``least`` or more, or a text of one."""
    return (isinstance(value, int) and not isinstance(value, bool) and value >= least) or (
        isinstance(value, str) and value.isascii() and value.isdigit() and int(value[:9]) >= least
    )


def whole(value: Any) -> int:
    """Return a whole number."""
    if is_number(value, 0) and len(str(value)) < 10:
        return int(value)
    raise BadSetting("Write a whole number.")


def count(value: Any) -> int:
    """Return how many instances; max and 0 are as many as processors, -1 one less."""
    processors = os.cpu_count() or 1
    if value in ("max", 0, "0", -1, "-1") and not isinstance(value, bool):
        return processors - 1 if value in (-1, "-1") and processors > 1 else processors
    count = whole(value)
    if count > _MOST_INSTANCES:
        raise BadSetting(f"Write a number up to {_MOST_INSTANCES}.")
    return count


def arguments(value: Any) -> list[str]:
    """Return arguments, of a list or of a line."""
    if isinstance(value, list) and all(isinstance(part, str | int | float) for part in value):
        return [str(part) for part in value]
    if isinstance(value, str):
        # PM2's own way: quotes around a whole argument go, those behind NAME= stay.
        return [part for part in _ARGUMENTS.split(value) if part and part.strip()]
    raise BadSetting('Write a text, or a list of texts such as ["--port", "3000"].')


def variables(value: Any) -> dict[str, str]:
    """Return variables, their values as texts."""
    if not isinstance(value, dict):
        raise BadSetting('Write names and values, such as { "PORT": 3000 }.')
    return {name: _variable(item) for name, item in value.items() if item is not None}


def _variable(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def codes(value: Any) -> list[int]:
    """Return exit codes."""
    codes = value if isinstance(value, list) else [value]
    if all(is_number(code, 0) and int(code) < 256 for code in codes):
        return [int(code) for code in codes]
    raise BadSetting("Write a list of exit codes from 0 to 255, such as [0].")


def milliseconds(value: Any) -> float:
    """Return seconds."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 10**12:
        return value / 1000
    found = _TIME.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        raise BadSetting('Write milliseconds, or a time such as "10s".')
    unit = {"h": 3600.0, "m": 60.0, "s": 1.0, "": 0.001}[found[2].lower()]
    return int(found[1]) * unit


def memory(value: Any) -> int:
    """Return MB, at least one."""
    text = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
    found = _MEMORY.fullmatch(text)
    if found is None:
        raise BadSetting('Write a size such as "300M".')
    size = int(found[1]) * {"G": 1024**3, "M": _MB, "K": 1024, "": 1}[found[2].upper()]
    return max(1, math.ceil(size / _MB))
