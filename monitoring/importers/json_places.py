"""Reads JSON with the line of every value, and with comments and last commas, as PM2's files may be."""

import json
import re
from dataclasses import dataclass
from typing import Any

_BLANK = re.compile(r"(?:[ \t\r\n\ufeff]+|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"')
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?")
_WORDS = {"true": True, "false": False, "null": None}
_DEEPEST = 50
Path = tuple[str | int, ...]


class BadJson(ValueError):
    """The text is no JSON; ``line`` says where."""

    def __init__(self, message: str, line: int) -> None:
        """Take what is wrong, and the line, counted from 1."""
        self.line = line
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Parsed:
    """A value with the line of each member, by path."""

    value: Any
    lines: dict[Path, int]

    def line(self, *path: str | int) -> int:
        """Return the line of a member, or that of the nearest around it."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.lines:
                return self.lines[path[:length]]
        return 0


def parse(text: str) -> Parsed:
    """Read ``text``. Raises BadJson, for texts also that no database can hold."""
    return _Reader(text).all()


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._line = 1
        self._counted = 0
        self._lines: dict[Path, int] = {}

    def all(self) -> Parsed:
        value = self._value(())
        self._skip()
        if self._at < len(self._text):
            raise self._bad("There is more behind the end of the value.")
        return Parsed(value, self._lines)

    def _value(self, path: Path) -> Any:
        self._skip()
        self._lines.setdefault(path, self._line_here())
        if len(path) > _DEEPEST:
            raise self._bad("It is nested too deep.")
        character = self._text[self._at : self._at + 1]
        if character == "{":
            return self._object(path)
        if character == "[":
            return self._array(path)
        if character == '"':
            return self._string()
        if number := _NUMBER.match(self._text, self._at):
            self._at = number.end()
            return self._as_number(number.group())
        for word, value in _WORDS.items():
            if self._text.startswith(word, self._at):
                self._at += len(word)
                return value
        raise self._bad("A value is expected here: a text in double quotes, a number, true, false, [ or {.")

    def _object(self, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        self._at += 1
        while not self._ends("}"):
            line = self._line_here()
            if self._text[self._at : self._at + 1] != '"':
                raise self._bad("A name in double quotes is expected here.")
            name = self._string()
            self._skip()
            if self._text[self._at : self._at + 1] != ":":
                raise self._bad(f"A colon is expected behind {name[:40]!r}.")
            self._at += 1
            self._lines[*path, name] = line
            found[name] = self._value((*path, name))
            self._comma("}")
        return found

    def _array(self, path: Path) -> list[Any]:
        found: list[Any] = []
        self._at += 1
        while not self._ends("]"):
            found.append(self._value((*path, len(found))))
            self._comma("]")
        return found

    def _ends(self, end: str) -> bool:
        self._skip()
        if self._at >= len(self._text):
            raise self._bad(f"The text ends before its {end}.")
        if self._text[self._at] == end:
            self._at += 1
            return True
        return False

    def _comma(self, end: str) -> None:
        self._skip()
        if self._text[self._at : self._at + 1] == ",":
            self._at += 1
        elif self._text[self._at : self._at + 1] != end:
            raise self._bad(f"A comma or {end} is expected here.")

    def _string(self) -> str:
        found = _STRING.match(self._text, self._at)
        if found is None:
            raise self._bad("A text in double quotes is not closed on its line.")
        try:
            text: str = json.loads(found.group())
            text.encode()
        except ValueError:
            raise self._bad("A text has an escape that means nothing.") from None
        if "\0" in text:
            raise self._bad("A text holds a NUL character.")
        self._at = found.end()
        return text

    def _as_number(self, text: str) -> int | float:
        try:
            number: int | float = json.loads(text)
        except ValueError:
            raise self._bad("A number is too long.") from None
        if isinstance(number, float) and number in (float("inf"), float("-inf")):
            raise self._bad("A number is too large.")
        return number

    def _skip(self) -> None:
        found = _BLANK.match(self._text, self._at)
        self._at = found.end() if found else self._at

    def _line_here(self) -> int:
        self._line += self._text.count("\n", self._counted, self._at)
        self._counted = self._at
        return self._line

    def _bad(self, message: str) -> BadJson:
        return BadJson(message, self._text.count("\n", 0, self._at) + 1)
