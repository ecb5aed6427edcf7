"""Takes secrets out of free text: those that are known, and what looks like one. Pure.

What has no name beside it and no known shape is not recognised, unless it is among the known values.
"""

import base64
import json
import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

MASK = "••••••"

_SHORT = 4
"""Shorter values are masked where they are whole words: they are part of others by chance."""

_NAMES = (
    r"(?:secret|token|passw|passphrase|pwd|(?:api|access|private)[_-]?key|credential|session[_-]?id"
    r"|(?<=[_-])(?:key|auth|dsn)(?!\w))"
)
# Most lines hold none of these, and cost one search.
_TRIGGER = re.compile(
    rf"{_NAMES}|://|authorization|cookie|bearer|PRIVATE KEY|eyJ|mm_|gh[oprsu]_|github_pat|xox|AKIA", re.I
)
_NAME = rf"(?<![\w.&?-])[\w.-]{{0,200}}?{_NAMES}[\w.-]{{0,200}}"
"""A whole name; one in a query has its own pattern, since ``&`` ends its value and no other."""
_VALUE = r"\"(?:[^\"\\\r\n]|\\.)*(?:\"|$)|'(?:[^'\\\r\n]|\\.)*(?:'|$)|[^\s\"']\S*"

_KEY_BLOCK = re.compile(
    r"(-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----).*?(-----END [A-Z ]{0,40}PRIVATE KEY-----|\Z)", re.S
)
# Up to the last @ before a space or quote, since people leave / and @ in passwords as they are; but a
# number that ends with a slash is a port.
_URL = re.compile(r"(://[^\s/:@\"'<>]{0,256}):(?!\d{1,5}(?:[/?#\s\"'<>]|$))[^\s\"'<>]{1,1024}@", re.M)
_TOKEN_IN_URL = re.compile(r"://[^\s/:@\"'<>]{20,1024}@")
_HEADER = re.compile(
    r"\b((?:proxy-)?authorization|(?:set-)?cookie)"
    r"((?:[\"']?[ \t]{0,9}[:=]|[\"'][ \t]{0,9},)[ \t]{0,9})[^\r\n]+",
    re.I,
)
_BEARER = re.compile(r"\b(bearer[ \t]{1,9})[\w+/=.~-]{8,}", re.I)
_SHAPES = re.compile(
    r"\beyJ[\w-]{8,}\.[\w-]{4,}(?:\.[\w-]*)?"  # a JSON web token
    r"|\bmm_[\w-]{16,}"  # a machine's token of medimgr
    r"|\bgh[oprsu]_\w{20,}|\bgithub_pat_\w{20,}|\bxox[a-z]-[\w-]{10,}|\bAKIA[A-Z0-9]{12,}"
)
_IN_QUERY = re.compile(rf"([?&][\w.%-]{{0,200}}?{_NAMES}[\w.%-]{{0,200}}=)[^\s&#\"'<>]+", re.I)
_IN_ELEMENT = re.compile(rf"(<[\w:-]{{0,200}}?{_NAMES}[\w-]{{0,200}}>)[^<\r\n]+", re.I)
_NAMED = re.compile(rf"({_NAME}\\?[\"']?[ \t]{{0,9}}(?:=>|:=|[:=])[ \t]{{0,9}}\\?)({_VALUE})", re.I | re.M)
_OPTION = re.compile(
    rf"((?<![\w-])--?[\w-]{{0,200}}?{_NAMES}[\w-]{{0,200}}[ \t]{{1,9}})({_VALUE})", re.I | re.M
)


def masked(text: str, known: Iterable[str] = ()) -> str:
    """Return ``text`` with a mask in place of every ``known`` value and of whatever looks like a secret.

    Of a known value also its forms in a URL, in JSON, in Python's quotes and in Base64. Errs on the side
    of caution: what stands behind a name such as ``token`` goes, harmless or not.
    """
    return mask_with(known_values(known), text)


def known_values(values: Iterable[str]) -> re.Pattern[str] | None:
    """Return what finds any of ``values``, however written, for :func:`mask_with`; None for no value."""
    forms: set[str] = set()
    for value in values:
        for part in {value, value.strip(), *(line.strip() for line in value.splitlines())}:
            forms |= _forms(part)
    found = sorted((form for form in forms if form.strip()), key=len, reverse=True)
    if not found:
        return None
    return re.compile("|".join(_exactly(form) for form in found))


def mask_with(known: re.Pattern[str] | None, text: str) -> str:
    """Return what :func:`masked` does, with the values of :func:`known_values`."""
    if known is not None:
        text = known.sub(MASK, text)
    if not _TRIGGER.search(text):
        return text
    text = _KEY_BLOCK.sub(rf"\1{MASK}\2", text)
    text = _URL.sub(rf"\1:{MASK}@", text)
    text = _TOKEN_IN_URL.sub(f"://{MASK}@", text)
    text = _HEADER.sub(rf"\1\2{MASK}", text)
    text = _BEARER.sub(rf"\1{MASK}", text)
    text = _SHAPES.sub(MASK, text)
    text = _IN_QUERY.sub(rf"\1{MASK}", text)
    text = _IN_ELEMENT.sub(rf"\1{MASK}", text)
    for pattern in (_NAMED, _OPTION):
        text = pattern.sub(lambda found: found[1] + _in_its_quotes(found[2]), text)
    return text


def _in_its_quotes(value: str) -> str:
    mark = value[:1] if value[:1] in ("'", '"') else ""
    closed = mark and len(value) > 1 and value.endswith(mark)
    return f"{mark}{MASK}{mark if closed else ''}"


def _forms(value: str) -> set[str]:
    if not value:
        return set()
    raw = value.encode("utf-8", "replace")
    forms = {value, *_quoted(value)}
    for form in _quoted(value) - {value}:
        forms |= _quoted(form)  # the text of a dictionary inside another one's
    if len(value) >= _SHORT:
        forms |= {quote(raw, safe=""), quote(raw), quote_plus(raw)}
        forms |= {
            base64.b64encode(raw).decode().rstrip("="),
            base64.urlsafe_b64encode(raw).decode().rstrip("="),
        }
    return forms


def _quoted(value: str) -> set[str]:
    # Python escapes one kind of quote only, and only where there are both kinds.
    among_both = repr(f"{value}\"'")[1:-4]
    return {
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        repr(value)[1:-1],
        among_both,
    }


def _exactly(form: str) -> str:
    if len(form) >= _SHORT:
        return re.escape(form)
    return rf"(?<!\w){re.escape(form)}(?!\w)"
