"""What the documents name has to exist: files, commands, links, variables."""

import re
from pathlib import Path

import pytest
from django.core.management import get_commands

from tests.test_architecture import ROOT, example_variables, named, tracked

DOCUMENTS = tracked("*.md")
EXTERNAL = re.compile(r"^(https?:|mailto:|#)")
# Things that look like paths of ours and are made while running, or are somebody else's.
_MADE_LATER = re.compile(r"^(\.venv|\.env|var/|/)|[<>*{}]|^logs/")


def marks_of_services() -> set[str]:
    """The variables that a supervisor puts into the environment of what it starts."""
    source = "".join(
        (ROOT / "monitoring/supervisor" / name).read_text() for name in ("identity.py", "hook_commands.py")
    )
    source += (ROOT / "monitoring/supervisor/child_environment.py").read_text()
    return set(re.findall(r'"(MEDIMGR_[A-Z_]+)"', source))


def text_of(document: Path) -> str:
    return document.read_text(encoding="utf-8")


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_every_link_leads_somewhere(document: Path) -> None:
    targets = re.findall(r"\]\(([^)\s]+)\)", text_of(document))
    local = [target.partition("#")[0] for target in targets if not EXTERNAL.match(target)]
    assert [target for target in local if not (document.parent / target).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_every_file_that_is_named_exists(document: Path) -> None:
    spans = re.findall(r"`([^`\n]+)`", text_of(document))
    paths = [span for span in spans if re.fullmatch(r"[\w.-]+(/[\w.-]+)+/?|[\w-]+\.(py|md|toml|txt)", span)]
    known = {path.name for path in tracked("*")} | {named(path) for path in tracked("*")}
    known |= {str(parent) for name in list(known) for parent in Path(name).parents}
    missing = [p for p in paths if not _MADE_LATER.search(p) and p.rstrip("/") not in known]
    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_every_command_that_is_named_exists(document: Path) -> None:
    commands = re.findall(r"manage\.py ([a-z_]+)", text_of(document))
    assert {name for name in commands if name not in get_commands()} == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_every_variable_that_is_named_exists(document: Path) -> None:
    found = set(re.findall(r"\b((?:MEDIMGR|DJANGO)_[A-Z_]+)\b", text_of(document)))
    known = example_variables() | {f"{name}_FILE" for name in example_variables()}
    known |= {"MEDIMGR_TEST_DATABASE", "MEDIMGR_TEST_CHROMIUM", *marks_of_services()}
    known |= {"MEDIMGR_CHAOS_SECONDS", "MEDIMGR_CHAOS_SEED"}
    known |= {"MEDIMGR_TEST_SEED", "MEDIMGR_TEST_RAGE_SECONDS", "MEDIMGR_TEST_ROUNDS"}
    assert {name for name in found if name.rstrip("_") not in known and not name.endswith("_")} == set()


def test_every_document_is_reachable_from_the_readme() -> None:
    seen: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        document = waiting.pop()
        if document in seen or document.suffix != ".md" or not document.exists():
            continue
        seen.add(document)
        for target in re.findall(r"\]\(([^)\s#]+)", text_of(document)):
            if not EXTERNAL.match(target):
                waiting.append((document.parent / target).resolve())
        waiting += [ROOT / name for name in re.findall(r"`([\w/-]+\.md)`", text_of(document))]
    assert {named(path) for path in DOCUMENTS} - {named(path) for path in seen} == set()
