"""What may be shown to people and what may not: the one place through which everything goes that is logged.

A secret is recognised by its value where this process knows it (its own keys and passwords, and what was
:func:`remember`-ed), by its shape, or by the name beside it (:mod:`medimgr.lib.masking`).
"""

import functools
import logging
import re
import traceback
from collections.abc import Iterable, Mapping
from typing import Any

from django.conf import settings

from medimgr.lib.masking import MASK, known_values, mask_with

__all__ = ["MASK", "Redaction", "looks_secret", "redacted", "remember"]

_SECRET_NAME = re.compile(
    r"secret|token|passw|pwd|api_?key|private|credential|(^|_)(key|auth|dsn)$", re.IGNORECASE
)
_FROM_A_HEADER = re.compile(r"cookie|authorization|csrf|session_?id", re.IGNORECASE)
_PASSWORD_IN_URL = re.compile(r"://[^/\s:@]*:[^/\s@]+@")
_LEAST = 6
"""Shorter values are words of everyday: without one of them no line could be read."""
_MOST_REMEMBERED = 200

_remembered: dict[str, None] = {}


def looks_secret(name: str, value: object = "") -> bool:
    """Return whether a variable holds a secret, going by its name or a password inside a URL. Pure.

    A guess that errs on the side of caution; a secret under an innocent name is not recognised.
    """
    return bool(_SECRET_NAME.search(name) or _PASSWORD_IN_URL.search(str(value)))


def remember(values: Iterable[str]) -> None:
    """Have ``values`` masked from now on, wherever this process logs them. The newest 200 are known."""
    for value in values:
        if len(value) >= _LEAST:
            _remembered.pop(value, None)
            _remembered[value] = None
    for value in list(_remembered)[:-_MOST_REMEMBERED]:
        del _remembered[value]


def redacted(text: str) -> str:
    """Return ``text`` with a mask in place of whatever is, or looks like, a secret. No query."""
    return mask_with(_known(), text)


def _known() -> re.Pattern[str] | None:
    return _pattern((*_own_secrets(), *_remembered))


def _own_secrets() -> tuple[str, ...]:
    if not settings.configured:
        return ()
    found: list[Any] = [settings.SECRET_KEY, settings.MEDIMGR_METRICS_TOKEN, *settings.SECRET_KEY_FALLBACKS]
    found += [*settings.MEDIMGR_TOKEN_KEYS, *settings.MEDIMGR_ENCRYPTION_KEYS]
    database: Mapping[str, Any] = settings.DATABASES.get("default", {})
    password = str(database.get("PASSWORD") or "")
    # A database whose password is its own name keeps no secret, and half the log would be masked.
    if password not in (database.get("USER"), database.get("NAME")):
        found.append(password)
    return tuple(str(value) for value in found if len(value) >= _LEAST)


@functools.lru_cache(maxsize=4)
def _pattern(values: tuple[str, ...]) -> re.Pattern[str] | None:
    return known_values(values)


class Redaction(logging.Filter):
    """Stands in front of every handler: what it lets through holds no secret that can be recognised."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Mask the message, the exception, the stack and the further fields of ``record``; let it pass."""
        if getattr(record, _DONE, False):
            return True
        try:
            message = record.getMessage()
        except Exception:  # arguments that do not fit: logging would print them as they are
            message = f"{record.msg} (its arguments do not fit)"
        known = _known()  # once for all parts of it
        record.msg, record.args = mask_with(known, message), None
        if record.exc_info and not record.exc_text:
            record.exc_text = "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
        if record.exc_text:
            record.exc_text = mask_with(known, record.exc_text)
        if record.stack_info:
            record.stack_info = mask_with(known, record.stack_info)
        for name, value in list(vars(record).items()):
            if name in _STANDARD:
                continue
            if name != _CALLED and (looks_secret(name) or _FROM_A_HEADER.search(name)):
                setattr(record, name, MASK)
            elif isinstance(value, str):
                setattr(record, name, mask_with(known, value))
        setattr(record, _DONE, True)
        return True


_DONE = "medimgr_redacted"
_CALLED = "token"
"""The field that says what the token is called with which a request came."""
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", _DONE}
