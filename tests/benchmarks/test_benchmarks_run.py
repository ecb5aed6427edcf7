"""The benchmarks still run: one crash, one take-over. Their figures are not judged here."""

import shutil
import subprocess
import sys

import pytest

from tests.running import ROOT, clean_environment


@pytest.mark.skipif(shutil.which("cc") is None, reason="the benchmarks need a C compiler")
def test_each_question_about_the_supervisor_gets_its_table() -> None:
    arguments = "--peers medimgr --only respawn,takeover --services 5 --beside 3 --samples 1 --settle 1"
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks", "supervisor", *arguments.split()],
        cwd=ROOT,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    rows = [line for line in done.stdout.splitlines() if line.startswith("| medimgr |")]
    assert len(rows) == 2, done.stdout
    assert "| 5 | " in rows[1], done.stdout  # all five lived on, and were watched again
