"""Reads a Procfile: ``name: command``, each line a process, with the ports that foreman would give."""

import re
from pathlib import Path

from monitoring.importers.commands import EmptyCommand, from_shell
from monitoring.importers.document import Document, Place
from monitoring.importers.drafts import Draft, Drafts
from monitoring.importers.faults import Fault, ImportProblem
from monitoring.importers.shell_words import BrokenQuoting
from monitoring.importers.sources import Options, Source
from monitoring.importers.variable_files import read_variables

_PROCESS = re.compile(r"([A-Za-z0-9_-]+):\s*(.*)")
_MENTIONS_PORT = re.compile(r"\$\{?PORT\b")
FIRST_PORT = 5000
PORT_STEP = 100
_STOP_SECONDS = 5.0
"""So long foreman waits after SIGTERM."""


def read(source: Source, options: Options) -> Document:
    """Read a Procfile. Raises ImportProblem where its file of variables is wanted and cannot be read."""
    drafts = Drafts(source.name)
    shared = _variables(source, options, drafts.document)
    first = _first_port(shared, drafts.document, source)
    number = 0
    for line, text in enumerate(source.text.split("\n"), 1):
        stripped = text.strip()
        if not stripped or stripped.startswith("#"):
            continue
        found = _PROCESS.fullmatch(stripped)
        if found is None:
            drafts.document.remark(
                Place(source.name, line, ""),
                "It is no process: a process is written as name: command. Not taken over.",
            )
            continue
        place = Place(source.name, line, found[1])
        draft = drafts.begin(found[1], place)
        _fill(drafts, draft, found[2], shared, first + PORT_STEP * number, source.directory)
        number += 1
    return drafts.finish()


def _fill(
    drafts: Drafts, draft: Draft, command: str, shared: dict[str, str], port: int, directory: str
) -> None:
    place, document = draft.place, drafts.document
    draft.fields["env"] = shared | {"PORT": str(port)}
    draft.put("stop_timeout_seconds", _STOP_SECONDS, place)
    draft.put("group", "procfile" if not directory else Path(directory).name[:63], place)
    if directory:
        draft.put("cwd", directory, place)
    else:
        document.remark(
            place,
            "It runs in the directory of its Procfile, which a text alone does not tell: name the directory.",
            mapped=True,
        )
    try:
        parsed = from_shell(command, draft.env)
    except (BrokenQuoting, EmptyCommand) as error:
        document.fault_at(place, str(error))
        draft.put("command", [], place)
        return
    draft.fields["env"] = draft.env | parsed.env
    drafts.command(draft, "command", parsed, place)
    if draft.name == "web" or _MENTIONS_PORT.search(command):
        draft.put("ports", [int(draft.env["PORT"])] if _is_port(draft.env["PORT"]) else [], place)
    if draft.name == "release":
        draft.put("autostart", False, place)
        draft.put("restart_policy", "never", place)
        document.remark(
            place,
            "It runs once at each release and is not kept running: it is started by hand here "
            f"(services start {draft.key}).",
            mapped=True,
        )


def _variables(source: Source, options: Options, document: Document) -> dict[str, str]:
    """Return the variables of the file that ``--env`` names; tell of one that is there and not wanted."""
    directory = Path(source.directory) if source.local and source.directory else None
    if not options.env:
        if directory is not None and (directory / ".env").is_file():
            document.remark(
                Place(str(directory / ".env"), 0, ""),
                "It lies beside the Procfile and was not read. Give --env .env to take its variables over.",
            )
        return {}
    if directory is None:
        raise ImportProblem(
            source.name,
            [
                Fault(
                    source.name,
                    0,
                    "env",
                    "A file of variables is read only where the Procfile is a file of this machine: import "
                    "it with manage.py services import.",
                )
            ],
        )
    path = directory / options.env
    try:
        file = source.neighbour(path)
    except FileNotFoundError:
        raise ImportProblem(
            source.name, [Fault(str(path), 0, "", "There is no such file. Correct --env or leave it out.")]
        ) from None
    variables, others = read_variables(file.text)
    for line in others:
        document.remark(Place(str(path), line, ""), "It sets no variable: a line has to be NAME=value.")
    return variables


def _first_port(variables: dict[str, str], document: Document, source: Source) -> int:
    declared = variables.get("PORT", "")
    if not declared:
        return FIRST_PORT
    if _is_port(declared):
        return int(declared)
    document.remark(
        Place(source.name, 0, "PORT"), f"It is no port; the ports begin at {FIRST_PORT}.", mapped=True
    )
    return FIRST_PORT


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 6 and 0 < int(text) < 65536
