"""How units write values: words with quotes and escapes, specifiers, times, sizes (systemd.syntax(7))."""

import os
import platform
import re
import signal
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass

_SIMPLE_ESCAPES = {
    "a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v",
    "\\": "\\", '"': '"', "'": "'", "s": " ",
}  # fmt: skip
_NUMBERED = {"x": 2, "u": 4, "U": 8}
_BLANKS = " \t\n\r"
_TIME = re.compile(r"\s*(\d{1,12}(?:\.\d{1,9})?)\s*([A-Za-zµμ]*)")
_UNITS = {
    **dict.fromkeys(["us", "usec", "µs", "μs"], 1e-6),
    **dict.fromkeys(["ms", "msec"], 1e-3),
    **dict.fromkeys(["", "s", "sec", "second", "seconds"], 1.0),
    **dict.fromkeys(["m", "min", "minute", "minutes"], 60.0),
    **dict.fromkeys(["h", "hr", "hour", "hours"], 3600.0),
    **dict.fromkeys(["d", "day", "days"], 86_400.0),
    **dict.fromkeys(["w", "week", "weeks"], 604_800.0),
    **dict.fromkeys(["M", "month", "months"], 2_629_800.0),
    **dict.fromkeys(["y", "year", "years"], 31_557_600.0),
}
_SIZE = re.compile(r"(\d{1,18})(?:\.\d{1,9})?\s*([KMGTPE]?)B?")
_POWERS = "KMGTPE"
# What the specifiers %T and %V stand for; nothing is written there.
_TMP = "/tmp"  # noqa: S108  # nosec B108
_VAR_TMP = "/var/tmp"  # noqa: S108  # nosec B108
YES, NO = frozenset({"1", "yes", "y", "true", "t", "on"}), frozenset({"0", "no", "n", "false", "f", "off"})
INFINITE = float("inf")
EXIT_NAMES = {
    "SUCCESS": 0, "FAILURE": 1, "INVALIDARGUMENT": 2, "NOTIMPLEMENTED": 3, "NOPERMISSION": 4,
    "NOTINSTALLED": 5, "NOTCONFIGURED": 6, "NOTRUNNING": 7, "USAGE": 64, "DATAERR": 65, "NOINPUT": 66,
    "NOUSER": 67, "NOHOST": 68, "UNAVAILABLE": 69, "SOFTWARE": 70, "OSERR": 71, "OSFILE": 72,
    "CANTCREAT": 73, "IOERR": 74, "TEMPFAIL": 75, "PROTOCOL": 76, "NOPERM": 77, "CONFIG": 78,
}  # fmt: skip


class BadValue(ValueError):
    """A value that systemd would not take, or that has no meaning here; the message says why."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One word of a line."""

    text: str
    plain: bool
    """It was written without quotes and escapes."""


def split(text: str) -> list[Piece]:
    """Split a line into words, quotes removed and escapes resolved. Raises BadValue."""
    found: list[Piece] = []
    at = 0
    while True:
        while at < len(text) and text[at] in _BLANKS:
            at += 1
        if at >= len(text):
            return found
        piece, at = _word(text, at)
        found.append(piece)


def _word(text: str, at: int) -> tuple[Piece, int]:
    # As bytes, since \xHH is one, and several may make up a character.
    said, quote, plain = bytearray(), "", True
    while at < len(text):
        character = text[at]
        if character == "\\":
            resolved, at = _escape(text, at)
            said += resolved
            plain = False
            continue
        if quote and character == quote:
            quote = ""
        elif not quote and character in "\"'":
            quote, plain = character, False
        elif not quote and character in _BLANKS:
            break
        else:
            said += character.encode("utf-8", "surrogatepass")
        at += 1
    if quote:
        raise BadValue("A quote is opened and not closed.")
    try:
        return Piece(said.decode(), plain), at
    except UnicodeDecodeError:
        raise BadValue("Its escapes make no UTF-8 text.") from None


def _escape(text: str, at: int) -> tuple[bytes, int]:
    """Return what an escape stands for and where it ends; one that means nothing stays as it is."""
    letter = text[at + 1 : at + 2]
    if letter in _SIMPLE_ESCAPES and letter:
        return _SIMPLE_ESCAPES[letter].encode(), at + 2
    if letter in _NUMBERED and letter:
        digits = text[at + 2 : at + 2 + _NUMBERED[letter]]
        if re.fullmatch(rf"[0-9A-Fa-f]{{{_NUMBERED[letter]}}}", digits) and (number := int(digits, 16)):
            end = at + 2 + len(digits)
            if letter == "x":
                return bytes([number]), end
            if number < 0x110000 and not 0xD800 <= number < 0xE000:
                return chr(number).encode(), end
    octal = text[at + 1 : at + 4]
    if re.fullmatch(r"[0-3][0-7]{2}", octal) and int(octal, 8):
        return bytes([int(octal, 8)]), at + 4
    return b"\\", at + 1


def quote(words: list[str]) -> str:
    """Return a line that :func:`split` takes apart into ``words``. Raises BadValue for a NUL."""
    return " ".join(_quoted(word) for word in words)


def _quoted(word: str) -> str:
    if "\0" in word:
        raise BadValue("No unit can hold a NUL character.")
    if word and not re.search(r"[\s\\\"';]", word):
        return word
    escaped = word.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + escaped.replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t") + '"'


# --- specifiers -----------------------------------------------------------------------------------


def specifiers(unit: str, path: str) -> dict[str, Callable[[], str]]:
    """Return what each letter behind % stands for, in a system unit of this machine."""
    whole = re.sub(r"\.[a-z]+$", "", unit)
    prefix, _, instance = whole.partition("@")
    last = prefix.rsplit("-", 1)[-1]
    own = os.path.dirname(path)
    known: dict[str, Callable[[], str]] = {
        "%": lambda: "%",
        "n": lambda: unit,
        "N": lambda: whole,
        "p": lambda: prefix,
        "P": lambda: unescape(prefix),
        "i": lambda: instance,
        "I": lambda: unescape(instance),
        "j": lambda: last,
        "J": lambda: unescape(last),
        "f": lambda: "/" + unescape(instance or prefix),
        "t": lambda: "/run",
        "S": lambda: "/var/lib",
        "C": lambda: "/var/cache",
        "L": lambda: "/var/log",
        "E": lambda: "/etc",
        "T": lambda: _TMP,
        "V": lambda: _VAR_TMP,
        # Of the service manager, not of User=.
        "h": lambda: "/root",
        "u": lambda: "root",
        "U": lambda: "0",
        "g": lambda: "root",
        "G": lambda: "0",
        "s": lambda: "/bin/sh",
        "H": socket.gethostname,
        "l": lambda: socket.gethostname().partition(".")[0],
        "v": platform.release,
        "a": lambda: {"x86_64": "x86-64", "aarch64": "arm64"}.get(platform.machine(), platform.machine()),
    }
    if path:
        known |= {"y": lambda: path, "Y": lambda: own}
    return known


def resolve(text: str, known: Mapping[str, Callable[[], str]]) -> str:
    """Return ``text`` with its specifiers resolved. Raises BadValue for one that cannot be."""

    def replaced(found: re.Match[str]) -> str:
        if found[1] in known:
            return known[found[1]]()
        raise BadValue(
            f"%{found[1]} cannot be resolved here: write the value, or %% for the character itself."
        )

    return re.sub(r"%(.?)", replaced, text, flags=re.DOTALL)


def unescape(name: str) -> str:
    """Return a part of a unit's name with its escapes resolved: - is /, \\xHH a byte. Pure."""
    raw = re.sub(
        rb"\\x([0-9a-fA-F]{2})", lambda found: bytes([int(found[1], 16)]), name.replace("-", "/").encode()
    )
    return raw.decode(errors="replace").replace("\0", "")


# --- single values --------------------------------------------------------------------------------


def boolean(text: str) -> bool:
    """Return a yes or no. Raises BadValue."""
    if text.lower() in YES | NO:
        return text.lower() in YES
    raise BadValue("Write yes or no.")


def integer(text: str, least: int, most: int) -> int:
    """Return a whole number within bounds. Raises BadValue."""
    if re.fullmatch(r"[+-]?\d{1,15}", text) and least <= int(text) <= most:
        return int(text)
    raise BadValue(f"Write a whole number from {least} to {most}.")


def seconds(text: str) -> float:
    """Return a time span such as ``1min 30s`` in seconds, infinite for ``infinity``. Raises BadValue."""
    if text == "infinity":
        return INFINITE
    total, at = 0.0, 0
    while at < len(text):
        found = _TIME.match(text, at)
        if found is None or found[2] not in _UNITS:
            break
        total += float(found[1]) * _UNITS[found[2]]
        at = found.end()
    if not text.strip() or text[at:].strip():
        raise BadValue("Write a time span such as 90s or 1min 30s.")
    return total


def size(text: str) -> int | None:
    """Return a size such as ``512M`` in bytes, None for ``infinity``. Raises BadValue."""
    if text == "infinity":
        return None
    found = _SIZE.fullmatch(text)
    if found is None:
        raise BadValue("Write a size such as 512M.")
    power = _POWERS.index(found[2]) + 1 if found[2] else 0
    return int(found[1]) * int(1024**power)


def signal_name(text: str) -> str:
    """Return the name of a signal that is given by name or number. Raises BadValue."""
    if text.isascii() and text.isdigit() and len(text) < 4:
        try:
            return signal.Signals(int(text)).name
        except ValueError:
            raise BadValue(f"There is no signal {text}.") from None
    name = text if text.startswith("SIG") else f"SIG{text}"
    if name not in signal.Signals.__members__:
        raise BadValue(f"There is no signal {text}. Write SIGTERM, SIGINT or another name.")
    return name


def statuses(text: str) -> tuple[list[int], list[str]]:
    """Return exit codes and signals of a list such as ``1 TEMPFAIL SIGKILL``. Raises BadValue."""
    codes: list[int] = []
    signals: list[str] = []
    for word in text.split():
        if word in EXIT_NAMES:
            codes.append(EXIT_NAMES[word])
        elif word.isascii() and word.isdigit():
            codes.append(integer(word, 0, 255))
        else:
            signals.append(signal_name(word))
    return codes, signals
