"""Every code with which an operation can end has a sentence for people."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from medimgr.lib.problems import Problem
from monitoring.supervisor.spawn_problems import SpawnError
from operations import words
from operations.exceptions import OperationFailed
from operations.models import Operation
from operations.states import Status
from tests.medimgr.test_problems import every_kind
from tests.running import ROOT

# The functions that end an operation, and which of their arguments is the code.
_ENDING = {"ending": 1, "finish": 2, "_end": 2, "End": 2, "_end_roll": 2, "Finish": 2}


def codes(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the codes with which calls in a file end operations, literal or of a problem, and where."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        place = _ENDING.get(name)
        if place is None or len(node.args) <= place:
            continue
        code = node.args[place]
        where = f"{path.relative_to(ROOT)}:{node.lineno}"
        if isinstance(code, ast.Constant) and isinstance(code.value, str) and code.value:
            yield code.value, where
        elif isinstance(code, ast.Attribute) and code.attr == "code" and isinstance(code.value, ast.Name):
            found = {kind.code for kind in every_kind(Problem) if kind.__name__ == code.value.id}
            if len(found) == 1:
                yield found.pop(), where


def test_every_code_that_the_program_ends_operations_with_is_explained() -> None:
    found = {
        code: place
        for app in ("operations", "monitoring", "workstations")
        for path in (ROOT / app).rglob("*.py")
        for code, place in codes(path)
    }
    assert {"superseded", "target-gone", "min-ready", "lease-lost"} <= set(found)  # the search finds them
    known = words.error_sentences()
    assert {code: place for code, place in found.items() if code not in known} == {}


@pytest.mark.parametrize("sentence", words.error_sentences().values())
def test_an_explanation_is_a_sentence(sentence: str) -> None:
    assert sentence[0].isupper()
    assert sentence.endswith(".")
    assert len(sentence) <= 110


def test_every_failure_of_an_operation_is_explained() -> None:
    known = words.error_sentences()
    ends = [*every_kind(OperationFailed), *every_kind(SpawnError)]
    ours = [kind for kind in ends if kind.__module__.split(".")[0] != "tests" and kind.code != Problem.code]
    assert len(ours) > 30
    assert {kind.code: kind.meaning() for kind in ours}.items() <= known.items()


def ended(status: Status, code: str, detail: str) -> str:
    return words.error(Operation(status=status, error_code=code, error_detail=detail))


def test_a_code_is_told_in_words_and_one_that_nobody_knows_by_its_detail() -> None:
    assert ended(Status.FAILED, "lease-lost", "x") == words.error_sentences()["lease-lost"]
    assert ended(Status.FAILED, "moon-phase", "The moon was full.") == "The moon was full."
    assert ended(Status.FAILED, "moon-phase", "") == "moon-phase"
    assert ended(Status.CANCELLED, "cancelled", "Cancelled by bob.") == "Cancelled by bob."
    assert ended(Status.SUCCESS, "", "") == ""
