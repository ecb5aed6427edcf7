"""What is said of known holes in the packages that are pinned."""

from typing import Any

from tests.security.known_holes import Verdict, asked, told, verdict


def package(name: str, *holes: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "version": "1.0", "vulns": list(holes)}


def hole(*versions: str) -> dict[str, Any]:
    return {"id": "PYSEC-1", "fix_versions": list(versions), "aliases": [], "description": ""}


SKIPPED = {"name": "unknown", "skip_reason": "Dependency not found on PyPI and could not be audited"}


def test_a_hole_that_can_be_mended_fails_and_says_where_it_is_mended() -> None:
    found = verdict({"dependencies": [package("django", hole("1.1", "1.2")), package("psutil"), SKIPPED]})
    lines, code = told(found)
    assert code == 1
    assert lines == [
        "2 pinned packages were looked up.",
        "KNOWN HOLE: django 1.0: PYSEC-1, mended in 1.1, 1.2",
    ]


def test_a_hole_without_a_mend_is_told_and_stops_nobody() -> None:
    lines, code = told(verdict({"dependencies": [package("django", hole())]}))
    assert code == 0
    assert lines[1] == "KNOWN HOLE: django 1.0: PYSEC-1, no mend is out yet"


def test_nobody_to_ask_is_not_taken_for_a_clean_bill() -> None:
    nobody = verdict({"dependencies": [SKIPPED]})
    assert nobody == Verdict(asked=0)
    assert told(None) == (
        ["No database of known holes can be asked from here, so nothing was looked up."],
        0,
    )


def test_a_service_that_cannot_be_asked_is_passed_over() -> None:
    assert asked("no-such-service") is None
