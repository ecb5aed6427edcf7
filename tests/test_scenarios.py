"""Every scenario of docs/scenarios.md is shown by tests that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LAST = 32
SEVERAL_NODES = 32
_ROWS = re.findall(
    r"^\| (\d+) \| [^|]+ \| ([^|]+) \|$", (ROOT / "docs/scenarios.md").read_text(), re.MULTILINE
)
SCENARIOS = {int(number): shown for number, shown in _ROWS}


def test_none_is_missing_or_there_twice() -> None:
    assert [int(number) for number, _ in _ROWS] == list(range(1, LAST + 1))
    assert "several nodes" in SCENARIOS[SEVERAL_NODES]


@pytest.mark.parametrize("number", sorted(set(SCENARIOS) - {SEVERAL_NODES}))
def test_each_names_tests_that_exist(number: int) -> None:
    named = re.findall(r"`([^`]+)::([^`]+)`", SCENARIOS[number])
    assert named, f"Scenario {number} is shown by no test."
    for path, name in named:
        source = (ROOT / path).read_text(encoding="utf-8")
        assert re.search(rf"^(async )?def {name}\(", source, re.MULTILINE), f"{path} has no {name}"
