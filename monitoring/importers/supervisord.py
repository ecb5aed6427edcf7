"""Reads a supervisord.conf with the files that it includes. What has no counterpart is listed by line."""

import glob
import os
from pathlib import Path

from monitoring.importers.document import Document, Place
from monitoring.importers.drafts import Drafts
from monitoring.importers.faults import ImportProblem
from monitoring.importers.sources import Options, Source
from monitoring.importers.supervisord_lines import DEFAULT, Option, Section, Sections, read_lines
from monitoring.importers.supervisord_notes import (
    SECTION_NOTES,
    SUPERVISORD_MAPPED,
    SUPERVISORD_NOTES,
    unknown_option,
)
from monitoring.importers.supervisord_program import Around, Program, host_name
from monitoring.importers.supervisord_text import BadValue, expand, has_marks

DEFAULT_PRIORITY = 999
MOST_INCLUDED = 200


def read(source: Source, options: Options) -> Document:
    """Read a supervisord.conf; ``options.variables`` is what ``%(ENV_X)s`` may be."""
    drafts = Drafts(source.name)
    document = drafts.document
    sections: Sections = {}
    if has_marks(source.text):
        document.fault_at(Place(source.name, 0, ""), "It holds characters of Unicode's private use.")
        return document
    read_lines(source.name, source.text, document, sections, source.directory)
    known: dict[str, object] = {"host_node_name": host_name()}
    known |= {f"ENV_{name}": value for name, value in options.variables.items()}
    if source.directory:
        known["here"] = source.directory
    _include(source, sections, document, known)
    _spread_defaults(sections)
    groups, priorities = _groups(sections, document)
    programs = [section for section in sections.values() if section.name.startswith("program:")]
    ordered = any("priority" in section.options for section in programs) or bool(priorities)
    for section in programs:
        name = section.name.partition(":")[2].strip()
        group = groups.get(name, "")
        around = Around(
            group,
            priorities.get(group),
            sections.get("supervisord"),
            known,
            DEFAULT_PRIORITY if ordered else None,
        )
        Program(section, around, drafts).read()
    for section in sections.values():
        _tell_of_section(section, document)
    return drafts.finish()


def _include(source: Source, sections: Sections, document: Document, known: dict[str, object]) -> None:
    section = sections.get("include")
    files = section.options.get("files") if section else None
    if section is None:
        return
    if files is None:
        document.fault_at(
            section.place, "It has no files. Write files = conf.d/*.conf, or remove the section."
        )
        return
    if not (source.local and source.directory):
        document.remark(
            files.place,
            "Other files are included only where the file is one of this machine. Import it with manage.py "
            "services import, or import those files too.",
        )
        return
    try:
        patterns = expand(files.value, known).split()
    except BadValue as wrong:
        document.fault_at(files.place, str(wrong))
        return
    for pattern in patterns:
        found = sorted(glob.glob(os.path.join(source.directory, pattern)))
        if not found:
            document.remark(files.place, f"No file matches {pattern}.")
        for name in found[:MOST_INCLUDED]:
            _include_file(Path(name), source, sections, document)
        if len(found) > MOST_INCLUDED:
            document.fault_at(
                files.place, f"{pattern} matches {len(found)} files; at most {MOST_INCLUDED} are read."
            )


def _include_file(path: Path, source: Source, sections: Sections, document: Document) -> None:
    try:
        included = source.neighbour(path)
    except FileNotFoundError:
        return  # it has just gone
    except ImportProblem as problem:
        document.faults += problem.faults
        return
    if has_marks(included.text):
        document.fault_at(Place(included.name, 0, ""), "It holds characters of Unicode's private use.")
        return
    before = sections.pop("include", None)
    read_lines(included.name, included.text, document, sections, str(path.parent))
    if nested := sections.pop("include", None):
        document.remark(nested.place, "Supervisor does not follow includes of included files, nor does this.")
    if before is not None:
        sections["include"] = before


def _spread_defaults(sections: Sections) -> None:
    """Give every section what [DEFAULT] says, as configparser does."""
    shared = sections.pop(DEFAULT, None)
    for section in sections.values() if shared else ():
        for name, option in shared.options.items() if shared else ():
            section.options.setdefault(name, option)


def _groups(sections: Sections, document: Document) -> tuple[dict[str, str], dict[str, Option]]:
    """Return the group by program, and the groups' priorities."""
    groups: dict[str, str] = {}
    priorities: dict[str, Option] = {}
    for section in sections.values():
        if not section.name.startswith("group:"):
            continue
        name = section.name.partition(":")[2].strip()
        for option in section.options.values():
            if option.name == "priority":
                priorities[name] = option
                document.remark(
                    option.place,
                    "It holds for those of its programs that have no priority of their own.",
                    mapped=True,
                )
            elif option.name != "programs":
                document.remark(option.place, unknown_option(option.name, ("programs", "priority")))
        programs = section.options.get("programs")
        if programs is None:
            document.fault_at(section.place, "It has no programs. Write programs = a,b, or remove the group.")
            continue
        for program in [part.strip() for part in programs.value.split(",") if part.strip()]:
            if f"program:{program}" in sections:
                groups[program] = name
            elif f"fcgi-program:{program}" not in sections:
                document.fault_at(programs.place, f"There is no [program:{program}] in this file.")
    return groups, priorities


def _tell_of_section(section: Section, document: Document) -> None:
    kind = section.name.partition(":")[0]
    if section.name == "supervisord":
        for option in section.options.values():
            if option.name not in SUPERVISORD_MAPPED:
                note = SUPERVISORD_NOTES.get(option.name)
                document.remark(option.place, note or unknown_option(option.name, tuple(SUPERVISORD_NOTES)))
            else:
                document.remark(option.place, "It becomes that of each service.", mapped=True)
    elif kind in SECTION_NOTES:
        named = ", ".join(section.options)
        document.remark(
            section.place, SECTION_NOTES[kind] + (f" (Not taken over: {named}.)" if named else "")
        )
    elif kind == "include":
        for option in section.options.values():
            if option.name != "files":
                document.remark(option.place, unknown_option(option.name, ("files",)))
    elif kind not in {"program", "group"}:
        document.remark(section.place, "Supervisor knows no such section; nothing of it is taken over.")
