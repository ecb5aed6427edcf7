"""Errors: a stable code, a title for the kind, a detail for the case."""

import pytest

from medimgr.lib.problems import Problem, problem_document


class KettleEmpty(Problem):
    """There is no water in the kettle.

    Fill it.
    """

    code = "kettle-empty"
    status = 409


def test_the_docstring_is_the_title_and_the_default_message() -> None:
    problem = KettleEmpty()
    assert problem.title == problem.detail == str(problem) == "There is no water in the kettle."


def test_a_detail_of_its_own_leaves_the_title_alone() -> None:
    problem = KettleEmpty("The kettle on the left is empty.")
    assert problem.detail == "The kettle on the left is empty."
    assert problem.title == "There is no water in the kettle."


def test_the_document_has_the_members_of_rfc_9457() -> None:
    document = problem_document(code="kettle-empty", status=409, title="T", detail="D")
    assert document == {
        "type": "urn:medimgr:problem:kettle-empty",
        "title": "T",
        "status": 409,
        "detail": "D",
        "code": "kettle-empty",
    }


def test_the_document_names_bad_fields_where_there_are_some() -> None:
    document = problem_document(code="c", status=422, title="T", detail="D", errors={"port": ["Too big."]})
    assert document["errors"] == {"port": ["Too big."]}


def test_what_stands_for_others_has_no_code_and_what_is_raised_has_one() -> None:
    bare = [kind for kind in ours() if kind.code == Problem.code]
    assert [kind for kind in bare if not kind.__subclasses__()] == [], "They tell a program nothing."


def test_a_code_means_the_same_status_wherever_it_is_used() -> None:
    statuses: dict[str, set[int]] = {}
    for kind in ours():
        if kind.code != Problem.code:
            statuses.setdefault(kind.code, set()).add(kind.status)
    assert {code: found for code, found in statuses.items() if len(found) > 1} == {}


def test_nothing_hangs_on_two_branches() -> None:
    class Kettles(Problem, branch="Kettles"):
        """Something is wrong with a kettle."""

    class Cups(Problem, branch="Cups"):
        """Something is wrong with a cup."""

    class LidMissing(Kettles):
        """The kettle has no lid."""

    assert (Kettles.branch, LidMissing.branch, KettleEmpty.branch) == ("Kettles", "Kettles", "")
    with pytest.raises(TypeError, match="Spilled would be on several branches: Cups, Kettles"):

        class Spilled(LidMissing, Cups):
            """Neither has it any more."""


def ours() -> list[type[Problem]]:
    """Return every kind of problem that is loaded, but for those of tests."""
    return [kind for kind in every_kind(Problem) if kind.__module__.split(".")[0] != "tests"]


def every_kind(base: type[Problem]) -> list[type[Problem]]:
    return [kind for child in base.__subclasses__() for kind in (child, *every_kind(child))]
