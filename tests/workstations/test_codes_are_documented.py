"""The table of what goes wrong has every code that operations on workstations can end with, and no other."""

import re

from tests.running import ROOT
from workstations.error_words import ENDS
from workstations.host_findings import LABELS

DOCUMENT = (ROOT / "docs/workstations.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    """Return what stands under a heading of the document."""
    return DOCUMENT.split(f"\n## {title}\n")[1].split("\n## ")[0]


def rows(title: str) -> dict[str, list[str]]:
    """Return the rows of the tables under a heading by their first cell, without the tables' heads."""
    lines = re.findall(r"^\| (.+) \|$", section(title), re.MULTILINE)
    cells = [line.split(" | ") for line in lines]
    return {row[0].strip("`"): row[1:] for row in cells if row[0] not in ("code", "point", "---")}


def test_the_table_has_every_code_and_no_other() -> None:
    assert set(rows("What goes wrong, by its code")) == {kind.code for kind in ENDS}


def test_each_row_says_what_it_means_and_what_to_do() -> None:
    for code, cells in rows("What goes wrong, by its code").items():
        assert len(cells) == 2, code
        assert all(cell.endswith(".") for cell in cells), code


def test_the_points_of_a_host_check_are_those_of_the_document() -> None:
    assert list(rows("Testing and checking")) == list(LABELS.values())
