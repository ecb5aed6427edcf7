"""Log lines on standard output: one write each, so that lines of several threads never mix."""

import os
from datetime import UTC, datetime

STDOUT = 1


def log(level: str, message: str) -> None:
    """Write one line: time in UTC, level, message. A full disk or closed pipe loses the line only."""
    at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    # Line breaks inside a message would look like lines of their own.
    text = message.replace("\r", "\\r").replace("\n", "\\n")
    try:
        os.write(STDOUT, f"{at} {level:<7} {text}\n".encode("utf-8", "backslashreplace"))
    except OSError:
        # A service goes on serving when nobody can take its log.
        return


def info(message: str) -> None:
    """Log something expected."""
    log("INFO", message)


def warning(message: str) -> None:
    """Log something that the service copes with."""
    log("WARNING", message)


def error(message: str) -> None:
    """Log something that went wrong."""
    log("ERROR", message)
