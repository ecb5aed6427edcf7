"""Splits a shell's command line into words, as sh would, where it is a simple command.

medimgr runs programs without a shell. A simple command (words, quotes, variables) can be taken apart;
whatever only a shell understands (pipes, lists, patterns ...) is told by :class:`NeedsShell`.
"""

import re
from dataclasses import dataclass

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BRACED = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)(?:(:?-)([^$`\"'\\{}]*))?\}")
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
_OPERATORS = {
    "|": "a pipe or ||",
    "&": "& or &&",
    ";": "a semicolon",
    "<": "a redirection",
    ">": "a redirection",
    "(": "parentheses",
    ")": "parentheses",
    "`": "a command substitution",
    "\n": "more than one line",
}
_PATTERNS = "*?[{"
_SHELL_ONLY = frozenset(
    [
        "!",
        ".",
        "{",
        "[[",
        "alias",
        "bg",
        "break",
        "case",
        "cd",
        "command",
        "continue",
        "eval",
        "exit",
        "export",
        "fg",
        "for",
        "function",
        "getopts",
        "hash",
        "if",
        "jobs",
        "let",
        "local",
        "read",
        "readonly",
        "return",
        "select",
        "set",
        "shift",
        "source",
        "time",
        "times",
        "trap",
        "type",
        "typeset",
        "ulimit",
        "umask",
        "unalias",
        "unset",
        "until",
        "wait",
        "while",
    ]
)


class NeedsShell(ValueError):
    """Only a shell can run this; the message names what for, as in "a pipe or ||"."""


class BrokenQuoting(ValueError):
    """A quotation is not closed; no shell could run this either."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable inside a word."""

    name: str
    quoted: bool
    """Inside double quotes: its value is not split into words."""
    default: str | None = None
    """What stands for it where it is not set."""
    default_if_empty: bool = False


Word = tuple[str | Variable, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """A simple command."""

    assignments: dict[str, Word]
    """Variables that are set for this command alone, as in ``PORT=1 program``."""
    words: tuple[Word, ...]

    def variables(self) -> list[Variable]:
        """Return the variables that it mentions."""
        words = [*self.assignments.values(), *self.words]
        return [part for word in words for part in word if isinstance(part, Variable)]


def parse(text: str) -> Line:
    """Take ``text`` apart. Raises NeedsShell or BrokenQuoting."""
    return _Reader(text).line()


class _Reader:
    def __init__(self, text: str) -> None:
        # Blanks at the end are left, since a backslash may stand before them.
        self._text = text.lstrip(" \t\r\n").rstrip("\r\n")
        self._at = 0
        self._parts: list[str | Variable] = []
        self._began = False
        """Whether a word has begun, were it an empty one in quotes."""
        self._plain = 0
        """So many characters of the word came before anything quoted, -1 where nothing is quoted."""

    def line(self) -> Line:
        found: list[tuple[Word, str]] = []
        while (word := self._word()) is not None:
            text = word[0] if word and isinstance(word[0], str) else ""
            found.append((word, text if self._plain < 0 else text[: self._plain]))
        assignments: dict[str, Word] = {}
        while found and (assigned := _ASSIGNMENT.match(found[0][1])):
            first, *rest = found.pop(0)[0]
            value = str(first)[assigned.end() :]
            assignments[assigned.group()[:-1]] = (value, *rest) if value else tuple(rest)
        if len(found) > 1 and found[0][0] == ("exec",):
            # The process takes the shell's place: here there is none to begin with.
            found.pop(0)
            if found[0][1].startswith("-"):
                raise NeedsShell("options of exec")
        if found and found[0][0] == (found[0][1],) and found[0][1] in _SHELL_ONLY:
            raise NeedsShell(f"{found[0][1]}, which is the shell's own")
        return Line(assignments, tuple(word for word, _ in found))

    def _word(self) -> Word | None:
        self._parts, self._began, self._plain = [], False, -1
        while self._at < len(self._text):
            character = self._text[self._at]
            if character in " \t":
                self._at += 1
                if self._began:
                    break
            elif self._text.startswith("\\\n", self._at):
                self._at += 2
            elif character == "#" and not self._began:
                self._comment()
            else:
                self._piece(character)
                self._began = True
        return tuple(self._parts) if self._began else None

    def _comment(self) -> None:
        end = self._text.find("\n", self._at)
        self._at = len(self._text) if end < 0 else end

    def _piece(self, character: str) -> None:
        if character == "'":
            self._single()
        elif character == '"':
            self._double()
        elif character == "\\":
            self._escaped()
        elif character == "$":
            self._variable(quoted=False)
        elif character in _OPERATORS:
            raise NeedsShell(_OPERATORS[character])
        elif character in _PATTERNS:
            raise NeedsShell("a pattern for file names" if character != "{" else "braces")
        elif character == "~" and (not self._began or self._text[self._at - 1] in "=:"):
            raise NeedsShell("~ for a home directory")
        else:
            self._add(character)
            self._at += 1

    def _escaped(self) -> None:
        self._quoting()
        if self._at + 1 < len(self._text):
            self._add(self._text[self._at + 1])
            self._at += 2
        else:  # at the very end it stands for itself
            self._add("\\")
            self._at += 1

    def _single(self) -> None:
        self._quoting()
        end = self._text.find("'", self._at + 1)
        if end < 0:
            raise BrokenQuoting("A single quote is opened and not closed.")
        self._add(self._text[self._at + 1 : end])
        self._at = end + 1

    def _double(self) -> None:
        self._quoting()
        self._add("")
        self._at += 1
        while self._at < len(self._text):
            character = self._text[self._at]
            if character == '"':
                self._at += 1
                return
            if character == "\\" and self._text[self._at + 1 : self._at + 2] in ("$", "`", '"', "\\", "\n"):
                if self._text[self._at + 1] != "\n":
                    self._add(self._text[self._at + 1])
                self._at += 2
            elif character == "$":
                self._variable(quoted=True)
            elif character == "`":
                raise NeedsShell(_OPERATORS["`"])
            else:
                self._add(character)
                self._at += 1
        raise BrokenQuoting("A double quote is opened and not closed.")

    def _variable(self, *, quoted: bool) -> None:
        after = self._text[self._at + 1 : self._at + 2]
        if found := _NAME.match(self._text, self._at + 1):
            self._parts.append(Variable(found.group(), quoted))
        elif found := _BRACED.match(self._text, self._at + 1):
            name, operator, default = found.groups()
            self._parts.append(Variable(name, quoted, default, operator == ":-"))
        elif after == "(":
            raise NeedsShell("a command substitution")
        elif (after and after in "{@*#?!$-0123456789") or (after and after in "'\"" and not quoted):
            raise NeedsShell(f"${after}")
        else:
            self._add("$")
            self._at += 1
            return
        self._at = found.end()

    def _quoting(self) -> None:
        if self._plain < 0:
            self._plain = len(self._parts[0]) if self._parts and isinstance(self._parts[0], str) else 0

    def _add(self, text: str) -> None:
        if self._parts and isinstance(self._parts[-1], str):
            self._parts[-1] += text
        else:
            self._parts.append(text)
