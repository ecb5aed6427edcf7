"""Every code with which an operation can end has a sentence for people."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from operations import words
from operations.models import Operation
from operations.states import Status
from tests.running import ROOT

# The functions that end an operation, and which of their arguments is the code.
_ENDING = {"OperationFailed": 0, "SpawnError": 0, "ending": 1, "finish": 2, "_end": 2, "End": 2}


def codes(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the literal codes with which calls in a file end operations, and where."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        place = _ENDING.get(name)
        if place is None or len(node.args) <= place:
            continue
        code = node.args[place]
        if isinstance(code, ast.Constant) and isinstance(code.value, str) and code.value:
            yield code.value, f"{path.relative_to(ROOT)}:{node.lineno}"


def test_every_code_that_the_program_ends_operations_with_is_explained() -> None:
    found = {
        code: place
        for app in ("operations", "monitoring", "workstations")
        for path in (ROOT / app).rglob("*.py")
        for code, place in codes(path)
    }
    assert {"spawn-failed", "target-gone", "min-ready", "lease-lost"} <= set(found)  # the search finds them
    known = words.error_sentences()
    assert {code: place for code, place in found.items() if code not in known} == {}


@pytest.mark.parametrize("sentence", words.error_sentences().values())
def test_an_explanation_is_a_sentence(sentence: str) -> None:
    assert sentence[0].isupper()
    assert sentence.endswith(".")
    assert len(sentence) <= 110


def ended(status: Status, code: str, detail: str) -> str:
    return words.error(Operation(status=status, error_code=code, error_detail=detail))


def test_a_code_is_told_in_words_and_one_that_nobody_knows_by_its_detail() -> None:
    assert ended(Status.FAILED, "lease-lost", "x") == words.error_sentences()["lease-lost"]
    assert ended(Status.FAILED, "moon-phase", "The moon was full.") == "The moon was full."
    assert ended(Status.FAILED, "moon-phase", "") == "moon-phase"
    assert ended(Status.CANCELLED, "cancelled", "Cancelled by bob.") == "Cancelled by bob."
    assert ended(Status.SUCCESS, "", "") == ""
