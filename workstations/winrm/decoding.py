"""Turns what a Windows program printed into text. Pure."""

from typing import NamedTuple


class Decoded(NamedTuple):
    """Text, and how it was read."""

    text: str
    encoding: str
    """The codec that took all of it: ``utf-8``, ``gbk`` or the workstation's own."""
    damaged: bool
    """None did: what could not be read stands as U+FFFD."""


def decoded(raw: bytes, code_page: str) -> Decoded:
    """Return ``raw`` as text: strict UTF-8, else GBK, else ``code_page`` (may be empty), else with U+FFFD.

    LDPlayer prints GBK whatever the host's language is, hence the order. Raises LookupError where there
    is no such code page.
    """
    for encoding in ("utf-8-sig", "gbk", code_page):
        if encoding:
            try:
                return Decoded(raw.decode(encoding), encoding.removesuffix("-sig"), False)
            except UnicodeDecodeError:
                pass
    encoding = code_page or "utf-8"
    return Decoded(raw.decode(encoding, "replace"), encoding, True)
