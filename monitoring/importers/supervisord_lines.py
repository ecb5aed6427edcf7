"""The lines of a supervisord.conf: sections and options as configparser reads them, with line numbers.

Supervisor reads with ``RawConfigParser(strict=False, inline_comment_prefixes=(";", "#"))``; a property test
holds the two equal. What configparser would refuse becomes a fault.
"""

import re
from dataclasses import dataclass, field

from monitoring.importers.document import Document, Place

_HEADER = re.compile(r"\[(.+)\]")
_OPTION = re.compile(r"(.*?)\s*(?:[=:])\s*(.*)$")
_COMMENT = re.compile(r"(?:^|(?<=\s))[;#]")
DEFAULT = "DEFAULT"


@dataclass(frozen=True, slots=True)
class Option:
    """One option with its value, of which nothing has been expanded."""

    name: str
    value: str
    place: Place


@dataclass(slots=True)
class Section:
    """One section, wherever its parts stand."""

    name: str
    place: Place
    options: dict[str, Option] = field(default_factory=dict)


Sections = dict[str, Section]


def read_lines(file: str, text: str, document: Document, sections: Sections, here: str) -> None:
    """Add what ``text`` has to ``sections``; a later option replaces an earlier one, which is told.

    ``%(here)s`` becomes ``here``, where that is known, since each file has its own.
    """
    reader = _Reader(file, document, sections)
    for number, line in enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), 1):
        reader.line(number, line)
    reader.end()
    if here:
        for section in sections.values():
            for name, option in section.options.items():
                if option.place.file == file and "%(here)s" in option.value:
                    value = option.value.replace("%(here)s", here.replace("%", "%%"))
                    section.options[name] = Option(name, value, option.place)


class _Reader:
    def __init__(self, file: str, document: Document, sections: Sections) -> None:
        self._file = file
        self._document = document
        self._sections = sections
        self._section: Section | None = None
        self._option: tuple[str, int, list[str]] | None = None
        self._indent = 0

    def line(self, number: int, line: str) -> None:
        comment = 0 if line.strip()[:1] in ("#", ";") else None
        if comment is None and (found := _COMMENT.search(line)):
            comment = found.start()
        value = line[:comment].strip()
        if not value:
            if comment is None and self._option is not None:
                self._option[2].append("")
            return
        indent = len(line) - len(line.lstrip())
        if self._option is not None and indent > self._indent:
            self._option[2].append(value)
            return
        self._indent = indent
        if header := _HEADER.match(value):
            self._begin(header[1], number)
        elif self._section is None:
            self._fault(number, "It stands before the first [section]. Write the section's name above it.")
        elif option := _OPTION.match(value):
            self._store()
            name = option[1].rstrip().lower()
            if not name:
                self._fault(number, "It has no name before the = sign.")
                return
            self._option = (name, number, [option[2].strip()])
        else:
            self._fault(number, "It is no option: write name = value.")

    def end(self) -> None:
        self._store()

    def _begin(self, name: str, number: int) -> None:
        self._store()
        place = Place(self._file, number, f"[{name}]")
        self._section = self._sections.setdefault(name, Section(name, place))

    def _store(self) -> None:
        if self._option is None or self._section is None:
            return
        name, number, lines = self._option
        self._option = None
        place = Place(self._file, number, f"[{self._section.name}] {name}")
        earlier = self._section.options.get(name)
        if earlier is not None:
            self._document.remark(
                earlier.place, f"It is set again later ({self._file}, line {number}); that one counts."
            )
        self._section.options[name] = Option(name, "\n".join(lines).rstrip(), place)

    def _fault(self, number: int, message: str) -> None:
        self._document.fault_at(Place(self._file, number, ""), message)
