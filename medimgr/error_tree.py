"""The whole tree of problems, for whoever explains it: ``manage.py errors`` and ``docs/errors.md``."""

from collections.abc import Iterable, Iterator
from importlib import import_module

from medimgr.lib.problems import Problem
from monitoring.error_words import REASONS
from operations.words import error_sentences

HOMES = (
    "medimgr.lib.branches",
    "medimgr.lib.file_faults",
    "medimgr.lib.private_file",
    "medimgr.lib.refusals",
    "medimgr.lib.request_problems",
    "medimgr.lib.sealing",
    "medimgr.lib.system_trouble",
    "medimgr.accounts.exceptions",
    "medimgr.api_bodies",
    "medimgr.events.exceptions",
    "operations.exceptions",
    "monitoring.exceptions",
    "monitoring.importers.faults",
    "monitoring.supervisor.adoption",
    "monitoring.supervisor.lease",
    "monitoring.supervisor.nodelock",
    "monitoring.supervisor.spawn_problems",
    "monitoring.supervisor.supervision",
    "monitoring.supervisor.web_socket",
    "workstations.exceptions",
    "workstations.fleet_file.reading",
    "workstations.passwords",
)
"""Where problems are declared."""
BRANCHES = (
    "Configuration",
    "Workstation",
    "Emulator",
    "Operation",
    "Validation",
    "Authentication and authorisation",
    "Database",
    "File system",
    "Network",
    "System, services and resources",
)

Tree = dict[str, list[type[Problem]]]


def tree() -> Tree:
    """Return each branch with its problems, by code: those with a code of their own. Imports their homes."""
    for home in HOMES:
        import_module(home)
    found: Tree = {branch: [] for branch in BRANCHES}
    for kind in below(Problem):
        if "code" in vars(kind) and kind.__module__ in HOMES:
            found[kind.branch].append(kind)
    return {branch: sorted(kinds, key=lambda kind: kind.code) for branch, kinds in found.items()}


def below(kind: type[Problem]) -> Iterator[type[Problem]]:
    """Yield every kind of problem below ``kind``, each once."""
    seen: set[type[Problem]] = set()
    waiting = list(kind.__subclasses__())
    while waiting:
        one = waiting.pop()
        if one not in seen:
            seen.add(one)
            waiting.extend(one.__subclasses__())
            yield one


def explained(code: str) -> Iterator[str]:
    """Yield what ``code`` means and what to do, line by line; nothing where there is no such code."""
    for branch, kinds in tree().items():
        for kind in kinds:
            if kind.code == code:
                yield f"{code} ({branch}, status {kind.status})"
                yield f"What it means: {kind.meaning()}"
                yield f"What to do:    {kind.remedy}"
    if code in REASONS:
        yield f"{code} (reason of a service)"
        yield f"What it means: {REASONS[code]}"
        yield f"What to do:    {REASON_REMEDY}"


REASON_REMEDY = "Look at the service's page: its history and the end of its log say how it came there."


def as_markdown() -> str:
    """Return the tables of ``docs/errors.md``."""
    ends = error_sentences()
    lines: list[str] = []
    for branch, kinds in tree().items():
        lines += [f"## {branch}", "", *_table(kinds, ends), ""]
    lines += ["## Reasons of services", "", _ABOUT_REASONS, "", "| code | what it means |", "| --- | --- |"]
    lines += [f"| `{code}` | {words} |" for code, words in sorted(REASONS.items())]
    return "\n".join(lines) + "\n"


_ABOUT_REASONS = (
    "An operation that starts a service ends with the reason for which the service is not running, too.\n"
    f"{REASON_REMEDY}"
)


def _table(kinds: Iterable[type[Problem]], ends: dict[str, str]) -> Iterator[str]:
    yield "| code | status | what it means | what to do |"
    yield "| --- | --- | --- | --- |"
    for kind in kinds:
        also = " · op" if kind.code in ends else ""
        yield f"| `{kind.code}` | {kind.status}{also} | {kind.meaning()} | {kind.remedy} |"
