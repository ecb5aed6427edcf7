"""The two forms of a log line: one JSON object for programs, or a line for people. Both of one record.

Whatever a message holds, it is one record in the end: nobody can write a line of the log by having a newline
in a name. Secrets are gone before, see :class:`medimgr.lib.redact.Redaction`.
"""

import json
import logging
import os
import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from medimgr.lib import log_context

CONTINUED = "  | "
"""What each further line of a record begins with on a console, so that none looks like a record."""
FIELDS = (
    "time",
    "level",
    "logger",
    "message",
    "request_id",
    "user",
    "token",
    "operation_id",
    "process",
    "pid",
)
"""What every record has, empty as null."""

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "medimgr_redacted"}
# Controls but the newline, other ends of lines, and what turns the direction of the text around it.
_MISLEADING = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
_SURROGATES = re.compile("[\ud800-\udfff]")


def process_kind(arguments: list[str]) -> str:
    """Return what a process with these arguments is: ``web_worker``, or a command of ``manage.py``. Pure."""
    path = Path(arguments[0] if arguments else "")
    program = path.parent.name if path.stem == "__main__" else path.stem or "python"
    if program in {"manage", "django"}:
        words = [word for word in arguments[1:2] if not word.startswith("-")]
        return words[0] if words else program
    return program


def when(record: logging.LogRecord) -> str:
    """Return the time of a record in UTC, as ``2026-11-23T22:52:03.123Z``."""
    at = datetime.fromtimestamp(record.created, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def context_of(record: logging.LogRecord) -> dict[str, Any]:
    """Return what was worked on when the record was made: its own fields, or those of the context."""
    work = log_context.at_work()
    known = {
        "request_id": work.requested_as if work else log_context.request_id.get(),
        "user": work.asked_by if work else log_context.user_name.get(),
        "token": log_context.token_name.get(),
        "operation_id": work.operation if work else None,
    }
    return {name: getattr(record, name, None) or value or None for name, value in known.items()}


def trace_of(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    """Return the exception and the stack of a record in one text, empty for none."""
    if record.exc_info and not record.exc_text:
        record.exc_text = formatter.formatException(record.exc_info)
    parts = [record.exc_text, formatter.formatStack(record.stack_info) if record.stack_info else ""]
    return "\n".join(part for part in parts if part)


class JsonLine(logging.Formatter):
    """A record as one JSON object on one line, of ASCII alone."""

    def __init__(self) -> None:
        super().__init__()
        self._process = process_kind(sys.argv)

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its end."""
        line: dict[str, Any] = {
            "time": when(record),
            "level": record.levelname,
            "logger": record.name,
            "message": _whole(record.getMessage()),
            **{name: _plain(value) for name, value in context_of(record).items()},
            "process": self._process,
            "pid": os.getpid(),
        }
        trace = trace_of(self, record)
        if trace:
            line["exception"] = _whole(trace)
        for name, value in vars(record).items():
            if name not in _STANDARD and name not in line and _is_plain(value):
                line[name] = _plain(value)
        return json.dumps(line, allow_nan=False)


class ConsoleLine(logging.Formatter):
    """A record as a line for people; further lines of a message or a traceback are marked as such."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its end."""
        # Before the message, where nothing that a client has sent can look like it.
        said = [f"{name}={_of_one_line(value)}" for name, value in context_of(record).items() if value]
        about = f" [{' '.join(said)}]" if said else ""
        head, *rest = record.getMessage().split("\n")
        trace = trace_of(self, record)
        lines = [f"{when(record)} {record.levelname} {record.name}{about}: {head}", *rest]
        lines += trace.split("\n") if trace else []
        return f"\n{CONTINUED}".join(map(_visible, lines))


def _visible(text: str) -> str:
    """Return a line in which every control character stands as its escape."""
    return _MISLEADING.sub(lambda found: _escape(found[0]), text)


def _of_one_line(value: Any) -> str:
    return str(value).replace("\n", "\\n")


def _escape(character: str) -> str:
    code = ord(character)
    return "\\t" if code == 9 else f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def _whole(text: str) -> str:
    # Half of a surrogate pair is no Unicode: what reads the log would refuse the line, or the file.
    return _SURROGATES.sub("\ufffd", text)


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, (str, bool, int, float))


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return _whole(value)
    if isinstance(value, float) and value - value != 0.0:  # JSON has no infinity and no NaN
        return str(value)
    return value if _is_plain(value) else None
