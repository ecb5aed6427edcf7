"""Reads and writes TOML texts: what the standard library's parser says becomes a fault with its line."""

import json
import re
import tomllib
from typing import Any

from medimgr.lib.file_faults import Fault

_SYNTAX = re.compile(r"(?P<what>.*) \((?:at line (?P<line>\d+), column (?P<column>\d+)|at end of document)\)")


def parsed(file: str, text: str) -> dict[str, Any] | Fault:
    """Return what a text holds, or why it can't be read. Pure."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return _syntax_fault(file, text, str(error))
    except RecursionError:
        return Fault(file, 0, "", "Its values are nested too deep.")
    except ValueError as error:  # such as a number with thousands of digits
        return Fault(file, 0, "", f"It cannot be read: {error}.")


def dotted(path: tuple[str, ...]) -> str:
    """Return a path of keys as TOML writes it. Pure."""
    return ".".join(part if re.fullmatch(r"[A-Za-z0-9_-]+", part) else quoted(part) for part in path)


def written(value: Any) -> str:
    """Return a text, number, boolean, list or table of them as TOML, on one line. Pure."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{dotted((n,))} = {written(v)}" for n, v in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(written(item) for item in value) + "]"
    # 5.0 seconds read better as 5, and are the same to the importer.
    return repr(int(value)) if isinstance(value, float) and value.is_integer() else repr(value)


def quoted(text: str) -> str:
    """Return a text in TOML's quotes. Pure."""
    # JSON's escapes are TOML's, but for DEL, which JSON lets stand.
    return re.sub("\x7f", r"\\u007f", json.dumps(text, ensure_ascii=False))


def _syntax_fault(file: str, text: str, message: str) -> Fault:
    found = _SYNTAX.fullmatch(message)
    if found is None:
        return Fault(file, 0, "", f"This is no valid TOML: {message}.")
    line = int(found["line"] or text.rstrip().count("\n") + 1)
    column = f" (column {found['column']})" if found["column"] else ""
    return Fault(file, line, "", f"This is no valid TOML: {found['what']}{column}.")
