"""Which format a file is in, and who reads it."""

import re
from collections.abc import Callable, Sequence
from typing import Literal, get_args

from monitoring.importers import pm2, procfile, supervisord, systemd, toml_reading
from monitoring.importers.document import Document
from monitoring.importers.faults import Fault, ImportProblem
from monitoring.importers.sources import Options, Source

Format = Literal["toml", "supervisord", "procfile", "pm2", "systemd"]
FORMATS: tuple[Format, ...] = get_args(Format)
MOST_FILES = 100
_UNIT = re.compile(
    r"\.(?:service|timer|socket|target|path|mount|automount|swap|slice|scope|device)$", re.IGNORECASE
)
_SECTION = re.compile(r"^\s*\[([^\]\n]+)\]", re.MULTILINE)
_PROCESS = re.compile(r"^[A-Za-z0-9_-]+:\s*\S", re.MULTILINE)

# The formats of one file each. systemd's units come together, since they name each other.
_READERS: dict[Format, Callable[[Source, Options], Document]] = {
    "toml": lambda source, _options: toml_reading.read(source),
    "supervisord": supervisord.read,
    "procfile": procfile.read,
    "pm2": pm2.read,
}


def read(sources: Sequence[Source], wanted: Format | None, options: Options) -> Document:
    """Read the sources, in the format ``wanted`` or in the one that they look like. Touches no database.

    Raises ImportProblem where nothing can be read at all; what is wrong with single lines is in the
    document's faults, what is not taken over in its remarks.
    """
    if not sources:
        raise ImportProblem("The import", [Fault("The import", 0, "", "There is no file. Name one.")])
    if len(sources) > MOST_FILES:
        message = f"There are {len(sources)} files; {MOST_FILES} are imported at once."
        raise ImportProblem("The import", [Fault("The import", 0, "", message)])
    chosen = wanted or _guess_all(sources)
    if chosen == "systemd":
        return systemd.read(sources, options)
    if len(sources) > 1:
        raise ImportProblem(
            sources[1].name,
            [
                Fault(
                    sources[1].name,
                    0,
                    "",
                    f"Only systemd's units are imported together. Import each {chosen} file by itself.",
                )
            ],
        )
    source = sources[0]
    if chosen != "toml" and "\0" in source.text:
        line = source.text.count("\n", 0, source.text.index("\0")) + 1
        raise ImportProblem(source.name, [Fault(source.name, line, "", "It holds a NUL character.")])
    return _READERS[chosen](source, options)


def _guess_all(sources: Sequence[Source]) -> Format:
    guesses = {source.name: guess(source) for source in sources}
    unknown = [name for name, found in guesses.items() if found is None]
    if unknown:
        raise ImportProblem(
            unknown[0],
            [Fault(unknown[0], 0, "", f"Its format cannot be told. Say which it is: {', '.join(FORMATS)}.")],
        )
    found = set(guesses.values())
    if len(found) > 1:
        listed = ", ".join(f"{name} ({kind})" for name, kind in guesses.items())
        raise ImportProblem(
            sources[0].name,
            [Fault(sources[0].name, 0, "", f"The files are of different formats: {listed}.")],
        )
    return next(kind for kind in found if kind is not None)


def guess(source: Source) -> Format | None:
    """Return the format that a file's name, or else its text, looks like; None where it is none. Pure."""
    name, text = source.base_name.lower(), source.text[:65536]
    if _UNIT.search(name):
        return "systemd"
    if name.endswith(".toml"):
        return "toml"
    if re.fullmatch(r"procfile(\..*)?|.*\.procfile", name):
        return "procfile"
    if re.search(r"\.(json|[cm]?js|ya?ml)$", name):
        return "pm2"
    if name.startswith("supervisor"):
        return "supervisord"
    return _guess_text(text)


def _guess_text(text: str) -> Format | None:
    sections = [section.strip() for section in _SECTION.findall(text)]
    if any(section.startswith("services.") or section == "services" for section in sections):
        return "toml"
    if any(section in {"supervisord", "include"} or ":" in section for section in sections):
        return "supervisord"
    if {"Unit", "Service", "Timer"}.intersection(sections):
        return "systemd"
    if text.lstrip()[:1] == "{" or '"apps"' in text or "module.exports" in text:
        return "pm2"
    return "procfile" if not sections and _PROCESS.search(text) else None
