"""On which line each key of a TOML text stands. The standard library's parser does not say.

Made for texts that ``tomllib`` has accepted: what is no valid TOML may give lines that make no sense,
but never an error.
"""

import re
import tomllib

Path = tuple[str, ...]

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_BLANK = re.compile(r"[ \t]*")


class Lines:
    """The lines of a text's keys and table headers, by path."""

    def __init__(self, text: str) -> None:
        """Scan ``text`` once."""
        self._text = text.replace("\r\n", "\n")
        self._at = 0
        self._found: dict[Path, int] = {}
        self._line_starts = [0, *(m.end() for m in re.finditer("\n", self._text))]
        self._scan()

    def of(self, *path: str) -> int:
        """Return the line of a key, or that of the nearest table around a key that stands nowhere, or 0."""
        for length in range(len(path), 0, -1):
            if path[:length] in self._found:
                return self._found[path[:length]]
        return 0

    def _scan(self) -> None:
        table: Path = ()
        while self._skip_blank_lines():
            start = self._at
            header = self._text[self._at] == "["
            if header:
                self._at += 2 if self._text.startswith("[[", self._at) else 1
            path = self._key()
            if header:
                table = path
            self._note((*table, *path) if not header else path, start)
            if not header:
                self._skip(_BLANK)
                if self._text.startswith("=", self._at):
                    self._at += 1
                    self._value((*table, *path))
            self._to_end_of_line()

    def _note(self, path: Path, position: int) -> None:
        line = self._line(position)
        for length in range(1, len(path) + 1):
            self._found.setdefault(path[:length], line)

    def _line(self, position: int) -> int:
        low, high = 0, len(self._line_starts)
        while low < high - 1:
            middle = (low + high) // 2
            if self._line_starts[middle] <= position:
                low = middle
            else:
                high = middle
        return low + 1

    def _skip_blank_lines(self) -> bool:
        """Go to the next key or header; return whether there is one."""
        while self._at < len(self._text):
            character = self._text[self._at]
            if character == "#":
                self._to_end_of_line()
            elif character in " \t\r\n":
                self._at += 1
            else:
                return True
        return False

    def _key(self) -> Path:
        parts: list[str] = []
        while True:
            self._skip(_BLANK)
            if self._at < len(self._text) and self._text[self._at] in "\"'":
                start = self._at
                self._string()
                parts.append(_unquoted(self._text[start : self._at]))
            else:
                found = _BARE.match(self._text, self._at)
                if found is None:
                    return tuple(parts)
                parts.append(found.group())
                self._at = found.end()
            self._skip(_BLANK)
            if not self._text.startswith(".", self._at):
                return tuple(parts)
            self._at += 1

    def _value(self, path: Path) -> None:
        """Go past a value. Keys of an inline table are noted."""
        self._skip(_BLANK)
        if self._text.startswith("{", self._at):
            self._inline_table(path)
        elif self._text.startswith("[", self._at):
            self._array()
        else:
            self._scalar()

    def _scalar(self) -> None:
        if self._at < len(self._text) and self._text[self._at] in "\"'":
            self._string()
            return
        while self._at < len(self._text) and self._text[self._at] not in ",]}#\n":
            self._at += 1

    def _inline_table(self, path: Path) -> None:
        self._at += 1
        while self._at < len(self._text):
            character = self._text[self._at]
            if character == "}":
                self._at += 1
                return
            if character in " \t\n,":
                self._at += 1
                continue
            start = self._at
            key = self._key()
            self._note((*path, *key), start)
            self._skip(_BLANK)
            if not key or not self._text.startswith("=", self._at):
                self._at += 1
                continue
            self._at += 1
            self._value((*path, *key))

    def _array(self) -> None:
        """Go past an array. Keys of tables inside it have no path of their own."""
        self._at += 1
        while self._at < len(self._text):
            character = self._text[self._at]
            if character == "]":
                self._at += 1
                return
            if character == "#":
                self._to_end_of_line()
            elif character in " \t\n,":
                self._at += 1
            else:
                before = self._at
                self._value(("",))
                if self._at == before:
                    self._at += 1

    def _string(self) -> None:
        quote = self._text[self._at]
        triple = self._text.startswith(quote * 3, self._at)
        end = quote * 3 if triple else quote
        self._at += len(end)
        while self._at < len(self._text) and not self._text.startswith(end, self._at):
            self._at += 2 if quote == '"' and self._text[self._at] == "\\" else 1
        self._at += len(end)
        if triple:  # up to two quotes more may belong to the text itself
            while self._text.startswith(quote, self._at):
                self._at += 1

    def _skip(self, what: re.Pattern[str]) -> None:
        found = what.match(self._text, self._at)
        self._at = found.end() if found else self._at

    def _to_end_of_line(self) -> None:
        end = self._text.find("\n", self._at)
        self._at = len(self._text) if end < 0 else end


def _unquoted(quoted: str) -> str:
    try:
        return str(tomllib.loads(f"key = {quoted}")["key"])
    except tomllib.TOMLDecodeError:
        return quoted
