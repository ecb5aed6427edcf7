"""Cuts a growing log into lines for matching: pure, whatever pieces it comes in."""

from medimgr.lib.plain_text import clean

LONGEST = 2048
"""Bytes of a line that are looked at."""


class LogLines:
    """Takes pieces of a log and gives its lines, each once, without their ends and without escapes."""

    def __init__(self) -> None:
        self._begun = b""

    def feed(self, piece: bytes) -> list[str]:
        """Return the lines that ``piece`` ends. Keeps 2 KiB at most of the one that it does not end."""
        first, *others = piece.split(b"\n")
        self._go_on(first)
        if not others:
            return []
        *whole, rest = others
        lines = [self._begun, *(line[:LONGEST] for line in whole)]
        self._begun = rest[:LONGEST]
        return _texts(lines)

    def unended(self) -> str:
        """Return the line that has begun, as far as it has come."""
        return _texts([self._begun])[0]

    def _go_on(self, part: bytes) -> None:
        room = LONGEST - len(self._begun)
        if room > 0:
            self._begun += part[:room]


def _texts(lines: list[bytes]) -> list[str]:
    """Return what lines show: without their ends, escapes and control characters."""
    text = (
        b"\n".join(line.removesuffix(b"\r") for line in lines).replace(b"\r", b" ").decode("utf-8", "replace")
    )
    if "\x1b" in text:
        # An escape without an end must not swallow the next line, so each is cleaned for itself.
        return [clean(line) for line in text.split("\n")]
    return clean(text).split("\n")
