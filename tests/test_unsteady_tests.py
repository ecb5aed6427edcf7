"""A test that only a race fails is told and does not fail the run; one that fails by itself does."""

import subprocess
import sys
from pathlib import Path

from tests.running import ROOT

# Fails at its first run, as told by a file that it leaves.
RACY = """
from pathlib import Path

def test_{name}():
    seen = Path(__file__).with_suffix(".{name}")
    first, _ = not seen.exists(), seen.touch()
    assert not first
"""


def run(directory: Path, *tests: str) -> tuple[int, str]:
    """Run the suite over these tests; return its exit status and the summary."""
    (directory / "pytest.ini").write_text("[pytest]\n")
    (directory / "test_some.py").write_text("\n".join(tests))
    summary = directory / "summary"
    done = subprocess.run(
        [ROOT / "script/suite", summary, "Some", "-p", "no:django", "test_some.py"],
        cwd=directory,
        env={"PATH": "/usr/bin:/bin", "PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, summary.read_text()


def test_a_test_that_passes_three_times_by_itself_is_told_and_does_not_fail_the_run(tmp_path: Path) -> None:
    status, summary = run(tmp_path, RACY.format(name="race"), "def test_good(): pass")
    assert status == 0
    assert "1 failed, 1 passed" in summary
    assert "UNSTEADY:            test_some.py::test_race failed among the others" in summary


def test_a_test_that_fails_by_itself_fails_the_run(tmp_path: Path) -> None:
    status, summary = run(tmp_path, RACY.format(name="race"), "def test_bad(): assert False")
    assert status == 1
    assert "2 failed" in summary
    assert "UNSTEADY" not in summary


def test_many_failed_tests_are_no_race(tmp_path: Path) -> None:
    status, summary = run(tmp_path, *(RACY.format(name=f"race{n}") for n in range(4)))
    assert (status, "UNSTEADY" in summary) == (1, False)


def test_passing_tests_run_once(tmp_path: Path) -> None:
    status, summary = run(tmp_path, "def test_good(): pass")
    assert status == 0
    assert summary.startswith("Some:                  1 passed in ")


def test_a_suite_that_cannot_be_collected_fails_the_run(tmp_path: Path) -> None:
    status, summary = run(tmp_path, "import nothing_of_that_name")
    assert status == 1
    assert "1 error" in summary
