"""How supervisord.conf writes values: ``%(name)s`` expansions, variables with quotes, sizes, signals."""

import re
import shlex
import signal
from collections.abc import Mapping, Sequence

from medimgr.lib.redact import looks_secret
from monitoring.importers.shell_words import Variable, Word

INSTANCE, PORT = "{instance}", "{port}"
"""What stands for the number of a copy, and for its first port, in a service of several instances."""
_NUMBER = re.compile(r"%%|(\d*)%\(process_num\)(\d*)[dsi]")
_ANY_NUMBER = re.compile(r"%%|%\(process_num\)")
# Widths of three digits at most: %(x)999999999d is no way to fill the memory.
_EXPANSION = re.compile(r"%(?:%|\(([^()]*)\)([-+ #0]*\d{0,3}(?:\.\d{0,3})?[sdirxoXeEfFgG])|)")
_MARK = "\ue000\ue001"
_SECRET = re.compile("\ue000([A-Za-z0-9_]+)\ue001")
_SIZES = {"kb": 1024, "mb": 1024**2, "gb": 1024**3}
_LEAST_PORT = 1024
TRUE = frozenset({"yes", "true", "on", "1"})
FALSE = frozenset({"no", "false", "off", "0"})


class BadValue(ValueError):
    """A value that supervisord would not take either; the message says what is wrong."""


class NotByCopies(ValueError):
    """The processes of a program differ in a way that copies of one service cannot."""


def has_marks(text: str) -> bool:
    """Return whether ``text`` holds a character that stands for something here. Pure."""
    return any(mark in text for mark in _MARK)


def expand(text: str, known: Mapping[str, object]) -> str:
    """Return ``text`` with ``%(name)s`` expanded as by Python's %. Raises BadValue, which tells no value."""

    def replaced(found: re.Match[str]) -> str:
        name, how = found.groups()
        if found.group() == "%%":
            return "%"
        if name is None:
            raise BadValue("A % begins an expansion such as %(program_name)s; write %% for the character.")
        if name not in known:
            raise BadValue(_missing(name))
        try:
            return f"%{how}" % known[name]
        except (ValueError, TypeError, OverflowError):
            raise BadValue(f"%({name}){how} does not fit: it is a text. Write %({name})s.") from None

    return _EXPANSION.sub(replaced, text)


def _missing(name: str) -> str:
    if name.startswith("ENV_"):
        return (
            f"There is no {name.removeprefix('ENV_')} in the environment of this import, which %({name})s "
            "asks for. Set it there, or write the value."
        )
    if name == "here":
        return "%(here)s is the file's directory, which a text alone does not tell. Name the directory."
    return f"There is nothing called {name!r} that could be expanded."


def masked(known: Mapping[str, object]) -> dict[str, object]:
    """Return ``known`` with a mark in place of each value that looks like a secret, for a command."""
    return {
        name: f"\ue000{name[4:]}\ue001"
        if name.startswith("ENV_") and looks_secret(name[4:], value)
        else value
        for name, value in known.items()
    }


def words(command: str) -> list[Word]:
    """Split a command as supervisord does, marks becoming variables again. Raises BadValue."""
    try:
        arguments = shlex.split(command)
    except ValueError:
        raise BadValue(
            'A quote is opened and not closed. (A ";" or "#" behind a blank begins a comment, in quotes too.)'
        ) from None
    return [_word(argument) for argument in arguments]


def _word(argument: str) -> Word:
    parts: list[str | Variable] = []
    at = 0
    for found in _SECRET.finditer(argument):
        parts += [argument[at : found.start()], Variable(found[1], quoted=True)]
        at = found.end()
    return tuple(part for part in [*parts, argument[at:]] if part != "")


def environment(text: str) -> dict[str, str]:
    """Return what ``A=1,B="two, three"`` sets. Raises BadValue, which holds no value.

    Supervisor's own rules: blanks and commas part the pairs, quotes keep both, there are no escapes.
    """
    lexer = shlex.shlex(text)
    lexer.wordchars += "/.+-():"
    try:
        tokens = list(lexer)
    except ValueError:
        raise BadValue("A quote is opened and not closed.") from None
    found: dict[str, str] = {}
    for at in range(0, len(tokens), 4):
        pair = tokens[at : at + 3]
        if len(pair) != 3 or pair[1] != "=":
            name = f" after {list(found)[-1]}" if found else ""
            raise BadValue(
                f'Write NAME="value" and commas between, with quotes around all but plain words; it breaks'
                f" off{name}."
            )
        found[pair[0]] = pair[2].strip("'\"")
    return found


def environment_text(variables: Mapping[str, str]) -> str:
    """Return the text that :func:`environment` reads as ``variables``. Raises BadValue where none would.

    Such are values with both kinds of quotes, and those with a quote at an end.
    """
    pairs = []
    for name, value in variables.items():
        quote = "'" if '"' in value else '"'
        if quote in value or value != value.strip("'\""):
            raise BadValue(f"Supervisor has no way to write the value of {name}.")
        pairs.append(f"{name}={quote}{value}{quote}")
    return ",".join(pairs)


def by_copies(texts: Sequence[str], start: int, count: int) -> tuple[list[str], int]:
    """Return the raw texts with ``%(process_num)d`` as ``{instance}`` or ``{port}``, and the first port or 0.

    Numbers that grow from 0 are the copy's; such as grow from 1024 or more are taken for a port. Raises
    NotByCopies where the processes differ otherwise.
    """
    ports: set[int] = set()

    def replaced(found: re.Match[str]) -> str:
        if found.group() == "%%":
            return "%%"
        before, width = found.groups()
        if len(before) > 5 or len(width) > 3:
            raise NotByCopies("a long number")
        numbers = [before + f"%{width}d" % number for number in range(start, start + count)]
        first = int(numbers[0]) if numbers[0].isdigit() else -1
        if numbers != [str(first + copy) for copy in range(count)]:
            raise NotByCopies("process_num is written in another way than 0, 1, 2")
        if first == 0:
            return INSTANCE
        if first < _LEAST_PORT or first + count > 65536:
            raise NotByCopies(f"process_num begins at {first}")
        ports.add(first)
        return PORT

    if any(name in text for text in texts for name in (INSTANCE, PORT)):
        raise NotByCopies("it has {instance} or {port} as plain text")
    told = [_NUMBER.sub(replaced, text) for text in texts]
    if any(found.group() != "%%" for text in told for found in _ANY_NUMBER.finditer(text)):
        raise NotByCopies("process_num is written in another way than as a number")
    if len(ports) > 1:
        raise NotByCopies("process_num makes up several numbers")
    return told, next(iter(ports), 0)


def boolean(text: str) -> bool:
    """Return a yes or no. Raises BadValue."""
    if text.lower() in TRUE | FALSE:
        return text.lower() in TRUE
    raise BadValue("Write true or false.")


def integer(text: str, least: int, most: int) -> int:
    """Return a whole number within bounds. Raises BadValue."""
    plain = text.strip()
    if not re.fullmatch(r"[+-]?\d{1,18}", plain) or not least <= int(plain) <= most:
        raise BadValue(f"Write a whole number from {least} to {most}.")
    return int(plain)


def size(text: str) -> int:
    """Return a size in bytes, as in ``50MB``. Raises BadValue."""
    found = re.fullmatch(r"(\d{1,15})\s*(kb|mb|gb)?", text.strip().lower())
    if found is None:
        raise BadValue("Write a size such as 50MB.")
    return int(found[1]) * _SIZES.get(found[2] or "", 1)


def codes(text: str) -> list[int]:
    """Return a list of exit codes. Raises BadValue."""
    if not text.strip():
        return []
    return [integer(part, 0, 255) for part in text.split(",")]


def signal_name(text: str) -> str:
    """Return the name of a signal that is given by name or number. Raises BadValue."""
    plain = text.strip().upper()
    if plain.isascii() and plain.isdigit() and len(plain) < 4:
        try:
            return signal.Signals(int(plain)).name
        except ValueError:
            raise BadValue(f"There is no signal {plain}.") from None
    name = plain if plain.startswith("SIG") else f"SIG{plain}"
    if name not in signal.Signals.__members__:
        raise BadValue(f"There is no signal {plain}. Write TERM, INT, QUIT or another name.")
    return name
